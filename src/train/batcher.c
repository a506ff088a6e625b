/*
 * batcher.c
 *		Batches of a random epoch order.
 */
#include "base/rng.h"
#include "train/batcher.h"
#include "base/pure_c.h"

int64_t
tcls_batcher_count(const TclsBatcher *batcher)
{
	return (batcher->examples + batcher->batch_size - 1) / batcher->batch_size;
}

int32_t
tcls_batcher_get(int64_t *indexes, const TclsBatcher *batcher, int64_t epoch, int64_t position)
{
	uint64_t	key = tcls_rng_mix(batcher->seed, (uint64_t) epoch);
	int64_t		first = position * batcher->batch_size;
	int64_t		left = batcher->examples - first;
	int32_t		count = left < batcher->batch_size ? (int32_t) left : batcher->batch_size;

	for (int32_t i = 0; i < count; i++)
		indexes[i] = (int64_t) tcls_rng_permute((uint64_t) (first + i), (uint64_t) batcher->examples, key);
	return count;
}
