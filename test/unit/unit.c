/*
 * unit.c
 *		The test host and the counting of checks.
 */
#include <stdarg.h>
#include <string.h>

#include "unit.h"

typedef struct Block
{
	struct Block *previous;
	struct Block *next;
} Block;

static int	cases_run;
static int	cases_failed;
static bool case_failed;

static void *
unit_alloc(void *context, size_t size)
{
	UnitHost   *unit = context;
	Block	   *block;

	unit->allocations++;
	if (unit->fail_at != 0 && unit->allocations == unit->fail_at)
		return NULL;
	block = malloc(sizeof(Block) + size);
	if (block == NULL)
		return NULL;
	block->previous = NULL;
	block->next = unit->blocks;
	if (block->next != NULL)
		block->next->previous = block;
	unit->blocks = block;
	unit->live_blocks++;
	return block + 1;
}

static void
unit_free(void *context, void *data)
{
	UnitHost   *unit = context;
	Block	   *block = (Block *) data - 1;

	if (block->previous != NULL)
		block->previous->next = block->next;
	else
		unit->blocks = block->next;
	if (block->next != NULL)
		block->next->previous = block->previous;
	unit->live_blocks--;
	free(block);
}

static TclsStatus
unit_poll(void *context)
{
	UnitHost   *unit = context;

	unit->polls++;
	return unit->cancel_at != 0 && unit->polls >= unit->cancel_at ? TCLS_CANCELLED : TCLS_OK;
}

void
unit_host_init(UnitHost *unit)
{
	memset(unit, 0, sizeof(*unit));
	unit->host.alloc = unit_alloc;
	unit->host.free = unit_free;
	unit->host.poll = unit_poll;
	unit->host.context = unit;
}

void
unit_host_reset(UnitHost *unit)
{
	while (unit->blocks != NULL)
		unit_free(unit, (Block *) unit->blocks + 1);
	unit->allocations = 0;
	unit->polls = 0;
}

void
unit_run(const char *name, UnitCase test)
{
	UnitHost	unit;

	unit_host_init(&unit);
	case_failed = false;
	cases_run++;
	test(&unit);
	unit_host_reset(&unit);
	cases_failed += case_failed;
	printf("%s - %s\n", case_failed ? "not ok" : "ok", name);
	fflush(stdout);
}

void
unit_fail(const char *file, int line, const char *format,...)
{
	va_list		args;

	case_failed = true;
	printf("# %s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

int
unit_finish(void)
{
	printf("# %d cases, %d failed\n", cases_run, cases_failed);
	return cases_failed != 0;
}

char *
unit_read_file(const char *path, size_t *size)
{
	FILE	   *file = fopen(path, "rb");
	char	   *data;
	long		length;

	if (file == NULL)
	{
		unit_fail(__FILE__, __LINE__, "could not open %s", path);
		return NULL;
	}
	fseek(file, 0, SEEK_END);
	length = ftell(file);
	rewind(file);
	data = malloc((size_t) length + 1);
	*size = fread(data, 1, (size_t) length, file);
	data[*size] = '\0';
	fclose(file);
	return data;
}

TclsStatus
unit_sink_write(void *context, const void *data, size_t size)
{
	UnitSink   *sink = context;

	if (sink->room != 0 && sink->bytes->size + size > sink->room)
		return tcls_fail(sink->host, TCLS_IO, "the disk is full");
	return tcls_bytes_append(sink->bytes, data, size, sink->host);
}
