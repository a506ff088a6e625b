/*
 * test_batcher.c
 *		Epoch orders: complete and seeded; the texts of a step and their pieces.
 */
#include <string.h>

#include "base/rng.h"
#include "train/batch.h"
#include "train/batcher.h"
#include "unit.h"

#define MAX_EXAMPLES 5000

/* The whole epoch, batch after batch, into order; returns how many examples it had. */
static int64_t
walk_epoch(int64_t *order, const TclsBatcher *batcher, int64_t epoch)
{
	int64_t		filled = 0;

	for (int64_t position = 0; position < tcls_batcher_count(batcher); position++)
	{
		CHECK(filled + batcher->batch_size <= MAX_EXAMPLES);
		filled += tcls_batcher_get(order + filled, batcher, epoch, position);
		CHECK(filled == (position + 1) * batcher->batch_size || filled == batcher->examples);
	}
	return filled;
}

static void
every_example_once_an_epoch(UnitHost *unit)
{
	static const int64_t counts[] = {1, 5, 16, 17, 800, 801, 4980};
	int64_t		order[MAX_EXAMPLES];

	(void) unit;
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
	{
		TclsBatcher batcher = {.examples = counts[c], .batch_size = 16, .seed = 42};

		CHECK(tcls_batcher_count(&batcher) == (counts[c] + 15) / 16);
		for (int64_t epoch = 0; epoch < 2; epoch++)
		{
			bool		seen[MAX_EXAMPLES] = {0};

			CHECK(walk_epoch(order, &batcher, epoch) == counts[c]);
			for (int64_t i = 0; i < counts[c]; i++)
			{
				CHECK(!seen[order[i]]);
				seen[order[i]] = true;
			}
		}
	}
}

static void
orders_differ_by_epoch_and_seed(UnitHost *unit)
{
	TclsBatcher batcher = {.examples = 1000, .batch_size = 8, .seed = 42};
	TclsBatcher other = {.examples = 1000, .batch_size = 8, .seed = 43};
	int64_t		first[MAX_EXAMPLES];
	int64_t		second[MAX_EXAMPLES];

	(void) unit;
	walk_epoch(first, &batcher, 0);
	walk_epoch(second, &batcher, 1);
	CHECK(memcmp(first, second, 8000) != 0);
	walk_epoch(second, &other, 0);
	CHECK(memcmp(first, second, 8000) != 0);
	walk_epoch(second, &batcher, 0);
	CHECK(memcmp(first, second, 8000) == 0);
}

static int32_t
hashed_length(int64_t index)
{
	return 2 + (int32_t) (tcls_rng_mix(1, (uint64_t) index) % 100);
}

/* A text of random length, with ids that count on from a thousand times its index. */
static TclsStatus
counting_read(void *context, int64_t index, TclsExample *example)
{
	int32_t    *ids = context;

	example->n_tokens = hashed_length(index);
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
	TclsExampleSource source = {.count = 30, .read = counting_read, .context = ids};
	TclsBatch	batch;

	CHECK_OK(tcls_batch_create(&batch, 30, &config, 3, &unit->host), &unit->host);
	CHECK_OK(tcls_batch_load(&batch, &source, NULL, 0, 30, NULL, &unit->host), &unit->host);
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
	TclsExampleSource source = {.count = 100, .read = counting_read, .context = ids};
	TclsBatch	batch;
	TclsTokenNoise noise = {.token_dropout = 0.3, .max_tokens = 128};
	int64_t		all;
	int64_t		kept[2];

	CHECK_OK(tcls_batch_create(&batch, 100, &config, 3, &unit->host), &unit->host);
	CHECK_OK(tcls_batch_load(&batch, &source, NULL, 0, 100, NULL, &unit->host), &unit->host);
	all = tcls_batch_tokens(&batch);
	for (uint64_t key = 0; key < 2; key++)
	{
		noise.key = key;
		CHECK_OK(tcls_batch_load(&batch, &source, NULL, 0, 100, &noise, &unit->host), &unit->host);
		kept[key] = tcls_batch_tokens(&batch);
		CHECK_CLOSE((double) kept[key], 200 + 0.7 * (double) (all - 200), 0.03 * (double) all);
		for (int32_t i = 0; i < 100; i++)
		{
			const int32_t *text = (const int32_t *) batch.ids.data + batch.starts[i];
			int32_t		n_tokens = hashed_length(i);
			int32_t		left = batch.starts[i + 1] - batch.starts[i];

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
	RUN(pieces_cover_the_batch);
	RUN(token_dropout_spares_the_marks);
	return unit_finish();
}
