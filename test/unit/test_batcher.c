/*
 * test_batcher.c
 *		Epoch orders: complete, seeded, bucketed by length.
 */
#include <string.h>

#include "base/rng.h"
#include "train/batcher.h"
#include "unit.h"

#define MAX_EXAMPLES 5000

static TclsStatus
hashed_length(void *context, int64_t index, int32_t *n_tokens)
{
	(void) context;
	*n_tokens = 2 + (int32_t) (tcls_rng_mix(1, (uint64_t) index) % 100);
	return TCLS_OK;
}

static TclsExampleSource
source_of(int64_t count)
{
	return (TclsExampleSource) {.count = count, .length = hashed_length};
}

/* The whole epoch, batch after batch, into order; returns how many examples it had. */
static int64_t
walk_epoch(int64_t *order, TclsBatcher *batcher, int64_t epoch, TclsHost *host)
{
	int64_t		filled = 0;

	for (int64_t position = 0; position < tcls_batcher_count(batcher); position++)
	{
		const int64_t *indexes = NULL;
		int32_t		count = 0;

		CHECK_OK(tcls_batcher_get(&indexes, &count, batcher, epoch, position), host);
		CHECK(count > 0 && filled + count <= MAX_EXAMPLES);
		memcpy(order + filled, indexes, (size_t) count * sizeof(int64_t));
		filled += count;
	}
	return filled;
}

static void
every_example_once_an_epoch(UnitHost *unit)
{
	static const int64_t counts[] = {1, 5, 16, 17, 800, 801, 4999};
	int64_t		order[MAX_EXAMPLES];

	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
	{
		TclsExampleSource source = source_of(counts[c]);
		TclsBatcher *batcher;

		CHECK_OK(tcls_batcher_create(&batcher, &source, 16, 42, &unit->host), &unit->host);
		CHECK(tcls_batcher_count(batcher) == (counts[c] + 15) / 16);
		for (int64_t epoch = 0; epoch < 2; epoch++)
		{
			bool		seen[MAX_EXAMPLES] = {0};

			CHECK(walk_epoch(order, batcher, epoch, &unit->host) == counts[c]);
			for (int64_t i = 0; i < counts[c]; i++)
			{
				CHECK(!seen[order[i]]);
				seen[order[i]] = true;
			}
		}
		tcls_batcher_destroy(batcher);
	}
	CHECK(unit->live_blocks == 0);
}

static void
orders_differ_by_epoch_and_seed(UnitHost *unit)
{
	TclsExampleSource source = source_of(1000);
	TclsBatcher *batcher;
	TclsBatcher *other;
	int64_t		first[MAX_EXAMPLES];
	int64_t		second[MAX_EXAMPLES];
	int64_t		third[MAX_EXAMPLES];

	CHECK_OK(tcls_batcher_create(&batcher, &source, 8, 42, &unit->host), &unit->host);
	CHECK_OK(tcls_batcher_create(&other, &source, 8, 43, &unit->host), &unit->host);
	walk_epoch(first, batcher, 0, &unit->host);
	walk_epoch(second, batcher, 1, &unit->host);
	walk_epoch(third, other, 0, &unit->host);
	CHECK(memcmp(first, second, 8000) != 0);
	CHECK(memcmp(first, third, 8000) != 0);
	walk_epoch(third, batcher, 0, &unit->host);
	CHECK(memcmp(first, third, 8000) == 0);
	tcls_batcher_destroy(batcher);
	tcls_batcher_destroy(other);
}

/* A batch asked for out of turn, as after a restart, is the one of the full walk. */
static void
any_batch_is_found_directly(UnitHost *unit)
{
	TclsExampleSource source = source_of(4999);
	int64_t		order[MAX_EXAMPLES];
	TclsBatcher *batcher;

	CHECK_OK(tcls_batcher_create(&batcher, &source, 10, 7, &unit->host), &unit->host);
	walk_epoch(order, batcher, 3, &unit->host);
	for (int64_t position = 0; position < 450; position += 37)
	{
		TclsBatcher *fresh;
		const int64_t *indexes = NULL;
		int32_t		count = 0;

		CHECK_OK(tcls_batcher_create(&fresh, &source, 10, 7, &unit->host), &unit->host);
		CHECK_OK(tcls_batcher_get(&indexes, &count, fresh, 3, position), &unit->host);
		CHECK(count == 10 && memcmp(indexes, order + position * 10, 80) == 0);
		tcls_batcher_destroy(fresh);
	}
	tcls_batcher_destroy(batcher);
}

static void
batches_hold_texts_of_similar_length(UnitHost *unit)
{
	TclsExampleSource source = source_of(5000);
	TclsBatcher *batcher;
	int64_t		previous = -1;
	int64_t		ascending = 0;

	CHECK_OK(tcls_batcher_create(&batcher, &source, 20, 7, &unit->host), &unit->host);
	for (int64_t position = 0; position < 250; position++)
	{
		const int64_t *indexes = NULL;
		int32_t		count = 0;
		int32_t		shortest;
		int32_t		longest;

		CHECK_OK(tcls_batcher_get(&indexes, &count, batcher, 0, position), &unit->host);
		hashed_length(NULL, indexes[0], &shortest);
		hashed_length(NULL, indexes[count - 1], &longest);
		CHECK(longest >= shortest && longest - shortest <= 10);
		ascending += shortest > previous;
		previous = shortest;
	}
	CHECK(ascending > 80 && ascending < 170);	/* the batches themselves are shuffled */
	tcls_batcher_destroy(batcher);
}

static TclsStatus
failing_length(void *context, int64_t index, int32_t *n_tokens)
{
	(void) index;
	*n_tokens = 0;
	return tcls_fail(context, TCLS_IO, "no length");
}

static void
failures_are_passed_on(UnitHost *unit)
{
	TclsExampleSource source = {.count = 100, .length = failing_length, .context = &unit->host};
	TclsBatcher *batcher;
	const int64_t *indexes;
	int32_t		count;

	CHECK_OK(tcls_batcher_create(&batcher, &source, 20, 7, &unit->host), &unit->host);
	CHECK_STATUS(tcls_batcher_get(&indexes, &count, batcher, 0, 0), TCLS_IO, &unit->host);
	source.length = hashed_length;
	unit->cancel_at = 1;
	CHECK_STATUS(tcls_batcher_get(&indexes, &count, batcher, 0, 0), TCLS_CANCELLED, &unit->host);
	for (size_t n = 1; n <= 3; n++)
	{
		unit->fail_at = unit->allocations + n;
		CHECK_STATUS(tcls_batcher_create(&batcher, &source, 20, 7, &unit->host), TCLS_OUT_OF_MEMORY, &unit->host);
	}
}

int
main(void)
{
	RUN(every_example_once_an_epoch);
	RUN(orders_differ_by_epoch_and_seed);
	RUN(any_batch_is_found_directly);
	RUN(batches_hold_texts_of_similar_length);
	RUN(failures_are_passed_on);
	return unit_finish();
}
