/*
 * crc32c.h
 *		CRC-32C (Castagnoli), the checksum of prepared files.
 *
 * Ours, because the server's is above the fence and must not be needed by the tests
 * without a server, and because zlib has only the other polynomial, for which
 * processors have no instruction.
 */
#ifndef TEXTCLS_CRC32C_H
#define TEXTCLS_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what crc covers with data behind it; 0 to begin. */
extern uint32_t tcls_crc32c_extend(uint32_t crc, const void *data, size_t size);

/* The same without the processor's instruction. */
extern uint32_t tcls_crc32c_extend_plain(uint32_t crc, const void *data, size_t size);

#endif							/* TEXTCLS_CRC32C_H */
