/*
 * test_network.c
 *		Training steps and losses against PyTorch (test/data/gen_network.py), and what a
 *		step promises: frozen layers, bounds, cancel, failures.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "encoder/layer.h"
#include "encoder/linear.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "network_fixture.h"

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
	TclsTrainStep step = {.dropout = false};
	const float *wanted = c->gradients;
	double		loss;

	train(c, &loss, &step, unit);
	CHECK_CLOSE(loss, c->loss, 1e-5 * fabs(c->loss));
	for (int32_t i = 0; i < c->plan.count; i++)
	{
		const TclsParameter *item = &c->plan.items[i];

		/* The gradient of a key's bias is 0 but for rounding: softmax ignores what all keys share. */
		if (strstr(item->name, "key.bias") == NULL)
			network_check_tensor(c, item->name, c->computed.block + item->offset, wanted, item->count,
								 NETWORK_TOLERANCE);
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
			network_for_cases(NULL, check_gradients, unit);
		}
}

/* Each gemm path, the plain one last, gives the same network. */
static void
every_gemm_path_gives_the_same(UnitHost *unit)
{
	for (int path = tcls_gemm_path_count() - 1; path >= 0; path--)
	{
		tcls_gemm_select_path(path);
		network_for_cases("mean_single_wide", check_gradients, unit);
	}
}

/* Gradients from first_layer on are those of a full backward, below they stay zero. */
static void
check_frozen_layers(Case *c, UnitHost *unit)
{
	float	   *full;
	double		loss;

	CHECK_OK(tcls_alloc(&full, c->plan.total, sizeof(float), &unit->host), &unit->host);
	network_pack(c, tcls_packed_best(TCLS_FP32), unit);
	for (int32_t first = 0; first <= c->config.num_layers + 1; first++)
	{
		TclsTrainStep step = {.first_layer = first, .frozen = &c->inference};

		train(c, &loss, &step, unit);
		CHECK_CLOSE(loss, c->loss, 1e-5 * fabs(c->loss));
		if (first == 0)
			memcpy(full, c->computed.block, c->plan.total * sizeof(float));
		for (int32_t i = 0; i < c->plan.count; i++)
		{
			const TclsParameter *item = &c->plan.items[i];
			const float *gradient = c->computed.block + item->offset;

			if (item->layer >= first && strstr(item->name, "key.bias") == NULL)
				network_check_tensor(c, item->name, gradient, full + item->offset, item->count, 1e-5);
			for (size_t j = 0; item->layer < first && j < item->count; j++)
				CHECK(gradient[j] == 0);
		}
	}
}

static void
frozen_layers_get_no_gradient(UnitHost *unit)
{
	network_for_cases(NULL, check_frozen_layers, unit);
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
	TclsTrainStep step = {.dropout_seed = 42, .dropout = true};
	TclsTrainStep plain = {.dropout_seed = 42};
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
	network_for_cases(NULL, check_dropout_slope, unit);
}

/* The same seed gives the same loss to the bit, another seed another loss. */
static void
check_dropout_seed(Case *c, UnitHost *unit)
{
	TclsTrainStep step = {.dropout_seed = 42, .dropout = true};
	TclsTrainStep other = {.dropout_seed = 43, .dropout = true};
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
	network_for_cases(NULL, check_dropout_seed, unit);
}

static void
every_place_has_its_own_mask(UnitHost *unit)
{
	TclsTrainStep step = {.dropout_seed = 42, .dropout = true};
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
	TclsTrainStep step = {.dropout = false};
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
	network_check_tensor(c, "sum of pieces", c->computed.block, full, c->plan.total, 1e-5);
}

static void
pieces_add_up(UnitHost *unit)
{
	network_for_cases(NULL, check_pieces, unit);
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
	network_for_cases(NULL, check_loss_alone, unit);
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
	TclsTrainStep step = {.dropout_seed = 1, .dropout = true};
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
	network_for_cases(NULL, check_memory_bound, unit);
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
	TclsTrainStep step = {.dropout_seed = 1, .dropout = true};
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
	TclsTrainStep step = {.dropout = true};
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
	network_for_cases("bert_single", check_cancel, unit);
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
		x[i] = network_parameter_value(i);
	for (size_t i = 0; i < OUT * IN; i++)
		weight[i] = network_parameter_value(i + 77);
	unit->polls = 0;
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
	TclsTrainStep step = {.dropout = false};
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
	}
	unit->fail_at = 0;
	CHECK(failures >= 1);
}

static void
out_of_memory_is_a_status(UnitHost *unit)
{
	network_for_cases("bert_single", check_out_of_memory, unit);
}

static void
check_bad_arguments(Case *c, UnitHost *unit)
{
	int32_t		ids[4] = {1, 2, 3, 4};
	int32_t		starts[3] = {0, 2, 4};
	int32_t		labels[2] = {0, 3};
	TclsSequences bad = {ids, starts, 2};
	TclsTargets targets = {labels, NULL, NULL, 0};
	TclsTrainStep step = {.dropout = false};
	float		logits[64];
	double		loss;

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
	network_for_cases("bert_single", check_bad_arguments, unit);
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
	RUN(gradients_equal_pytorch);
	RUN(every_gemm_path_gives_the_same);
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
