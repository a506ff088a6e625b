/*
 * test_base.c
 *		Host, arena and random numbers.
 */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "unit.h"

static void
alloc_is_aligned_and_freed(UnitHost *unit)
{
	char	   *blocks[40];

	for (size_t i = 0; i < 40; i++)
	{
		CHECK_OK(tcls_alloc_zero(&blocks[i], i, 7, &unit->host), &unit->host);
		CHECK((uintptr_t) blocks[i] % TCLS_ALIGNMENT == 0);
		memset(blocks[i], 1, i * 7);
	}
	for (size_t i = 0; i < 40; i++)
		tcls_free(blocks[i], &unit->host);
	CHECK(unit->live_blocks == 0);
}

static void
alloc_refuses_overflow(UnitHost *unit)
{
	void	   *block;

	CHECK_STATUS(tcls_alloc(&block, SIZE_MAX / 2, 3, &unit->host), TCLS_OUT_OF_MEMORY, &unit->host);
	CHECK_STATUS(tcls_alloc(&block, SIZE_MAX - 8, 1, &unit->host), TCLS_OUT_OF_MEMORY, &unit->host);
	unit->fail_at = unit->allocations + 1;
	CHECK_STATUS(tcls_alloc(&block, 1, 1, &unit->host), TCLS_OUT_OF_MEMORY, &unit->host);
}

/* A block of many megabytes takes as long to fill as a cancel may take to be seen. */
static void
zeroing_is_cancelled(UnitHost *unit)
{
	size_t		size = (size_t) 20 << 20;
	char	   *block;

	CHECK_OK(tcls_alloc_zero(&block, size + 3, 1, &unit->host), &unit->host);
	CHECK(unit->polls >= 20);
	for (size_t i = 0; i < size + 3; i++)
		if (block[i] != 0)
			CHECK(block[i] == 0);
	tcls_free(block, &unit->host);
	unit->cancel_at = unit->polls + 5;
	CHECK_STATUS(tcls_alloc_zero(&block, size, 1, &unit->host), TCLS_CANCELLED, &unit->host);
	CHECK(unit->live_blocks == 0);
}

static void
arena_reuses_its_chunks(UnitHost *unit)
{
	TclsArena	arena;
	float	   *data;
	size_t		chunks;

	tcls_arena_init(&arena, &unit->host);
	for (int round = 0; round < 3; round++)
	{
		for (size_t i = 1; i < 2000; i++)
		{
			CHECK_OK(tcls_arena_alloc(&data, i, sizeof(float), &arena), &unit->host);
			CHECK((uintptr_t) data % TCLS_ALIGNMENT == 0);
			memset(data, 0, i * sizeof(float));
		}
		if (round == 0)
			chunks = unit->live_blocks;
		CHECK(unit->live_blocks == chunks);
		tcls_arena_reset(&arena);
	}
	tcls_arena_free(&arena);
	CHECK(unit->live_blocks == 0);
}

/* Blocks that grow from round to round take the place of smaller ones. */
static void
arena_drops_small_chunks(UnitHost *unit)
{
	TclsArena	arena;
	char	   *data;

	tcls_arena_init(&arena, &unit->host);
	for (size_t round = 1; round < 6; round++)
	{
		CHECK_OK(tcls_arena_alloc(&data, 10, 1, &arena), &unit->host);
		CHECK_OK(tcls_arena_alloc(&data, round * 2000000, 1, &arena), &unit->host);
		memset(data, 1, round * 2000000);
		CHECK(unit->live_blocks == 2);
		tcls_arena_reset(&arena);
	}
	/* Nothing in use: even the first chunk goes when it is too small. */
	CHECK_OK(tcls_arena_alloc(&data, 20000000, 1, &arena), &unit->host);
	CHECK(unit->live_blocks == 1);
	CHECK_OK(tcls_arena_alloc(&data, 10, 1, &arena), &unit->host);
	tcls_arena_free(&arena);
	CHECK(unit->live_blocks == 0);
}

static void
bytes_grow(UnitHost *unit)
{
	TclsBytes	bytes = {0};

	for (int i = 0; i < 1000; i++)
		CHECK_OK(tcls_bytes_append(&bytes, "abc", 3, &unit->host), &unit->host);
	CHECK(bytes.size == 3000);
	CHECK(memcmp(bytes.data + 2997, "abc", 3) == 0);
}

/* Published outputs of SplitMix64 for seed 1234567 (Rosetta Code, "Pseudo-random numbers/Splitmix64"). */
static void
rng_equals_reference(UnitHost *unit)
{
	TclsRng		rng = {1234567};

	(void) unit;
	CHECK(tcls_rng_next(&rng) == UINT64_C(6457827717110365317));
	CHECK(tcls_rng_next(&rng) == UINT64_C(3203168211198807973));
	CHECK(tcls_rng_next(&rng) == UINT64_C(9817491932198370423));
}

static void
permutation_is_one(UnitHost *unit)
{
	static const uint64_t counts[] = {1, 2, 3, 17, 1000, 4096};

	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
	{
		bool	   *seen;
		uint64_t	fixed = 0;

		CHECK_OK(tcls_alloc_zero(&seen, counts[c], 1, &unit->host), &unit->host);
		for (uint64_t i = 0; i < counts[c]; i++)
		{
			uint64_t	image = tcls_rng_permute(i, counts[c], 42);

			CHECK(image < counts[c] && !seen[image]);
			seen[image] = true;
			fixed += image == i;
		}
		CHECK(counts[c] < 100 || fixed < counts[c] / 20);
	}
}

static void
normal_has_its_moments(UnitHost *unit)
{
	TclsRng		rng = {7};
	double		sum = 0;
	double		squares = 0;

	(void) unit;
	for (int i = 0; i < 100000; i++)
	{
		double		x = tcls_rng_normal(&rng);

		sum += x;
		squares += x * x;
	}
	CHECK_CLOSE(sum / 100000, 0, 0.02);
	CHECK_CLOSE(squares / 100000, 1, 0.02);
}

int
main(void)
{
	RUN(alloc_is_aligned_and_freed);
	RUN(alloc_refuses_overflow);
	RUN(zeroing_is_cancelled);
	RUN(arena_reuses_its_chunks);
	RUN(arena_drops_small_chunks);
	RUN(bytes_grow);
	RUN(rng_equals_reference);
	RUN(permutation_is_one);
	RUN(normal_has_its_moments);
	return unit_finish();
}
