/*
 * test_batcher.c
 *		Epoch orders: complete, seeded, bucketed by length; the texts of a step and their pieces.
 */
#include <string.h>

#include "base/rng.h"
#include "train/batch.h"
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

/* A text of as many tokens as its length, with ids that count on from ten times its index. */
static TclsStatus
counting_read(void *context, int64_t index, TclsExample *example)
{
	int32_t    *ids = context;

	hashed_length(NULL, index, &example->n_tokens);
	for (int32_t t = 0; t < example->n_tokens; t++)
		ids[t] = (int32_t) index * 1000 + t;
	example->ids = ids;
	example->label = (int32_t) (index % 3);
	example->multi = NULL;
	return TCLS_OK;
}

static void
pieces_cover_the_batch(UnitHost *unit)
{
	TclsConfig	config = {.problem = TCLS_SINGLE_LABEL, .num_outputs = 3};
	int32_t		ids[128];
	TclsExampleSource source = {.count = 30, .length = hashed_length, .read = counting_read, .context = ids};
	TclsBatch	batch;

	CHECK_OK(tcls_batch_create(&batch, 30, &config, 3, &unit->host), &unit->host);
	CHECK_OK(tcls_batch_load(&batch, &source, NULL, 0, 30, &unit->host), &unit->host);
	for (int32_t budget = 1; budget < 4000; budget = budget * 3 + 1)
	{
		int32_t		next = 0;
		int32_t		tokens = 0;

		while (next < 30)
		{
			TclsPiece	piece = tcls_batch_piece(&batch, next, budget);
			int32_t		size = piece.sequences.starts[piece.sequences.count];

			CHECK(piece.sequences.count == piece.next - next && piece.sequences.count >= 1);
			CHECK(size <= budget || piece.sequences.count == 1);
			CHECK(piece.sequences.starts[0] == 0);
			for (int32_t i = 0; i < piece.sequences.count; i++)
			{
				CHECK(piece.sequences.ids[piece.sequences.starts[i]] == (next + i) * 1000);
				CHECK(piece.targets.labels[i] == (next + i) % 3);
			}
			tokens += size;
			next = piece.next;
		}
		CHECK(tokens == tcls_batch_tokens(&batch));
	}
	tcls_batch_destroy(&batch, &unit->host);
	CHECK(unit->live_blocks == 0);
}

static void
token_dropout_spares_the_marks(UnitHost *unit)
{
	TclsConfig	config = {.problem = TCLS_SINGLE_LABEL, .num_outputs = 3};
	int32_t		ids[128];
	TclsExampleSource source = {.count = 100, .length = hashed_length, .read = counting_read, .context = ids};
	TclsBatch	batch;
	int64_t		all;
	int64_t		kept[2];

	CHECK_OK(tcls_batch_create(&batch, 100, &config, 3, &unit->host), &unit->host);
	CHECK_OK(tcls_batch_load(&batch, &source, NULL, 0, 100, &unit->host), &unit->host);
	all = tcls_batch_tokens(&batch);
	batch.token_dropout = 0.3;
	for (uint64_t key = 0; key < 2; key++)
	{
		batch.token_dropout_key = key;
		CHECK_OK(tcls_batch_load(&batch, &source, NULL, 0, 100, &unit->host), &unit->host);
		kept[key] = tcls_batch_tokens(&batch);
		CHECK_CLOSE((double) kept[key], 200 + 0.7 * (double) (all - 200), 0.03 * (double) all);
		for (int32_t i = 0; i < 100; i++)
		{
			const int32_t *text = (const int32_t *) batch.ids.data + batch.starts[i];
			int32_t		n_tokens;
			int32_t		left = batch.starts[i + 1] - batch.starts[i];

			hashed_length(NULL, i, &n_tokens);
			CHECK(text[0] == i * 1000 && text[left - 1] == i * 1000 + n_tokens - 1);
			for (int32_t t = 1; t < left; t++)
				CHECK(text[t] > text[t - 1]);
		}
	}
	CHECK(kept[0] != kept[1]);
	tcls_batch_destroy(&batch, &unit->host);
}

int
main(void)
{
	RUN(every_example_once_an_epoch);
	RUN(orders_differ_by_epoch_and_seed);
	RUN(any_batch_is_found_directly);
	RUN(batches_hold_texts_of_similar_length);
	RUN(failures_are_passed_on);
	RUN(pieces_cover_the_batch);
	RUN(token_dropout_spares_the_marks);
	return unit_finish();
}
