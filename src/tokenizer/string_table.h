/*
 * string_table.h
 *		Byte strings numbered in the order in which they were first seen.
 */
#ifndef TEXTCLS_STRING_TABLE_H
#define TEXTCLS_STRING_TABLE_H

#include "base/host.h"

/* Zero the struct to begin. */
typedef struct TclsStringTable
{
	TclsBytes	pool;			/* the strings, end to end */
	TclsBytes	ends;			/* (count) uint32_t, into pool */
	uint32_t   *slots;			/* (slot_count) number + 1, 0: empty */
	uint32_t	slot_count;		/* a power of two */
	uint32_t	count;
} TclsStringTable;

/* The number of the string, which is added if it is new. */
extern TclsStatus tcls_string_table_add(uint32_t *index, TclsStringTable *table, const void *bytes, size_t size,
										TclsHost *host);

extern const char *tcls_string_table_get(size_t *size, const TclsStringTable *table, uint32_t index);

extern size_t tcls_string_table_bytes(const TclsStringTable *table);
extern void tcls_string_table_free(TclsStringTable *table, TclsHost *host);

#endif							/* TEXTCLS_STRING_TABLE_H */
