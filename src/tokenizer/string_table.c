/*
 * string_table.c
 *		Open addressing over strings in one pool.
 */
#include <string.h>

#include "tokenizer/string_table.h"
#include "tokenizer/vocabulary.h"
#include "base/pure_c.h"

#define FIRST_SLOTS 256

static uint32_t
first_slot(const TclsStringTable *table, const void *bytes, size_t size)
{
	uint64_t	hash = tcls_vocabulary_hash(TCLS_HASH_SEED, bytes, size);

	return (uint32_t) (hash ^ hash >> 29) & (table->slot_count - 1);
}

/* The slot of the string, or the empty one that it would take. */
static uint32_t
find_slot(const TclsStringTable *table, const void *bytes, size_t size)
{
	uint32_t	slot = first_slot(table, bytes, size);

	while (table->slots[slot] != 0)
	{
		size_t		other_size;
		const char *other = tcls_string_table_get(&other_size, table, table->slots[slot] - 1);

		if (other_size == size && memcmp(other, bytes, size) == 0)
			break;
		slot = (slot + 1) & (table->slot_count - 1);
	}
	return slot;
}

/* Keep at least half of the slots empty. */
static TclsStatus
reserve_slot(TclsStringTable *table, TclsHost *host)
{
	uint32_t	slot_count = table->slot_count == 0 ? FIRST_SLOTS : 2 * table->slot_count;
	uint32_t   *slots;

	if (2 * ((size_t) table->count + 1) <= table->slot_count)
		return TCLS_OK;
	if (slot_count == 0)
		return tcls_fail(host, TCLS_TOO_LARGE, "too many different strings");
	TCLS_TRY(tcls_alloc_zero(&slots, slot_count, sizeof(*slots), host));
	tcls_free(table->slots, host);
	table->slots = slots;
	table->slot_count = slot_count;
	for (uint32_t i = 0; i < table->count; i++)
	{
		size_t		size;
		const char *bytes = tcls_string_table_get(&size, table, i);
		uint32_t	slot = first_slot(table, bytes, size);

		while (slots[slot] != 0)
			slot = (slot + 1) & (slot_count - 1);
		slots[slot] = i + 1;
	}
	return TCLS_OK;
}

TclsStatus
tcls_string_table_add(uint32_t *index, TclsStringTable *table, const void *bytes, size_t size, TclsHost *host)
{
	uint32_t	slot;
	uint32_t	end;

	TCLS_TRY(reserve_slot(table, host));
	slot = find_slot(table, bytes, size);
	if (table->slots[slot] == 0)
	{
		if (size > UINT32_MAX - table->pool.size)
			return tcls_fail(host, TCLS_TOO_LARGE, "more than 4 GB of different strings");
		TCLS_TRY(tcls_bytes_append(&table->pool, bytes, size, host));
		end = (uint32_t) table->pool.size;
		TCLS_TRY(tcls_bytes_append(&table->ends, &end, sizeof(end), host));
		table->slots[slot] = ++table->count;
	}
	*index = table->slots[slot] - 1;
	return TCLS_OK;
}

const char *
tcls_string_table_get(size_t *size, const TclsStringTable *table, uint32_t index)
{
	const uint32_t *ends = (const uint32_t *) table->ends.data;
	uint32_t	begin = index == 0 ? 0 : ends[index - 1];

	*size = ends[index] - begin;
	return table->pool.data + begin;
}

size_t
tcls_string_table_bytes(const TclsStringTable *table)
{
	return table->pool.capacity + table->ends.capacity + table->slot_count * sizeof(*table->slots);
}

void
tcls_string_table_free(TclsStringTable *table, TclsHost *host)
{
	tcls_free(table->pool.data, host);
	tcls_free(table->ends.data, host);
	tcls_free(table->slots, host);
	memset(table, 0, sizeof(*table));
}
