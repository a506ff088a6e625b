/*
 * crc32c.c
 *		CRC-32C four bits at a time, or by SSE 4.2 where the processor has it.
 *
 * Source: RFC 3720, appendix B.4 (polynomial and check values).
 */
#include <string.h>

#include "model/crc32c.h"
#include "base/pure_c.h"

uint32_t
tcls_crc32c_extend_plain(uint32_t crc, const void *data, size_t size)
{
	/* The remainders of the sixteen values of four bits, polynomial 0x82F63B78 (reflected). */
	static const uint32_t remainders[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75
	};
	const unsigned char *bytes = data;

	crc = ~crc;
	for (size_t i = 0; i < size; i++)
	{
		crc ^= bytes[i];
		crc = crc >> 4 ^ remainders[crc & 15];
		crc = crc >> 4 ^ remainders[crc & 15];
	}
	return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2")))
static uint32_t
extend_sse42(uint32_t crc, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t	state = ~crc;

	for (; size >= 8; size -= 8, bytes += 8)
	{
		uint64_t	word;

		memcpy(&word, bytes, 8);
		state = __builtin_ia32_crc32di(state, word);
	}
	for (; size > 0; size--, bytes++)
		state = __builtin_ia32_crc32qi((uint32_t) state, *bytes);
	return ~(uint32_t) state;
}
#endif

uint32_t
tcls_crc32c_extend(uint32_t crc, const void *data, size_t size)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return extend_sse42(crc, data, size);
#endif
	return tcls_crc32c_extend_plain(crc, data, size);
}
