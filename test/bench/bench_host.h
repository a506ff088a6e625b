/*
 * bench_host.h
 *		The core's host and a reader of streams, for the programs of this folder.
 */
#ifndef TEXTCLS_BENCH_HOST_H
#define TEXTCLS_BENCH_HOST_H

#include <stdio.h>
#include <stdlib.h>

#include "base/host.h"

static void *
host_alloc(void *context, size_t size)
{
	return malloc(size);
}

static void
host_free(void *context, void *block)
{
	free(block);
}

static TclsStatus
host_poll(void *context)
{
	return TCLS_OK;
}

static TclsHost host = {host_alloc, host_free, host_poll, NULL, ""};

/* The whole stream, with a NUL behind it. */
static char *
read_stream(size_t *size, FILE *stream)
{
	char	   *data = NULL;
	size_t		room = 0;

	*size = 0;
	do
	{
		room = 2 * room + 65536;
		data = realloc(data, room);
		*size += fread(data + *size, 1, room - 1 - *size, stream);
	} while (*size == room - 1);
	data[*size] = '\0';
	return data;
}

#endif							/* TEXTCLS_BENCH_HOST_H */
