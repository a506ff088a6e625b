/*
 * test_split.c
 *		Training and validation rows out of one stream.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "train/split.h"
#include "unit.h"

#define CLASSES 5

/* Deals rows in a random order; validation[c] gets the validation rows of each class. */
static void
deal(int64_t *validation, const int64_t *counts, double fraction, bool stratified, uint64_t seed, TclsHost *host)
{
	TclsSplit  *split;
	int32_t		labels[2000];
	int			rows = 0;

	memset(validation, 0, CLASSES * sizeof(int64_t));
	for (int32_t c = 0; c < CLASSES; c++)
		for (int64_t i = 0; i < counts[c]; i++)
			labels[rows++] = c;
	CHECK_OK(tcls_split_create(&split, counts, CLASSES, fraction, stratified, host), host);
	for (int i = 0; i < rows; i++)
	{
		int32_t		label = labels[tcls_rng_permute((uint64_t) i, (uint64_t) rows, seed)];

		validation[label] += tcls_split_next(split, label, (uint64_t) i);
	}
	tcls_split_destroy(split, host);
}

static void
stratified_counts_are_exact(UnitHost *unit)
{
	static const int64_t counts[CLASSES] = {1000, 333, 7, 2, 1};
	static const int64_t tenth[CLASSES] = {100, 33, 1, 1, 0};
	static const int64_t most[CLASSES] = {990, 330, 6, 1, 0};
	static const int64_t none[CLASSES] = {0};
	int64_t		validation[CLASSES];

	for (uint64_t seed = 0; seed < 5; seed++)
	{
		deal(validation, counts, 0.1, true, seed, &unit->host);
		CHECK(memcmp(validation, tenth, sizeof(tenth)) == 0);
		deal(validation, counts, 0.99, true, seed, &unit->host);
		CHECK(memcmp(validation, most, sizeof(most)) == 0);
		deal(validation, counts, 0, true, seed, &unit->host);
		CHECK(memcmp(validation, none, sizeof(none)) == 0);
	}
	CHECK(unit->live_blocks == 0);
}

static void
random_count_is_exact(UnitHost *unit)
{
	static const int64_t counts[CLASSES] = {500, 300, 100, 100, 0};
	int64_t		validation[CLASSES];
	bool		differs = false;

	for (uint64_t seed = 0; seed < 5; seed++)
	{
		int64_t		sum = 0;

		deal(validation, counts, 0.2, false, seed, &unit->host);
		for (int c = 0; c < CLASSES; c++)
			sum += validation[c];
		CHECK(sum == 200);
		CHECK(validation[0] > 70 && validation[0] < 130);
		differs = differs || validation[0] != 100;
	}
	CHECK(differs);
}

/* However small the training set, a class can be learnt. */
static void
random_leaves_every_class_a_training_row(UnitHost *unit)
{
	static const int64_t counts[CLASSES] = {500, 5, 1, 1, 2};
	int64_t		validation[CLASSES];

	for (uint64_t seed = 0; seed < 20; seed++)
	{
		deal(validation, counts, 0.95, false, seed, &unit->host);
		for (int c = 0; c < CLASSES; c++)
			CHECK(validation[c] < counts[c]);
	}
}

/* Runs of 1 to 4 equal texts, whose labels may differ. */
static void
equal_texts_stay_together(UnitHost *unit)
{
	static const int64_t counts[2] = {600, 600};
	TclsSplit  *split;
	TclsRng		rng = {3};
	int64_t		left[2] = {600, 600};
	uint64_t	hash = 0;
	int64_t		validation = 0;

	CHECK_OK(tcls_split_create(&split, counts, 2, 0.25, true, &unit->host), &unit->host);
	while (left[0] + left[1] > 0)
	{
		int			run = 1 + (int) (tcls_rng_next(&rng) % 4);
		int			side = -1;

		for (hash++; run > 0 && left[0] + left[1] > 0; run--)
		{
			int			label = (int) (tcls_rng_next(&rng) % 2);
			int			is_validation;

			label = left[label] > 0 ? label : 1 - label;
			left[label]--;
			is_validation = tcls_split_next(split, label, hash);
			CHECK(side == -1 || side == is_validation);
			side = is_validation;
			validation += is_validation;
		}
	}
	CHECK(validation > 270 && validation <= 310);
	tcls_split_destroy(split, &unit->host);
}

/* A class that is one text repeated is all training: it is never all validation. */
static void
one_repeated_text_is_training(UnitHost *unit)
{
	static const int64_t counts[1] = {10};
	TclsSplit  *split;

	CHECK_OK(tcls_split_create(&split, counts, 1, 0.5, true, &unit->host), &unit->host);
	for (int i = 0; i < 10; i++)
		CHECK(!tcls_split_next(split, 0, 0));
	tcls_split_destroy(split, &unit->host);
}

static void
bad_fractions_are_refused(UnitHost *unit)
{
	static const int64_t counts[1] = {10};
	static const double fractions[] = {-0.1, 1, 2, NAN};
	TclsSplit  *split;

	for (size_t i = 0; i < 4; i++)
		CHECK_STATUS(tcls_split_create(&split, counts, 1, fractions[i], true, &unit->host), TCLS_BAD_ARGUMENT,
					 &unit->host);
	for (size_t n = 1; n <= 3; n++)
	{
		unit->fail_at = unit->allocations + n;
		CHECK_STATUS(tcls_split_create(&split, counts, 1, 0.5, true, &unit->host), TCLS_OUT_OF_MEMORY, &unit->host);
	}
}

int
main(void)
{
	RUN(stratified_counts_are_exact);
	RUN(random_count_is_exact);
	RUN(random_leaves_every_class_a_training_row);
	RUN(equal_texts_stay_together);
	RUN(one_repeated_text_is_training);
	RUN(bad_fractions_are_refused);
	return unit_finish();
}
