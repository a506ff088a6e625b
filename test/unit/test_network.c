/*
 * test_network.c
 *		Encoder, head and losses against PyTorch (test/data/gen_network.py), and what a
 *		batch promises: independence of texts, frozen layers, bounds, cancel, failures.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "encoder/layer.h"
#include "encoder/linear.h"
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

/* Each gemm path, the plain one last, gives the same network. */
static void
every_gemm_path_gives_the_same(UnitHost *unit)
{
	for (int path = tcls_gemm_path_count() - 1; path >= 0; path--)
	{
		tcls_gemm_select_path(path);
		for_cases("mean_single_wide", check_gradients, unit);
	}
}

/* The second text alone, and behind another one, as in the whole batch. */
static void
check_independence(Case *c, UnitHost *unit)
{
	size_t		k = (size_t) c->config.num_outputs;
	size_t		b = (size_t) c->sequences.count;
	float	   *together;
	float	   *alone;

	CHECK_OK(tcls_alloc(&together, b * k, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&alone, b * k, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_network_forward(together, NULL, &c->weights, &c->config, &c->sequences, &c->arena, &unit->host),
			 &unit->host);
	for (size_t text = 0; text < b; text++)
	{
		const int32_t *starts = c->sequences.starts + text;
		int32_t		own[2] = {0, starts[1] - starts[0]};
		TclsSequences one = {c->sequences.ids + starts[0], own, 1};

		CHECK_OK(tcls_network_forward(alone, NULL, &c->weights, &c->config, &one, &c->arena, &unit->host),
				 &unit->host);
		check_tensor(c, "text alone", alone, together + text * k, k, 1e-5);
	}
}

static void
texts_do_not_depend_on_their_batch(UnitHost *unit)
{
	tcls_isa_select(TCLS_ISA_BEST);
	for_cases(NULL, check_independence, unit);
}

/* Gradients from first_layer on are those of a full backward, below they stay zero. */
static void
check_frozen_layers(Case *c, UnitHost *unit)
{
	float	   *full;
	double		loss;

	CHECK_OK(tcls_alloc(&full, c->plan.total, sizeof(float), &unit->host), &unit->host);
	for (int32_t first = 0; first <= c->config.num_layers + 1; first++)
	{
		TclsTrainStep step = {0, false, first, 0};

		train(c, &loss, &step, unit);
		CHECK_CLOSE(loss, c->loss, 1e-5 * fabs(c->loss));
		if (first == 0)
			memcpy(full, c->computed.block, c->plan.total * sizeof(float));
		for (int32_t i = 0; i < c->plan.count; i++)
		{
			const TclsParameter *item = &c->plan.items[i];
			const float *gradient = c->computed.block + item->offset;

			if (item->layer >= first && strstr(item->name, "key.bias") == NULL)
				check_tensor(c, item->name, gradient, full + item->offset, item->count, 1e-5);
			for (size_t j = 0; item->layer < first && j < item->count; j++)
				CHECK(gradient[j] == 0);
		}
	}
}

static void
frozen_layers_get_no_gradient(UnitHost *unit)
{
	for_cases(NULL, check_frozen_layers, unit);
}

static void
set_dropout(Case *c)
{
	c->config.hidden_dropout = 0.2f;
	c->config.attention_dropout = 0.3f;
	c->config.classifier_dropout = 0.25f;
}

/*
 * With dropout the loss is still a function of the weights, so that the slope
 * along a direction equals its difference quotient.
 */
static void
check_dropout_slope(Case *c, UnitHost *unit)
{
	TclsTrainStep step = {42, true, 0, 0};
	TclsTrainStep plain = {42, false, 0, 0};
	TclsRng		rng = {11};
	double		without;
	double		loss;
	double		above;
	double		below;
	double		slope = 0;
	double		norm = 0;
	const double h = 1e-3;
	float	   *kept;
	float	   *direction;

	set_dropout(c);
	CHECK_OK(tcls_alloc(&kept, c->plan.total, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&direction, c->plan.total, sizeof(float), &unit->host), &unit->host);
	memcpy(kept, c->weights.block, c->plan.total * sizeof(float));
	train(c, &without, &plain, unit);
	train(c, &loss, &step, unit);
	CHECK(fabs(loss - without) > 1e-4);
	/* Along the gradient, with some noise, so that no parameter's error hides. */
	for (size_t i = 0; i < c->plan.total; i++)
		norm += (double) c->computed.block[i] * c->computed.block[i];
	for (size_t i = 0; i < c->plan.total; i++)
	{
		direction[i] = (float) (c->computed.block[i] / sqrt(norm) * (1 + 0.5 * tcls_rng_normal(&rng)));
		slope += (double) c->computed.block[i] * direction[i];
	}
	for (size_t i = 0; i < c->plan.total; i++)
		c->weights.block[i] = kept[i] + (float) h * direction[i];
	train(c, &above, &step, unit);
	for (size_t i = 0; i < c->plan.total; i++)
		c->weights.block[i] = kept[i] - (float) h * direction[i];
	train(c, &below, &step, unit);
	memcpy(c->weights.block, kept, c->plan.total * sizeof(float));
	if (!(fabs((above - below) / (2 * h) - slope) <= 3e-3 * fabs(slope) + 1e-4))
		unit_fail(__FILE__, __LINE__, "%s: slope %.6g, difference %.6g", c->name, slope, (above - below) / (2 * h));
}

static void
gradient_with_dropout_is_the_slope(UnitHost *unit)
{
	for_cases(NULL, check_dropout_slope, unit);
}

/* The same seed gives the same loss to the bit, another seed another loss. */
static void
check_dropout_seed(Case *c, UnitHost *unit)
{
	TclsTrainStep step = {42, true, 0, 0};
	TclsTrainStep other = {43, true, 0, 0};
	double		first;
	double		second;

	set_dropout(c);
	train(c, &first, &step, unit);
	train(c, &second, &step, unit);
	CHECK(first == second);
	train(c, &second, &other, unit);
	CHECK(first != second);
}

static void
dropout_follows_its_seed(UnitHost *unit)
{
	for_cases(NULL, check_dropout_seed, unit);
}

static void
every_place_has_its_own_mask(UnitHost *unit)
{
	TclsTrainStep step = {42, true, 0, 0};
	uint64_t	keys[4 * 5];
	size_t		count = 0;

	(void) unit;
	for (int32_t layer = 0; layer < 4; layer++)
		for (int place = TCLS_DROPOUT_EMBEDDING; place <= TCLS_DROPOUT_CLASSIFIER; place++)
		{
			TclsDropout dropout = tcls_layer_dropout(&step, layer, (TclsDropoutPlace) place, 0.25f);

			CHECK(dropout.probability == 0.25f);
			for (size_t i = 0; i < count; i++)
				CHECK(keys[i] != dropout.key);
			keys[count++] = dropout.key;
		}
	step.dropout = false;
	CHECK(tcls_layer_dropout(&step, 1, TCLS_DROPOUT_OUTPUT, 0.25f).probability == 0);
	CHECK(tcls_layer_dropout(NULL, 1, TCLS_DROPOUT_OUTPUT, 0.25f).probability == 0);
}

/* Two pieces with the weight of the whole batch as normalizer add up to the batch. */
static void
check_pieces(Case *c, UnitHost *unit)
{
	int32_t		half = c->sequences.count / 2;
	int32_t		first = c->sequences.starts[half];
	size_t		b = (size_t) c->sequences.count;
	size_t		k = (size_t) c->config.num_outputs;
	TclsTrainStep step = {0, false, 0, 0};
	TclsSequences pieces[2] = {{c->sequences.ids, c->sequences.starts, half},
	{c->sequences.ids + first, NULL, c->sequences.count - half}};
	TclsTargets targets[2] = {c->targets, c->targets};
	int32_t		starts[16];
	double		losses[2];
	double		sum;
	float	   *full;
	float	   *logits;

	for (int32_t i = 0; i <= pieces[1].count; i++)
		starts[i] = c->sequences.starts[half + i] - first;
	pieces[1].starts = starts;
	targets[1].labels += half;
	targets[1].multi += (size_t) half * k;
	CHECK_OK(tcls_alloc(&full, c->plan.total, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&logits, b * k, sizeof(float), &unit->host), &unit->host);
	train(c, &sum, &step, unit);
	memcpy(full, c->computed.block, c->plan.total * sizeof(float));
	CHECK_OK(tcls_network_loss(&sum, &step.normalizer, logits, &c->config, &c->targets, c->sequences.count,
							   &unit->host), &unit->host);
	memset(c->computed.block, 0, c->plan.total * sizeof(float));
	for (int piece = 0; piece < 2; piece++)
	{
		tcls_arena_reset(&c->arena);
		CHECK_OK(tcls_network_train(&losses[piece], NULL, &c->computed, &c->weights, &c->config, &pieces[piece],
									&targets[piece], &step, &c->arena, &unit->host), &unit->host);
	}
	CHECK_CLOSE(losses[0] + losses[1], c->loss, 1e-5 * fabs(c->loss));
	check_tensor(c, "sum of pieces", c->computed.block, full, c->plan.total, 1e-5);
}

static void
pieces_add_up(UnitHost *unit)
{
	for_cases(NULL, check_pieces, unit);
}

static void
check_loss_alone(Case *c, UnitHost *unit)
{
	double		sum;
	double		weight;

	CHECK_OK(tcls_network_loss(&sum, &weight, c->logits, &c->config, &c->targets, c->sequences.count, &unit->host),
			 &unit->host);
	CHECK_CLOSE(sum / weight, c->loss, 1e-5 * fabs(c->loss));
}

static void
loss_of_logits_equals_pytorch(UnitHost *unit)
{
	for_cases(NULL, check_loss_alone, unit);
}

static void
probabilities_follow_the_problem(UnitHost *unit)
{
	TclsConfig	config = {.problem = TCLS_SINGLE_LABEL, .num_outputs = 2};
	float		values[4] = {0, 0.6931472f, 2, 2};

	(void) unit;
	tcls_network_probabilities(values, &config, 2);
	CHECK_CLOSE(values[0], 1.0 / 3, 1e-6);
	CHECK_CLOSE(values[3], 0.5, 1e-6);
	config.problem = TCLS_MULTI_LABEL;
	values[0] = 0;
	values[1] = -0.6931472f;
	tcls_network_probabilities(values, &config, 1);
	CHECK_CLOSE(values[0], 0.5, 1e-6);
	CHECK_CLOSE(values[1], 1.0 / 3, 1e-6);
}

/* ---- memory, cancel, failures ---- */

/* Live bytes of the host, by a wrapper around the test's own. */
static size_t live_bytes;
static size_t peak_bytes;
static void *(*plain_alloc) (void *, size_t);
static void (*plain_free) (void *, void *);

static void *
counting_alloc(void *context, size_t size)
{
	size_t	   *block = plain_alloc(context, size + 64);

	if (block == NULL)
		return NULL;
	*block = size;
	live_bytes += size;
	peak_bytes = live_bytes > peak_bytes ? live_bytes : peak_bytes;
	return (char *) block + 64;
}

static void
counting_free(void *context, void *data)
{
	size_t	   *block = (size_t *) ((char *) data - 64);

	live_bytes -= *block;
	plain_free(context, block);
}

/* Batches that grow from step to step never hold more than the bound of the largest. */
static void
check_memory_bound(Case *c, UnitHost *unit)
{
	TclsTrainStep step = {1, true, 0, 0};
	int32_t		texts = c->sequences.count;
	int32_t		longest = 0;
	size_t		bound;
	double		loss;

	plain_alloc = unit->host.alloc;
	plain_free = unit->host.free;
	unit->host.alloc = counting_alloc;
	unit->host.free = counting_free;
	live_bytes = peak_bytes = 0;
	for (int32_t text = 0; text < texts; text++)
	{
		int32_t		tokens = c->sequences.starts[text + 1] - c->sequences.starts[text];

		longest = tokens > longest ? tokens : longest;
		c->sequences.count = text + 1;
		train(c, &loss, &step, unit);
		bound = tcls_network_train_bytes(&c->config, c->sequences.starts[text + 1], longest);
		if (peak_bytes > bound)
			unit_fail(__FILE__, __LINE__, "%s, %d texts: %zu bytes, bound %zu", c->name, text + 1, peak_bytes, bound);
	}
	tcls_arena_free(&c->arena);
	CHECK(live_bytes == 0);
	unit->host.alloc = plain_alloc;
	unit->host.free = plain_free;
}

static void
training_memory_is_bounded(UnitHost *unit)
{
	for_cases(NULL, check_memory_bound, unit);
}

/* The bound of a size that matters is close to what a step takes, not just above it. */
static void
memory_bound_is_honest(UnitHost *unit)
{
	TclsConfig	config = {.vocab_size = 50, .hidden_size = 64, .num_layers = 2, .num_heads = 4,
		.intermediate_size = 256, .max_positions = 256, .layer_norm_eps = 1e-12f, .head = TCLS_HEAD_LINEAR,
	.num_outputs = 2};
	static int32_t ids[4096];
	int32_t		starts[17];
	int32_t		labels[16] = {0};
	TclsSequences sequences = {ids, starts, 16};
	TclsTargets targets = {labels, NULL, NULL, 0};
	TclsTrainStep step = {1, true, 0, 0};
	TclsParameterPlan plan;
	TclsWeights weights;
	TclsWeights gradients;
	TclsArena	arena;
	float	   *block;
	double		loss;
	size_t		bound = tcls_network_train_bytes(&config, 4096, 256);

	for (int32_t i = 0; i <= 16; i++)
		starts[i] = i * 256;
	CHECK_OK(tcls_parameter_plan_create(&plan, &config, &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&block, 2 * plan.total, sizeof(float), &unit->host), &unit->host);
	tcls_weights_initialize(block, &plan, 0, 1);
	CHECK_OK(tcls_weights_bind(&weights, &config, &plan, block, &unit->host), &unit->host);
	CHECK_OK(tcls_weights_bind(&gradients, &config, &plan, block + plan.total, &unit->host), &unit->host);
	plain_alloc = unit->host.alloc;
	plain_free = unit->host.free;
	unit->host.alloc = counting_alloc;
	unit->host.free = counting_free;
	live_bytes = peak_bytes = 0;
	tcls_arena_init(&arena, &unit->host);
	CHECK_OK(tcls_network_train(&loss, NULL, &gradients, &weights, &config, &sequences, &targets, &step, &arena,
								&unit->host), &unit->host);
	CHECK(peak_bytes <= bound);
	CHECK(bound - peak_bytes < bound / 4);
	tcls_arena_free(&arena);
	unit->host.alloc = plain_alloc;
	unit->host.free = plain_free;
}

/* Each poll can stop forward and backward; then everything can be freed. */
static void
check_cancel(Case *c, UnitHost *unit)
{
	TclsTrainStep step = {0, true, 0, 0};
	size_t		polls;
	double		loss;

	unit->polls = 0;
	train(c, &loss, &step, unit);
	polls = unit->polls;
	CHECK(polls > 20);
	for (size_t at = 1; at <= polls; at += 3)
	{
		unit->polls = 0;
		unit->cancel_at = at;
		tcls_arena_reset(&c->arena);
		CHECK_STATUS(tcls_network_train(&loss, NULL, &c->computed, &c->weights, &c->config, &c->sequences,
										&c->targets, &step, &c->arena, &unit->host), TCLS_CANCELLED, &unit->host);
		CHECK(unit->polls == at);
	}
	unit->cancel_at = 0;
}

static void
cancel_is_seen_everywhere(UnitHost *unit)
{
	for_cases("bert_single", check_cancel, unit);
}

/* Above 2 GFLOP a product is split, on a slow path above a quarter of it; the result is the same. */
static void
large_products_are_split(UnitHost *unit)
{
	enum
	{
		ROWS = 1100, IN = 1000, OUT = 950
	};
	float	   *x;
	float	   *weight;
	float	   *split;
	float	   *whole;

	CHECK_OK(tcls_alloc(&x, ROWS * IN, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&weight, OUT * IN, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&split, ROWS * OUT, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&whole, ROWS * OUT, sizeof(float), &unit->host), &unit->host);
	for (size_t i = 0; i < ROWS * IN; i++)
		x[i] = parameter_value(i);
	for (size_t i = 0; i < OUT * IN; i++)
		weight[i] = parameter_value(i + 77);
	CHECK_OK(tcls_linear_forward(split, x, weight, ROWS, IN, OUT, &unit->host), &unit->host);
	CHECK(unit->polls == 2);
	tcls_gemm(whole, x, weight, ROWS, OUT, IN, IN, IN, OUT, false, true, 1, 0);
	for (size_t i = 0; i < ROWS * OUT; i++)
		CHECK_CLOSE(split[i], whole[i], 1e-3);
	unit->polls = 0;
	tcls_gemm_select_path(1);
	CHECK_OK(tcls_linear_forward(split, x, weight, ROWS, IN, OUT, &unit->host), &unit->host);
	CHECK(unit->polls == 5);
	tcls_gemm_select_path(0);
	unit->cancel_at = 7;
	CHECK_STATUS(tcls_linear_backward_weight(weight, x, split, x, ROWS, IN, OUT, &unit->host), TCLS_CANCELLED,
				 &unit->host);
}

static void
check_out_of_memory(Case *c, UnitHost *unit)
{
	TclsTrainStep step = {0, false, 0, 0};
	float		logits[64];
	double		loss;
	size_t		failures = 0;

	for (size_t at = 1; at < 20; at++)
	{
		TclsStatus	status;

		tcls_arena_free(&c->arena);
		unit->fail_at = unit->allocations + at;
		status = tcls_network_train(&loss, NULL, &c->computed, &c->weights, &c->config, &c->sequences, &c->targets,
									&step, &c->arena, &unit->host);
		CHECK(status == TCLS_OK || status == TCLS_OUT_OF_MEMORY);
		failures += status != TCLS_OK;
		tcls_arena_free(&c->arena);
		unit->fail_at = unit->allocations + at;
		status = tcls_network_forward(logits, NULL, &c->weights, &c->config, &c->sequences, &c->arena, &unit->host);
		CHECK(status == TCLS_OK || status == TCLS_OUT_OF_MEMORY);
		failures += status != TCLS_OK;
	}
	unit->fail_at = 0;
	CHECK(failures >= 2);
}

static void
out_of_memory_is_a_status(UnitHost *unit)
{
	for_cases("bert_single", check_out_of_memory, unit);
}

#define CHECK_FORWARD(wanted) \
	CHECK_STATUS(tcls_network_forward(logits, NULL, &c->weights, &c->config, &bad, &c->arena, &unit->host), wanted, \
				 &unit->host)

static void
check_bad_arguments(Case *c, UnitHost *unit)
{
	int32_t		ids[4] = {1, 2, 3, 4};
	int32_t		starts[3] = {0, 2, 4};
	int32_t		labels[2] = {0, 3};
	TclsSequences bad = {ids, starts, 2};
	TclsTargets targets = {labels, NULL, NULL, 0};
	TclsTrainStep step = {0, false, 0, 0};
	float		logits[64];
	double		loss;

	CHECK_FORWARD(TCLS_OK);
	ids[3] = c->config.vocab_size;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	ids[3] = -1;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	ids[3] = 0;
	starts[1] = 0;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	starts[1] = 2;
	starts[2] = 3 + c->config.max_positions;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	starts[2] = 1;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	starts[2] = 4;
	starts[0] = 1;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	starts[0] = 0;
	bad.count = 0;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	bad.count = 2;
	CHECK_STATUS(tcls_network_train(&loss, NULL, &c->computed, &c->weights, &c->config, &bad, &targets, &step,
									&c->arena, &unit->host), TCLS_BAD_ARGUMENT, &unit->host);
	CHECK(strstr(unit->host.detail, "label 3 of text 1") != NULL);
	targets.labels = NULL;
	CHECK_STATUS(tcls_network_loss(&loss, &loss, logits, &c->config, &targets, 2, &unit->host), TCLS_BAD_ARGUMENT,
				 &unit->host);
}

static void
bad_arguments_are_named(UnitHost *unit)
{
	for_cases("bert_single", check_bad_arguments, unit);
}

/* ---- config and plan ---- */

static const TclsConfig small = {.vocab_size = 10, .hidden_size = 6, .num_layers = 2, .num_heads = 3,
	.intermediate_size = 5, .max_positions = 7, .type_vocab_size = 2, .layer_norm_eps = 1e-12f,
.head = TCLS_HEAD_DENSE_TANH, .num_outputs = 3};

#define CHECK_CONFIG(field, value, wanted, word) \
	do { \
		TclsConfig	changed = small; \
		\
		changed.field = value; \
		CHECK_STATUS(tcls_config_check(&changed, &unit->host), wanted, &unit->host); \
		CHECK(strstr(unit->host.detail, word) != NULL); \
	} while (0)

static void
config_names_its_culprit(UnitHost *unit)
{
	CHECK_OK(tcls_config_check(&small, &unit->host), &unit->host);
	CHECK_CONFIG(vocab_size, 0, TCLS_BAD_FILE, "vocab_size");
	CHECK_CONFIG(vocab_size, INT32_MAX, TCLS_BAD_FILE, "vocab_size");
	CHECK_CONFIG(hidden_size, -6, TCLS_BAD_FILE, "hidden_size");
	CHECK_CONFIG(hidden_size, 8, TCLS_BAD_FILE, "num_attention_heads");
	CHECK_CONFIG(num_layers, 0, TCLS_BAD_FILE, "num_hidden_layers");
	CHECK_CONFIG(num_heads, 0, TCLS_BAD_FILE, "num_attention_heads");
	CHECK_CONFIG(intermediate_size, 0, TCLS_BAD_FILE, "intermediate_size");
	CHECK_CONFIG(max_positions, 0, TCLS_BAD_FILE, "max_position_embeddings");
	CHECK_CONFIG(type_vocab_size, -1, TCLS_BAD_FILE, "type_vocab_size");
	CHECK_CONFIG(layer_norm_eps, NAN, TCLS_BAD_FILE, "layer_norm_eps");
	CHECK_CONFIG(hidden_dropout, 1.0f, TCLS_BAD_FILE, "hidden_dropout_prob");
	CHECK_CONFIG(attention_dropout, NAN, TCLS_BAD_FILE, "attention_probs_dropout_prob");
	CHECK_CONFIG(classifier_dropout, -0.1f, TCLS_BAD_FILE, "classifier_dropout");
	CHECK_CONFIG(num_outputs, 0, TCLS_BAD_FILE, "number of labels");
	CHECK_CONFIG(head, TCLS_HEAD_NONE, TCLS_BAD_FILE, "number of labels");
	CHECK_CONFIG(head, (TclsHead) 9, TCLS_UNSUPPORTED, "head");
	CHECK_CONFIG(hidden_act, (TclsHiddenAct) 9, TCLS_UNSUPPORTED, "hidden_act");
	CHECK_CONFIG(pooling, (TclsPooling) 9, TCLS_UNSUPPORTED, "pooling");
	CHECK_CONFIG(problem, (TclsProblem) 9, TCLS_UNSUPPORTED, "problem_type");
	CHECK_CONFIG(problem, TCLS_BINARY, TCLS_BAD_FILE, "binary");
}

/* Aligned, in order, without overlap; key and value right behind query. */
static void
plan_lays_parameters_out(UnitHost *unit)
{
	TclsParameterPlan plan;
	size_t		end = 0;
	size_t		parameters = 0;

	CHECK_OK(tcls_parameter_plan_create(&plan, &small, &unit->host), &unit->host);
	CHECK(plan.count == 5 + 2 * 16 + 4);
	for (int32_t i = 0; i < plan.count; i++)
	{
		const TclsParameter *item = &plan.items[i];
		bool		follows = strstr(item->name, ".key.") != NULL || strstr(item->name, ".value.") != NULL;

		CHECK(item->offset >= end);
		CHECK(follows ? item->offset == end : item->offset % 16 == 0);
		CHECK(item->count == (size_t) (item->shape[0] * item->shape[1]));
		CHECK(item->decays == (item->rank == 2));
		end = item->offset + item->count;
		parameters += item->count;
	}
	CHECK(plan.total >= end && plan.total % 16 == 0);
	CHECK(plan.parameters == parameters);
	CHECK(strcmp(plan.items[0].name, "embeddings.word_embeddings.weight") == 0);
	CHECK(strcmp(plan.items[22].name, "encoder.layer.1.attention.self.key.weight") == 0);
	CHECK(strcmp(plan.items[plan.count - 1].name, "classifier.bias") == 0);
	tcls_parameter_plan_destroy(&plan, &unit->host);
	CHECK(unit->live_blocks == 0);
}

static void
initialization_is_berts(UnitHost *unit)
{
	TclsConfig	config = small;
	TclsParameterPlan plan;
	float	   *block;
	float	   *again;
	double		squares = 0;

	config.vocab_size = 5000;
	CHECK_OK(tcls_parameter_plan_create(&plan, &config, &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&block, plan.total, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&again, plan.total, sizeof(float), &unit->host), &unit->host);
	tcls_weights_initialize(block, &plan, 0, 5);
	for (size_t i = 0; i < plan.items[0].count; i++)
		squares += (double) block[i] * block[i];
	CHECK_CLOSE(sqrt(squares / (double) plan.items[0].count), 0.02, 0.0005);
	CHECK(block[plan.items[3].offset] == 1 && block[plan.items[4].offset] == 0);
	tcls_weights_initialize(again, &plan, 3, 5);
	for (int32_t i = 0; i < plan.count; i++)
		for (size_t j = plan.items[i].offset; j < plan.items[i].offset + plan.items[i].count; j++)
			CHECK(again[j] == (plan.items[i].layer >= 3 ? block[j] : 0));
}

int
main(void)
{
	RUN(forward_equals_pytorch);
	RUN(gradients_equal_pytorch);
	RUN(every_gemm_path_gives_the_same);
	RUN(texts_do_not_depend_on_their_batch);
	RUN(frozen_layers_get_no_gradient);
	RUN(gradient_with_dropout_is_the_slope);
	RUN(dropout_follows_its_seed);
	RUN(every_place_has_its_own_mask);
	RUN(pieces_add_up);
	RUN(loss_of_logits_equals_pytorch);
	RUN(probabilities_follow_the_problem);
	RUN(training_memory_is_bounded);
	RUN(memory_bound_is_honest);
	RUN(cancel_is_seen_everywhere);
	RUN(large_products_are_split);
	RUN(out_of_memory_is_a_status);
	RUN(bad_arguments_are_named);
	RUN(config_names_its_culprit);
	RUN(plan_lays_parameters_out);
	RUN(initialization_is_berts);
	return unit_finish();
}
