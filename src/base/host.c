/*
 * host.c
 *		Aligned memory and failure texts over the host's callbacks.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/host.h"
#include "base/pure_c.h"

#define ZERO_PIECE ((size_t) 1 << 20)	/* bytes between polls */

TclsStatus
tcls_fail(TclsHost *host, TclsStatus status, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(host->detail, sizeof(host->detail), format, args);
	va_end(args);
	return status;
}

/*
 * The host aligns as malloc does.  A block is moved up to the next multiple of
 * TCLS_ALIGNMENT, and the distance is kept in the eight bytes before it.
 */
TclsStatus
tcls_alloc(void *block, size_t count, size_t size, TclsHost *host)
{
	size_t		bytes;
	uintptr_t	raw;
	uintptr_t	aligned;

	if (__builtin_mul_overflow(count, size, &bytes) ||
		__builtin_add_overflow(bytes, TCLS_ALIGNMENT + sizeof(uint64_t), &bytes) ||
		(raw = (uintptr_t) host->alloc(host->context, bytes)) == 0)
		return tcls_fail(host, TCLS_OUT_OF_MEMORY, "out of memory for %zu elements of %zu bytes", count, size);
	aligned = (raw + sizeof(uint64_t) + TCLS_ALIGNMENT - 1) & ~(uintptr_t) (TCLS_ALIGNMENT - 1);
	((uint64_t *) aligned)[-1] = aligned - raw;
	memcpy(block, &aligned, sizeof(aligned));
	return TCLS_OK;
}

TclsStatus
tcls_alloc_zero(void *block, size_t count, size_t size, TclsHost *host)
{
	size_t		bytes = count * size;
	char	   *data;

	TCLS_TRY(tcls_alloc(&data, count, size, host));
	for (size_t done = 0; done < bytes; done += ZERO_PIECE)
	{
		TclsStatus	status = done > 0 ? tcls_poll(host) : TCLS_OK;

		if (status != TCLS_OK)
		{
			tcls_free(data, host);
			return status;
		}
		memset(data + done, 0, bytes - done < ZERO_PIECE ? bytes - done : ZERO_PIECE);
	}
	memcpy(block, &data, sizeof(data));
	return TCLS_OK;
}

void
tcls_free(void *block, TclsHost *host)
{
	if (block != NULL)
		host->free(host->context, (char *) block - ((uint64_t *) block)[-1]);
}

TclsStatus
tcls_poll(TclsHost *host)
{
	TclsStatus	status = host->poll(host->context);

	if (status != TCLS_OK)
		return tcls_fail(host, status, "cancelled");
	return TCLS_OK;
}

TclsStatus
tcls_bytes_append(TclsBytes *bytes, const void *data, size_t size, TclsHost *host)
{
	size_t		needed;

	if (__builtin_add_overflow(bytes->size, size, &needed))
		return tcls_fail(host, TCLS_TOO_LARGE, "more bytes than an address can count");
	if (needed > bytes->capacity)
	{
		size_t		capacity = needed + needed / 2 + 64;
		char	   *grown;

		TCLS_TRY(tcls_alloc(&grown, capacity, 1, host));
		if (bytes->size > 0)
			memcpy(grown, bytes->data, bytes->size);
		tcls_free(bytes->data, host);
		bytes->data = grown;
		bytes->capacity = capacity;
	}
	if (size > 0)
		memcpy(bytes->data + bytes->size, data, size);
	bytes->size = needed;
	return TCLS_OK;
}
