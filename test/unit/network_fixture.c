/*
 * network_fixture.c
 *		Reads the fixture.
 */
#include <math.h>
#include <string.h>

#include "network_fixture.h"

#define FIXTURE "../data/network.bin"

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

float
network_parameter_value(size_t index)
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
			c->weights.block[item->offset + j] = 0.5f * network_parameter_value(index++) + (is_norm ? 1.0f : 0.0f);
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

void
network_for_cases(const char *only, CaseTest test, UnitHost *unit)
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
		memset(&c.inference, 0, sizeof(c.inference));
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

void
network_check_tensor(const Case *c, const char *what, const float *actual, const float *wanted, size_t count,
					 double tolerance)
{
	double		largest = 1e-6;
	double		worst = 0;

	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, fabs(wanted[i]));
	for (size_t i = 0; i < count; i++)
		worst = fabs((double) actual[i] - wanted[i]) <= worst ? worst : fabs((double) actual[i] - wanted[i]);
	if (!(worst <= tolerance * largest))
		unit_fail(__FILE__, __LINE__, "%s, %s, %s, %s: error %.3g of %.3g", tcls_isa_name(tcls_isa()),
				  c->inference.kernel != NULL ? c->inference.kernel->name : "training", c->name, what, worst, largest);
}

void
network_pack(Case *c, const TclsPackedKernel *kernel, UnitHost *unit)
{
	void	   *block;

	CHECK_OK(tcls_alloc(&block, 1, tcls_inference_size(&c->config, kernel), &unit->host), &unit->host);
	CHECK_OK(tcls_inference_pack(block, &c->weights, &c->config, kernel, &unit->host), &unit->host);
	CHECK_OK(tcls_inference_bind(&c->inference, block, &c->config, kernel, &unit->host), &unit->host);
}
