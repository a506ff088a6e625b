/*
 * arena.h
 *		Bump allocation for scratch that dies together: one arena a batch.
 *
 *		chunk -> chunk -> chunk
 *		[header | used ......... | free ]
 *
 * tcls_arena_reset keeps the chunks, so that a steady loop allocates nothing.
 */
#ifndef TEXTCLS_ARENA_H
#define TEXTCLS_ARENA_H

#include "base/host.h"

typedef struct TclsArenaChunk TclsArenaChunk;

typedef struct TclsArena
{
	TclsHost   *host;
	TclsArenaChunk *first;
	TclsArenaChunk *current;
} TclsArena;

extern void tcls_arena_init(TclsArena *arena, TclsHost *host);

/* *block gets count * size bytes, aligned to TCLS_ALIGNMENT, uninitialised; valid until reset. */
extern TclsStatus tcls_arena_alloc(void *block, size_t count, size_t size, TclsArena *arena);

extern void tcls_arena_reset(TclsArena *arena);
extern void tcls_arena_free(TclsArena *arena);

#endif							/* TEXTCLS_ARENA_H */
