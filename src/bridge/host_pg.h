/*
 * host_pg.h
 *		The core's host in the server: memory contexts, interrupts, errors.
 */
#ifndef TEXTCLS_HOST_PG_H
#define TEXTCLS_HOST_PG_H

#include "base/host.h"

/*
 * Allocates from the context given (huge sizes allowed, NULL when out of
 * memory); poll is CHECK_FOR_INTERRUPTS() and may raise.  The host lies in that
 * context and dies with it.
 */
extern TclsHost *tcls_host_create(MemoryContext context);

/* Raise the ERROR that belongs to a status that is not TCLS_OK; SQLSTATE by status. */
extern void tcls_host_check(TclsStatus status, TclsHost *host);

/* The same with "context" as errdetail, e.g. which file or model it was. */
extern void tcls_host_check_context(TclsStatus status, TclsHost *host, const char *format,...)
			pg_attribute_printf(3, 4);

/*
 * Text of the server's encoding to UTF-8, validated: a palloc'ed or borrowed
 * run of *size bytes, not terminated.  Invalid bytes and characters without an
 * equivalent raise an ERROR that says which.
 */
extern const char *tcls_host_utf8(size_t *size, const text *input);

/* Whether tcls_host_utf8() would succeed. */
extern bool tcls_host_has_utf8(const text *input);

/* UTF-8 of the core to a text datum in the server's encoding. */
extern text *tcls_host_text(const char *utf8, size_t size);

#endif							/* TEXTCLS_HOST_PG_H */
