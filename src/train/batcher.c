/*
 * batcher.c
 *		Length-bucketed batches of a random epoch order.
 */
#include <stdlib.h>

#include "base/rng.h"
#include "train/batcher.h"
#include "base/pure_c.h"

#define WINDOW_BATCHES 50

typedef struct WindowItem
{
	int64_t		index;
	int32_t		n_tokens;
	int32_t		rank;			/* place in the random order: equal lengths keep it */
} WindowItem;

struct TclsBatcher
{
	const TclsExampleSource *source;
	TclsHost   *host;
	int32_t		batch_size;
	uint64_t	seed;
	int64_t		epoch;			/* of the loaded window */
	int64_t		window;			/* -1: none loaded */
	WindowItem *items;			/* (WINDOW_BATCHES * batch_size) */
	int64_t    *indexes;		/* (WINDOW_BATCHES * batch_size) in sorted order */
	int64_t		item_count;		/* in the loaded window */
};

TclsStatus
tcls_batcher_create(TclsBatcher **out, const TclsExampleSource *source, int32_t batch_size, uint64_t seed,
					TclsHost *host)
{
	TclsBatcher *batcher;
	size_t		items = (size_t) batch_size * WINDOW_BATCHES;

	TCLS_TRY(tcls_alloc_zero(&batcher, 1, sizeof(*batcher), host));
	batcher->source = source;
	batcher->host = host;
	batcher->batch_size = batch_size;
	batcher->seed = seed;
	batcher->window = -1;
	if ((uint64_t) source->count < items)
		items = (size_t) source->count;
	TCLS_TRY(tcls_alloc(&batcher->items, items, sizeof(WindowItem), host));
	TCLS_TRY(tcls_alloc(&batcher->indexes, items, sizeof(int64_t), host));
	*out = batcher;
	return TCLS_OK;
}

int64_t
tcls_batcher_count(const TclsBatcher *batcher)
{
	return (batcher->source->count + batcher->batch_size - 1) / batcher->batch_size;
}

static int
compare_items(const void *left, const void *right)
{
	const WindowItem *a = left;
	const WindowItem *b = right;

	if (a->n_tokens != b->n_tokens)
		return a->n_tokens < b->n_tokens ? -1 : 1;
	return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static TclsStatus
load_window(TclsBatcher *batcher, int64_t epoch, int64_t window)
{
	uint64_t	key = tcls_rng_mix(batcher->seed, (uint64_t) epoch);
	uint64_t	examples = (uint64_t) batcher->source->count;
	int64_t		first = window * WINDOW_BATCHES * batcher->batch_size;
	int64_t		count = batcher->source->count - first;

	if (count > (int64_t) WINDOW_BATCHES * batcher->batch_size)
		count = (int64_t) WINDOW_BATCHES * batcher->batch_size;
	batcher->window = -1;
	for (int64_t i = 0; i < count; i++)
	{
		WindowItem *item = &batcher->items[i];

		item->index = (int64_t) tcls_rng_permute((uint64_t) (first + i), examples, key);
		item->rank = (int32_t) i;
		TCLS_TRY(batcher->source->length(batcher->source->context, item->index, &item->n_tokens));
		if (i % 1024 == 0)
			TCLS_TRY(tcls_poll(batcher->host));
	}
	qsort(batcher->items, (size_t) count, sizeof(WindowItem), compare_items);
	for (int64_t i = 0; i < count; i++)
		batcher->indexes[i] = batcher->items[i].index;
	batcher->item_count = count;
	batcher->epoch = epoch;
	batcher->window = window;
	return TCLS_OK;
}

TclsStatus
tcls_batcher_get(const int64_t **indexes, int32_t *count, TclsBatcher *batcher, int64_t epoch, int64_t position)
{
	int64_t		window = position / WINDOW_BATCHES;
	uint64_t	batches;
	uint64_t	key;
	int64_t		first;

	if (batcher->window != window || batcher->epoch != epoch)
		TCLS_TRY(load_window(batcher, epoch, window));
	batches = (uint64_t) ((batcher->item_count + batcher->batch_size - 1) / batcher->batch_size);
	key = tcls_rng_mix(tcls_rng_mix(batcher->seed, (uint64_t) epoch), (uint64_t) window);
	first = (int64_t) tcls_rng_permute((uint64_t) (position % WINDOW_BATCHES), batches, key) * batcher->batch_size;
	*indexes = batcher->indexes + first;
	*count = batcher->item_count - first < batcher->batch_size ?
		(int32_t) (batcher->item_count - first) : batcher->batch_size;
	return TCLS_OK;
}

void
tcls_batcher_destroy(TclsBatcher *batcher)
{
	if (batcher == NULL)
		return;
	tcls_free(batcher->items, batcher->host);
	tcls_free(batcher->indexes, batcher->host);
	tcls_free(batcher, batcher->host);
}
