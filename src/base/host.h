/*
 * host.h
 *		Everything the core may ask of the world: memory, and whether to stop.
 *
 * Ownership: memory belongs to the host.  A function that fails need not free
 * what it allocated; the host frees all of it when the operation ends (a
 * memory context in the server, a list in the unit tests).  A function that
 * succeeds frees its temporaries.
 *
 * poll() may raise (longjmp) out of the core in the server.  So at each call of
 * poll() or of any other callback the core holds nothing but host memory: no
 * jansson value, no file, no lock.
 */
#ifndef TEXTCLS_HOST_H
#define TEXTCLS_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define TCLS_ALIGNMENT 64		/* of every block from tcls_alloc */

typedef struct TclsHost
{
	void	   *(*alloc) (void *context, size_t size);	/* NULL: out of memory */
	void		(*free) (void *context, void *block);
	TclsStatus	(*poll) (void *context);	/* TCLS_OK or TCLS_CANCELLED */
	void	   *context;
	char		detail[512];	/* text of the last failure, see tcls_fail */
} TclsHost;

/* Store the message and return the status. */
extern TclsStatus tcls_fail(TclsHost *host, TclsStatus status, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/*
 * *block gets count * size bytes, aligned to TCLS_ALIGNMENT, uninitialised.
 * Overflow of the product and exhaustion give TCLS_OUT_OF_MEMORY.  A count of
 * zero gives a block that may be freed.
 */
extern TclsStatus tcls_alloc(void *block, size_t count, size_t size, TclsHost *host);

/* The same, filled with zero bytes; polls between the pieces of a large block. */
extern TclsStatus tcls_alloc_zero(void *block, size_t count, size_t size, TclsHost *host);

/* Gives a block of tcls_alloc back; NULL is allowed. */
extern void tcls_free(void *block, TclsHost *host);

/* Ask the host whether to go on. */
extern TclsStatus tcls_poll(TclsHost *host);

/* A growing run of bytes; bytes is owned by the host. */
typedef struct TclsBytes
{
	char	   *data;
	size_t		size;
	size_t		capacity;
} TclsBytes;

extern TclsStatus tcls_bytes_append(TclsBytes *bytes, const void *data, size_t size, TclsHost *host);

/* Where a file is written to, front to back. */
typedef struct TclsWriter
{
	TclsStatus	(*write) (void *context, const void *data, size_t size);
	void	   *context;
} TclsWriter;

#endif							/* TEXTCLS_HOST_H */
