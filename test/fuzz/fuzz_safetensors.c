/*
 * fuzz_safetensors.c
 *		Any bytes as a safetensors file; what is accepted must survive being written.
 *
 *		input[0] even: the rest is the file
 *		input[0] odd: two bytes give the size of the data, the rest is the header
 */
#include <stdlib.h>
#include <string.h>

#include "model/safetensors.h"
#include "json_pool.h"
#include "unit.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same tensors after writing and reading, and a size as announced. */
static void
check_round_trip(const TclsTensorSet *set, UnitHost *unit)
{
	TclsBytes	bytes = {0};
	UnitSink	sink = {&bytes, &unit->host, 0};
	TclsWriter	writer = {unit_sink_write, &sink};
	TclsTensorSet again;
	size_t		size;

	if (tcls_safetensors_size(&size, set->items, set->count, &unit->host) != TCLS_OK ||
		tcls_safetensors_write(&writer, set->items, set->count, &unit->host) != TCLS_OK ||
		tcls_safetensors_read(&again, bytes.data, bytes.size, &unit->host) != TCLS_OK ||
		size != bytes.size || again.count != set->count)
		abort();
	for (int32_t i = 0; i < set->count; i++)
		if (strcmp(again.items[i].name, set->items[i].name) != 0 || again.items[i].size != set->items[i].size ||
			memcmp(again.items[i].data, set->items[i].data, set->items[i].size) != 0)
			abort();
}

/* The input as a file of malloc, so that a read beyond its end is seen. */
static char *
make_file(size_t *file_size, bool is_header, const uint8_t *data, size_t size)
{
	uint64_t	length = size - 2;
	char	   *file;

	if (!is_header || size < 2)
	{
		*file_size = size;
		return memcpy(malloc(size + 1), data, size);
	}
	*file_size = 8 + length + ((size_t) data[0] << 8 | data[1]);
	file = calloc(1, *file_size);
	memcpy(file, &length, 8);
	memcpy(file + 8, data + 2, length);
	return file;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	UnitHost	unit;
	TclsTensorSet set;
	char	   *file;

	if (size == 0)
		return 0;
	json_pool_begin();
	unit_host_init(&unit);
	file = make_file(&size, data[0] % 2 != 0, data + 1, size - 1);
	if (tcls_safetensors_read(&set, file, size, &unit.host) == TCLS_OK)
	{
		for (int32_t i = 0; i < set.count; i++)
			(void) tcls_safetensors_to_floats(NULL, &set.items[i], &unit.host);
		check_round_trip(&set, &unit);
	}
	free(file);
	json_pool_end();
	unit_host_reset(&unit);
	return 0;
}
