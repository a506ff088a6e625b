/*
 * test_network.c
 *		Encoder, head and losses against PyTorch (test/data/gen_network.py), and what a
 *		batch promises: independence of texts, frozen layers, bounds, cancel, failures.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "encoder/network.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "unit.h"

#define TOLERANCE 1e-4			/* relative to the largest element of a tensor */
#define FIXTURE "../data/network.bin"

/* One case of the fixture; arrays point into the file's bytes. */
typedef struct Case
{
	char		name[24];
	TclsConfig	config;
	TclsSequences sequences;
	TclsTargets targets;
	double		loss;
	const float *hidden;		/* (T, H) */
	const float *pooled;		/* (B, H) */
	const float *logits;		/* (B, K) */
	const float *gradients;		/* in plan order without gaps */
	TclsParameterPlan plan;
	TclsWeights weights;
	TclsWeights computed;		/* gradients */
	TclsArena	arena;
} Case;

typedef void (*CaseTest) (Case *c, UnitHost *unit);

static const void *
take_bytes(const char **cursor, size_t size)
{
	const char *at = *cursor;

	*cursor += size;
	return at;
}

static void
parse_config(Case *c, const char **cursor, int32_t *batch, int32_t *tokens, bool *has_weights)
{
	const int32_t *n;

	memcpy(c->name, take_bytes(cursor, 24), 24);
	n = take_bytes(cursor, 15 * sizeof(int32_t));
	memset(&c->config, 0, sizeof(c->config));
	c->config.vocab_size = n[0];
	c->config.hidden_size = n[1];
	c->config.num_layers = n[2];
	c->config.num_heads = n[3];
	c->config.intermediate_size = n[4];
	c->config.max_positions = n[5];
	c->config.type_vocab_size = n[6];
	c->config.layer_norm_eps = 1e-12f;
	c->config.hidden_act = (TclsHiddenAct) n[7];
	c->config.pooling = (TclsPooling) n[8];
	c->config.head = (TclsHead) n[9];
	c->config.problem = (TclsProblem) n[10];
	c->config.num_outputs = n[11];
	*batch = n[12];
	*tokens = n[13];
	*has_weights = n[14] != 0;
}

static void
parse_arrays(Case *c, const char **cursor, int32_t batch, int32_t tokens, bool has_weights)
{
	size_t		b = (size_t) batch;
	size_t		k = (size_t) c->config.num_outputs;
	size_t		h = (size_t) c->config.hidden_size;
	size_t		classes = c->config.problem == TCLS_BINARY ? 2 : k;
	const float *weights;

	c->sequences.ids = take_bytes(cursor, (size_t) tokens * sizeof(int32_t));
	c->sequences.starts = take_bytes(cursor, (b + 1) * sizeof(int32_t));
	c->sequences.count = batch;
	c->targets.labels = take_bytes(cursor, b * sizeof(int32_t));
	c->targets.multi = take_bytes(cursor, b * k * sizeof(float));
	weights = take_bytes(cursor, classes * sizeof(float));
	c->targets.class_weights = has_weights ? weights : NULL;
	c->hidden = take_bytes(cursor, (size_t) tokens * h * sizeof(float));
	c->pooled = take_bytes(cursor, b * h * sizeof(float));
	c->logits = take_bytes(cursor, b * k * sizeof(float));
}

/* The same values as parameter_values() of the generator. */
static float
parameter_value(size_t index)
{
	uint32_t	mixed = (uint32_t) index * UINT32_C(2654435761) + 12345;

	mixed = (mixed ^ (mixed >> 15)) * UINT32_C(2246822519);
	mixed ^= mixed >> 13;
	return (float) (mixed >> 8) * 0x1.0p-23f - 1.0f;
}

static void
fill_parameters(Case *c)
{
	size_t		index = 0;

	for (int32_t i = 0; i < c->plan.count; i++)
	{
		const TclsParameter *item = &c->plan.items[i];
		bool		is_norm = strstr(item->name, "LayerNorm.weight") != NULL;

		for (size_t j = 0; j < item->count; j++)
			c->weights.block[item->offset + j] = 0.5f * parameter_value(index++) + (is_norm ? 1.0f : 0.0f);
	}
}

static void
prepare_case(Case *c, UnitHost *unit)
{
	float	   *block;
	float	   *gradients;

	CHECK_OK(tcls_parameter_plan_create(&c->plan, &c->config, &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&block, c->plan.total, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&gradients, c->plan.total, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_weights_bind(&c->weights, &c->config, &c->plan, block, &unit->host), &unit->host);
	CHECK_OK(tcls_weights_bind(&c->computed, &c->config, &c->plan, gradients, &unit->host), &unit->host);
	fill_parameters(c);
	tcls_arena_init(&c->arena, &unit->host);
}

/* Run the test with each case of the fixture (or the named one). */
static void
for_cases(const char *only, CaseTest test, UnitHost *unit)
{
	size_t		size;
	char	   *file = unit_read_file(FIXTURE, &size);
	const char *cursor = file;
	int			count = 0;

	if (file == NULL)
		return;
	while (cursor < file + size)
	{
		Case		c;
		int32_t		batch;
		int32_t		tokens;
		bool		has_weights;

		parse_config(&c, &cursor, &batch, &tokens, &has_weights);
		memset(&c.targets, 0, sizeof(c.targets));
		memcpy(&c.targets.label_smoothing, take_bytes(&cursor, sizeof(float)), sizeof(float));
		memcpy(&c.loss, take_bytes(&cursor, sizeof(double)), sizeof(double));
		parse_arrays(&c, &cursor, batch, tokens, has_weights);
		prepare_case(&c, unit);
		c.gradients = take_bytes(&cursor, c.plan.parameters * sizeof(float));
		if (only == NULL || strcmp(only, c.name) == 0)
		{
			test(&c, unit);
			count++;
		}
	}
	CHECK(cursor == file + size);
	CHECK(count > 0);
	free(file);
}

/* Compare within the tolerance, relative to the largest wanted element. */
static void
check_tensor(const Case *c, const char *what, const float *actual, const float *wanted, size_t count,
			 double tolerance)
{
	double		largest = 1e-6;
	double		worst = 0;

	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, fabs(wanted[i]));
	for (size_t i = 0; i < count; i++)
		worst = fabs((double) actual[i] - wanted[i]) <= worst ? worst : fabs((double) actual[i] - wanted[i]);
	if (!(worst <= tolerance * largest))
		unit_fail(__FILE__, __LINE__, "%s, %s, %s: error %.3g of %.3g", tcls_isa_name(tcls_isa()), c->name, what,
				  worst, largest);
}

static void
check_forward(Case *c, UnitHost *unit)
{
	size_t		tokens = (size_t) c->sequences.starts[c->sequences.count];
	size_t		h = (size_t) c->config.hidden_size;
	size_t		b = (size_t) c->sequences.count;
	size_t		k = (size_t) c->config.num_outputs;
	float	   *out;

	CHECK_OK(tcls_alloc(&out, tokens * h + b * k, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_network_hidden(out, &c->weights, &c->config, &c->sequences, &c->arena, &unit->host), &unit->host);
	check_tensor(c, "hidden states", out, c->hidden, tokens * h, TOLERANCE);
	CHECK_OK(tcls_network_forward(out + b * h, out, &c->weights, &c->config, &c->sequences, &c->arena, &unit->host),
			 &unit->host);
	check_tensor(c, "pooled", out, c->pooled, b * h, TOLERANCE);
	check_tensor(c, "logits", out + b * h, c->logits, b * k, TOLERANCE);
	tcls_arena_reset(&c->arena);
}

static void
forward_equals_pytorch(UnitHost *unit)
{
	for (int isa = 0; isa < TCLS_ISA_COUNT; isa++)
		if (tcls_isa_supported((TclsIsa) isa))
		{
			tcls_isa_select((TclsIsa) isa);
			for_cases(NULL, check_forward, unit);
		}
}

static void
train(Case *c, double *loss, const TclsTrainStep *step, UnitHost *unit)
{
	tcls_arena_reset(&c->arena);
	memset(c->computed.block, 0, c->plan.total * sizeof(float));
	CHECK_OK(tcls_network_train(loss, NULL, &c->computed, &c->weights, &c->config, &c->sequences, &c->targets, step,
								&c->arena, &unit->host), &unit->host);
}

static void
check_gradients(Case *c, UnitHost *unit)
{
	TclsTrainStep step = {0, false, 0, 0};
	const float *wanted = c->gradients;
	double		loss;

	train(c, &loss, &step, unit);
	CHECK_CLOSE(loss, c->loss, 1e-5 * fabs(c->loss));
	for (int32_t i = 0; i < c->plan.count; i++)
	{
		const TclsParameter *item = &c->plan.items[i];

		/* The gradient of a key's bias is 0 but for rounding: softmax ignores what all keys share. */
		if (strstr(item->name, "key.bias") == NULL)
			check_tensor(c, item->name, c->computed.block + item->offset, wanted, item->count, TOLERANCE);
		wanted += item->count;
	}
}

static void
gradients_equal_pytorch(UnitHost *unit)
{
	for (int isa = 0; isa < TCLS_ISA_COUNT; isa++)
		if (tcls_isa_supported((TclsIsa) isa))
		{
			tcls_isa_select((TclsIsa) isa);
			for_cases(NULL, check_gradients, unit);
		}
}

int
main(void)
{
	RUN(forward_equals_pytorch);
	RUN(gradients_equal_pytorch);
	return unit_finish();
}
