/*
 * json_pool.c
 *		Bump allocation for jansson.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_pool.h"

#define POOL_SIZE ((size_t) 64 << 20)

static char *pool;
static size_t used;
static size_t live;

static void *
pool_alloc(size_t size)
{
	size_t		begin = used;

	size = (size + 15) / 16 * 16;
	if (size > POOL_SIZE - used)
		return NULL;
	used += size;
	live++;
	return pool + begin;
}

static void
pool_free(void *block)
{
	live -= block != NULL;
}

void
json_pool_begin(void)
{
	if (pool == NULL)
	{
		pool = malloc(POOL_SIZE);
		json_set_alloc_funcs(pool_alloc, pool_free);
	}
	used = 0;
}

void
json_pool_end(void)
{
	if (live != 0)
	{
		fprintf(stderr, "%zu blocks of jansson are still held\n", live);
		abort();
	}
}
