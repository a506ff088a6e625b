/*
 * test_schedule.c
 *		Learning rates against Hugging Face's get_scheduler (test/data/gen_optimizer.py), class weights.
 */
#include "train/class_weights.h"
#include "train/schedule.h"
#include "unit.h"

#define FIXTURE "../data/schedule.txt"

static void
factors_equal_get_scheduler(UnitHost *unit)
{
	FILE	   *file = fopen(FIXTURE, "r");
	int			kind;
	int			warmup;
	int			total;
	int			cases = 0;

	(void) unit;
	CHECK(file != NULL);
	for (; file != NULL && fscanf(file, " schedule %d %d %d", &kind, &warmup, &total) == 3; cases++)
		for (int step = 0; step < total; step++)
		{
			double		wanted = -1;

			CHECK(fscanf(file, "%lf", &wanted) == 1);
			CHECK_CLOSE(tcls_schedule_factor((TclsSchedule) kind, step, warmup, total), wanted, 1e-12);
		}
	CHECK(cases == 9);
	if (file != NULL)
		fclose(file);
}

static void
warmup_is_rounded_up(UnitHost *unit)
{
	(void) unit;
	CHECK(tcls_schedule_warmup_steps(100, 0.1) == 10);
	CHECK(tcls_schedule_warmup_steps(101, 0.1) == 11);
	CHECK(tcls_schedule_warmup_steps(7, 0) == 0);
}

/* compute_class_weight('balanced') of 5, 1 and 94 rows. */
static void
balanced_weights_equal_scikit_learn(UnitHost *unit)
{
	static const int64_t counts[] = {5, 1, 0, 94};
	static const double wanted[] = {6.666666666666667, 33.333333333333336, 1, 0.3546099290780142};
	float		weights[4];

	(void) unit;
	tcls_class_weights_balanced(weights, counts, 4);
	for (int c = 0; c < 4; c++)
		CHECK_CLOSE(weights[c], wanted[c], 1e-6 * wanted[c]);
}

int
main(void)
{
	RUN(factors_equal_get_scheduler);
	RUN(warmup_is_rounded_up);
	RUN(balanced_weights_equal_scikit_learn);
	return unit_finish();
}
