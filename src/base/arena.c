/*
 * arena.c
 *		Bump allocation over the host.
 */
#include <string.h>

#include "base/arena.h"
#include "base/pure_c.h"

#define ARENA_CHUNK_SIZE ((size_t) 1 << 20)

/* One cache line, so that the data after it are aligned as the chunk is. */
struct TclsArenaChunk
{
	TclsArenaChunk *next;
	size_t		used;
	size_t		size;			/* of the data, without this header */
	char		padding[TCLS_ALIGNMENT - sizeof(void *) - 2 * sizeof(size_t)];
};

void
tcls_arena_init(TclsArena *arena, TclsHost *host)
{
	arena->host = host;
	arena->first = NULL;
	arena->current = NULL;
}

/* Give the empty chunks behind last back: they were too small, and a bigger one takes their place. */
static void
arena_drop_empty(TclsArena *arena, TclsArenaChunk *last)
{
	TclsArenaChunk **link = last == NULL ? &arena->first : &last->next;

	while (*link != NULL)
	{
		TclsArenaChunk *chunk = *link;

		*link = chunk->next;
		tcls_free(chunk, arena->host);
	}
}

/*
 * The first chunk from the current one on with room for bytes, or a new one behind
 * those in use.
 */
static TclsStatus
arena_find_chunk(TclsArenaChunk **found, TclsArena *arena, size_t bytes)
{
	TclsArenaChunk *chunk;
	TclsArenaChunk *last = NULL;

	for (chunk = arena->current; chunk != NULL; chunk = chunk->next)
	{
		if (chunk->size - chunk->used >= bytes)
		{
			*found = chunk;
			return TCLS_OK;
		}
		if (chunk->used > 0)
			last = chunk;
	}
	if (bytes > SIZE_MAX - sizeof(TclsArenaChunk))
		return tcls_fail(arena->host, TCLS_OUT_OF_MEMORY, "out of memory for %zu bytes", bytes);
	arena_drop_empty(arena, last);
	arena->current = last;
	TCLS_TRY(tcls_alloc(&chunk, 1, sizeof(TclsArenaChunk) + (bytes > ARENA_CHUNK_SIZE ? bytes : ARENA_CHUNK_SIZE),
						arena->host));
	chunk->next = NULL;
	chunk->used = 0;
	chunk->size = bytes > ARENA_CHUNK_SIZE ? bytes : ARENA_CHUNK_SIZE;
	if (last == NULL)
		arena->first = chunk;
	else
		last->next = chunk;
	*found = chunk;
	return TCLS_OK;
}

TclsStatus
tcls_arena_alloc(void *block, size_t count, size_t size, TclsArena *arena)
{
	TclsArenaChunk *chunk = NULL;
	size_t		bytes;
	char	   *data;

	if (__builtin_mul_overflow(count, size, &bytes) ||
		__builtin_add_overflow(bytes, TCLS_ALIGNMENT - 1, &bytes))
		return tcls_fail(arena->host, TCLS_OUT_OF_MEMORY, "out of memory for %zu elements of %zu bytes", count, size);
	bytes &= ~(size_t) (TCLS_ALIGNMENT - 1);
	TCLS_TRY(arena_find_chunk(&chunk, arena, bytes));
	data = (char *) (chunk + 1) + chunk->used;
	chunk->used += bytes;
	arena->current = chunk;
	memcpy(block, &data, sizeof(data));
	return TCLS_OK;
}

void
tcls_arena_reset(TclsArena *arena)
{
	TclsArenaChunk *chunk;

	for (chunk = arena->first; chunk != NULL; chunk = chunk->next)
		chunk->used = 0;
	arena->current = arena->first;
}

void
tcls_arena_free(TclsArena *arena)
{
	TclsArenaChunk *chunk = arena->first;

	while (chunk != NULL)
	{
		TclsArenaChunk *next = chunk->next;

		tcls_free(chunk, arena->host);
		chunk = next;
	}
	arena->first = NULL;
	arena->current = NULL;
}
