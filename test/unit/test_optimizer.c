/*
 * test_optimizer.c
 *		The optimizer of a whole model: rows of the embedding that are left behind and caught up with.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "train/optimizer.h"
#include "unit.h"

#define STEPS (2 * TCLS_SETTLE_STEPS + 90)
#define IDS 5					/* tokens of a batch */
#define RATE 1e-3

static const TclsConfig config = {
	.vocab_size = 50, .hidden_size = 8, .num_layers = 1, .num_heads = 2, .intermediate_size = 16, .max_positions = 4,
	.type_vocab_size = 2, .layer_norm_eps = 1e-12f, .head = TCLS_HEAD_LINEAR, .num_outputs = 2
};

/* A model's blocks with an optimizer over them. */
typedef struct Setup
{
	TclsParameterPlan plan;
	TclsLazyRows lazy;
	TclsOptimizer optimizer;
} Setup;

static void
setup_create(Setup *setup, bool lazy, TclsHost *host)
{
	TclsLearningRate rate = {TCLS_COSINE, 20, STEPS, RATE};
	float	   *blocks;
	size_t		total;

	CHECK_OK(tcls_parameter_plan_create(&setup->plan, &config, host), host);
	total = setup->plan.total;
	CHECK_OK(tcls_alloc_zero(&blocks, 4 * total, sizeof(float), host), host);
	tcls_weights_initialize(blocks, &setup->plan, 0, 1);
	setup->optimizer = (TclsOptimizer) {
		.plan = &setup->plan, .weights = blocks, .gradient = blocks + total, .moment1 = blocks + 2 * total,
		.moment2 = blocks + 3 * total, .adamw = {0.9, 0.999, 1e-8}, .rate = rate, .head_rate = rate,
		.weight_decay = 0.1, .head_layer = 2, .end = total, .host = host
	};
	if (!lazy)
		return;
	CHECK_OK(tcls_lazy_rows_create(&setup->lazy, &setup->plan.items[0], host), host);
	setup->optimizer.lazy = &setup->lazy;
	setup->optimizer.first = setup->plan.items[1].offset;
}

/* The ids of a step: few of the first 49, the lower ones much more often; and row 49 twice in the whole run. */
static void
make_ids(int32_t *ids, int64_t step)
{
	for (int i = 0; i < IDS; i++)
	{
		TclsRng		rng = {tcls_rng_mix((uint64_t) step, (uint64_t) i)};
		double		u = tcls_rng_uniform(&rng);

		ids[i] = (int32_t) (49 * u * u * u);
	}
	if (step == 7 || step == STEPS - 60)
		ids[0] = 49;
}

/* A gradient for the rows of the step, some of it twice, and for everything else. */
static void
add_gradient(const Setup *setup, const int32_t *ids, int64_t step)
{
	float	   *gradient = setup->optimizer.gradient;
	TclsRng		rng = {tcls_rng_mix(99, (uint64_t) step)};
	size_t		columns = (size_t) config.hidden_size;

	for (int i = 0; i < IDS; i++)
		for (size_t k = 0; k < columns; k++)
			gradient[(size_t) ids[i] * columns + k] += (float) tcls_rng_normal(&rng);
	for (int32_t p = 1; p < setup->plan.count; p++)
		for (size_t i = 0; i < setup->plan.items[p].count; i++)
			gradient[setup->plan.items[p].offset + i] = (float) tcls_rng_normal(&rng);
}

static void
run_step(Setup *setup, int64_t step)
{
	TclsHost   *host = setup->optimizer.host;
	double		squares;
	int32_t		ids[IDS];

	make_ids(ids, step);
	CHECK_OK(tcls_optimizer_touch(&setup->optimizer, ids, IDS, step - 1), host);
	add_gradient(setup, ids, step);
	CHECK_OK(tcls_optimizer_squares(&squares, &setup->optimizer), host);
	CHECK_OK(tcls_optimizer_step(&setup->optimizer, step, 1 / sqrt(squares)), host);
	for (size_t i = 0; i < setup->plan.total; i++)
		CHECK(setup->optimizer.gradient[i] == 0);
}

static double
largest_difference(const float *a, const float *b, size_t count)
{
	double		largest = 0;

	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, fabs((double) a[i] - (double) b[i]));
	return largest;
}

static void
lazy_rows_equal_all_rows(UnitHost *unit)
{
	TclsHost   *host = &unit->host;
	Setup		lazy = {.lazy.rows = 0};
	Setup		all = {.lazy.rows = 0};
	size_t		total;

	setup_create(&lazy, true, host);
	setup_create(&all, false, host);
	total = lazy.plan.total;
	for (int64_t step = 1; step <= STEPS; step++)
	{
		run_step(&lazy, step);
		run_step(&all, step);
		if (step == 100)
		{
			/* What is left behind differs until it is settled. */
			CHECK(largest_difference(lazy.optimizer.weights, all.optimizer.weights, total) > RATE);
			CHECK_OK(tcls_optimizer_settle(&lazy.optimizer, step), host);
		}
		if (step == 100 || step == 2 * TCLS_SETTLE_STEPS)
			CHECK_CLOSE(largest_difference(lazy.optimizer.weights, all.optimizer.weights, total), 0, RATE * 1e-2);
	}
	CHECK_OK(tcls_optimizer_settle(&lazy.optimizer, STEPS), host);
	CHECK_CLOSE(largest_difference(lazy.optimizer.weights, all.optimizer.weights, total), 0, RATE * 1e-2);
	CHECK_CLOSE(largest_difference(lazy.optimizer.moment1, all.optimizer.moment1, total), 0, 1e-6);
	CHECK_CLOSE(largest_difference(lazy.optimizer.moment2, all.optimizer.moment2, total), 0, 1e-6);
}

/* Each row once, those of the step before forgotten; a foreign id is named. */
static void
touched_rows_are_distinct(UnitHost *unit)
{
	static const int32_t first[] = {3, 3, 7, 3, 0};
	static const int32_t second[] = {7, 49};
	static const int32_t foreign[] = {1, 50};
	TclsHost   *host = &unit->host;
	Setup		setup = {.lazy.rows = 0};

	setup_create(&setup, true, host);
	CHECK_OK(tcls_optimizer_touch(&setup.optimizer, first, 5, 0), host);
	CHECK(setup.lazy.touched_count == 3 && setup.lazy.touched[0] == 3 && setup.lazy.touched[1] == 7 &&
		  setup.lazy.touched[2] == 0);
	CHECK_OK(tcls_optimizer_touch(&setup.optimizer, second, 2, 0), host);
	CHECK(setup.lazy.touched_count == 2 && setup.lazy.touched[0] == 7 && setup.lazy.touched[1] == 49);
	CHECK_STATUS(tcls_optimizer_touch(&setup.optimizer, foreign, 2, 0), TCLS_BAD_ARGUMENT, host);
	CHECK(strstr(host->detail, "token id 50") != NULL);
	tcls_lazy_rows_destroy(&setup.lazy, host);
}

int
main(void)
{
	RUN(lazy_rows_equal_all_rows);
	RUN(touched_rows_are_distinct);
	return unit_finish();
}
