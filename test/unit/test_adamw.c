/*
 * test_adamw.c
 *		AdamW, its lazy form and gradient clipping against PyTorch (test/data/gen_optimizer.py).
 */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "train/adamw.h"
#include "train/gradient_clip.h"
#include "unit.h"

#define FIXTURE "../data/adamw.txt"
#define LAZY_FIXTURE "../data/lazy.txt"
#define MAX_COUNT 64
#define MAX_STEPS 200

static void
read_floats(FILE *file, float *values, int count)
{
	for (int i = 0; i < count; i++)
		CHECK(fscanf(file, "%f", &values[i]) == 1);
}

static void
check_case(FILE *file, int steps, int count)
{
	TclsAdamW	adamw;
	double		learning_rate = 0;
	double		decay = 0;
	double		clip = 0;
	float		weights[MAX_COUNT];
	float		wanted[MAX_COUNT];
	float		gradient[MAX_COUNT];
	float		moment1[MAX_COUNT] = {0};
	float		moment2[MAX_COUNT] = {0};

	CHECK(count <= MAX_COUNT);
	CHECK(fscanf(file, "%lf %lf %lf %lf %lf %lf", &learning_rate, &decay, &adamw.beta1, &adamw.beta2, &adamw.epsilon,
				 &clip) == 6);
	read_floats(file, weights, count);
	for (int step = 1; step <= steps; step++)
	{
		double		norm;
		float		wanted_norm;
		TclsAdamWStep prepared;

		read_floats(file, gradient, count);
		read_floats(file, &wanted_norm, 1);
		read_floats(file, wanted, count);
		tcls_gradient_squares(&norm, gradient, (size_t) count);
		norm = sqrt(norm);
		CHECK_CLOSE(norm, wanted_norm, 1e-6 * wanted_norm);
		prepared = tcls_adamw_prepare(&adamw, step, learning_rate, decay, tcls_gradient_clip_factor(norm, clip));
		tcls_adamw_update(weights, moment1, moment2, gradient, (size_t) count, &prepared);
		for (int i = 0; i < count; i++)
		{
			CHECK_CLOSE(weights[i], wanted[i], 1e-6);
			CHECK(gradient[i] == 0);
		}
	}
}

static void
twenty_steps_equal_pytorch(UnitHost *unit)
{
	FILE	   *file = fopen(FIXTURE, "r");
	int			steps;
	int			count;
	int			cases = 0;

	(void) unit;
	CHECK(file != NULL);
	for (; file != NULL && fscanf(file, " adamw %d %d", &steps, &count) == 2; cases++)
		check_case(file, steps, count);
	CHECK(cases == 2);
	if (file != NULL)
		fclose(file);
}

/* Parameters that are left alone until something is wanted of them. */
typedef struct Lazy
{
	TclsAdamW	adamw;
	TclsLearningRate rate;
	double		decay;
	int			count;
	int			step;			/* that they are at */
	float		weights[MAX_COUNT];
	float		moment1[MAX_COUNT];
	float		moment2[MAX_COUNT];
} Lazy;

static void
bring_to(Lazy *lazy, int step)
{
	TclsAdamWMissed missed[MAX_STEPS + 1];

	tcls_adamw_prepare_missed(missed, &lazy->adamw, &lazy->rate, lazy->decay, step, step);
	tcls_adamw_catch_up(lazy->weights, lazy->moment1, lazy->moment2, (size_t) lazy->count,
						&missed[step - lazy->step]);
	lazy->step = step;
}

static void
update_lazily(Lazy *lazy, int step, float *gradient)
{
	TclsAdamWStep prepared = tcls_adamw_prepare(&lazy->adamw, step, tcls_learning_rate(&lazy->rate, step - 1),
												lazy->decay, 1);

	bring_to(lazy, step - 1);
	tcls_adamw_update(lazy->weights, lazy->moment1, lazy->moment2, gradient, (size_t) lazy->count, &prepared);
	lazy->step = step;
}

/* The weights whenever they have a gradient, and of a copy after every step; returns the steps without one. */
static int
check_lazy_case(FILE *file, int steps, int count)
{
	Lazy		lazy = {.rate = {.schedule = TCLS_LINEAR, .total_steps = steps}, .count = count};
	float		gradient[MAX_COUNT];
	float		wanted[MAX_COUNT];
	int			warmup = 0;
	int			missed = 0;

	CHECK(count <= MAX_COUNT && steps <= MAX_STEPS);
	CHECK(fscanf(file, "%lf %lf %lf %lf %lf %d", &lazy.rate.peak, &lazy.decay, &lazy.adamw.beta1, &lazy.adamw.beta2,
				 &lazy.adamw.epsilon, &warmup) == 6);
	lazy.rate.warmup_steps = warmup;
	CHECK(tcls_adamw_may_miss(&lazy.adamw));
	read_floats(file, lazy.weights, count);
	for (int step = 1; step <= steps; step++)
	{
		Lazy		copy;
		int			touched = -1;

		CHECK(fscanf(file, "%d", &touched) == 1);
		if (touched)
		{
			read_floats(file, gradient, count);
			update_lazily(&lazy, step, gradient);
		}
		else
			missed++;
		read_floats(file, wanted, count);
		copy = lazy;
		bring_to(&copy, step);
		for (int i = 0; i < count; i++)
			CHECK_CLOSE(copy.weights[i], wanted[i], 1e-6);
	}
	return missed;
}

static void
missed_steps_equal_pytorch(UnitHost *unit)
{
	FILE	   *file = fopen(LAZY_FIXTURE, "r");
	int			steps;
	int			count;
	int			cases = 0;

	(void) unit;
	CHECK(file != NULL);
	for (; file != NULL && fscanf(file, " lazy %d %d", &steps, &count) == 2; cases++)
		CHECK(check_lazy_case(file, steps, count) > steps / 2);
	CHECK(cases == 2);
	if (file != NULL)
		fclose(file);
}

/* Moves that grow from step to step have no closed form that could be trusted. */
static void
only_dying_moves_may_be_missed(UnitHost *unit)
{
	(void) unit;
	CHECK(tcls_adamw_may_miss(&(TclsAdamW) {0.9, 0.999, 1e-8}));
	CHECK(tcls_adamw_may_miss(&(TclsAdamW) {0, 0.5, 1e-8}));
	CHECK(!tcls_adamw_may_miss(&(TclsAdamW) {0.9, 0.9, 1e-8}));
	CHECK(!tcls_adamw_may_miss(&(TclsAdamW) {0, 0, 1e-8}));
}

/* Updating a block in parts gives the bytes of updating it whole: vector tails compute alike. */
static void
parts_equal_the_whole(UnitHost *unit)
{
	static const TclsAdamW adamw = {0.9, 0.999, 1e-8};
	TclsAdamWStep step = tcls_adamw_prepare(&adamw, 3, 0.01, 0.01, 0.5);
	float		whole[4][MAX_COUNT];
	float		parts[4][MAX_COUNT];

	(void) unit;
	for (int i = 0; i < MAX_COUNT; i++)
		for (int k = 0; k < 4; k++)
			whole[k][i] = parts[k][i] = fabsf(sinf((float) (i * 4 + k)));
	tcls_adamw_update(whole[0], whole[1], whole[2], whole[3], MAX_COUNT, &step);
	for (int i = 0, size = 1; i < MAX_COUNT; i += size, size = size % 5 + 1)
	{
		size = size < MAX_COUNT - i ? size : MAX_COUNT - i;
		tcls_adamw_update(&parts[0][i], &parts[1][i], &parts[2][i], &parts[3][i], (size_t) size, &step);
	}
	CHECK(memcmp(whole, parts, sizeof(whole)) == 0);
}

static void
norm_tells_what_is_not_finite(UnitHost *unit)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY};
	float		gradient[MAX_COUNT] = {0};
	double		squares;

	(void) unit;
	for (int place = 0; place < MAX_COUNT; place += 7)
		for (int kind = 0; kind < 3; kind++)
		{
			gradient[place] = bad[kind];
			tcls_gradient_squares(&squares, gradient, MAX_COUNT);
			CHECK(!isfinite(squares));
			gradient[place] = 3e38f;
			tcls_gradient_squares(&squares, gradient, MAX_COUNT);
			CHECK(isfinite(squares));
			gradient[place] = 0;
		}
}

static void
short_gradients_are_not_clipped(UnitHost *unit)
{
	(void) unit;
	CHECK(tcls_gradient_clip_factor(0.5, 1) == 1);
	CHECK(tcls_gradient_clip_factor(100, 0) == 1);
	CHECK_CLOSE(tcls_gradient_clip_factor(4, 1), 0.25, 1e-6);
	CHECK(tcls_gradient_clip_factor(0, 1) == 1);
}

int
main(void)
{
	for (int isa = 0; isa < TCLS_ISA_COUNT; isa++)
	{
		tcls_isa_select((TclsIsa) isa);
		RUN(twenty_steps_equal_pytorch);
		RUN(missed_steps_equal_pytorch);
		RUN(parts_equal_the_whole);
		RUN(norm_tells_what_is_not_finite);
	}
	RUN(only_dying_moves_may_be_missed);
	RUN(short_gradients_are_not_clipped);
	return unit_finish();
}
