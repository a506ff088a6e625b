/*
 * test_trainer.c
 *		Training: losses of PyTorch, resume to equal bytes, early stop, best weights, failures.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "train/compare.h"
#include "train/trainer.h"
#include "unit.h"

#define FIXTURE "../data/trainer.txt"
#define MAX_TOKENS 12
#define MAX_OUTPUTS 4

static const TclsTrainEvents no_events = {0};

/* ---- a small model ---- */

static void
model_create(TclsModel *model, const TclsConfig *config, int32_t num_labels, TclsHost *host)
{
	float	   *block;

	memset(model, 0, sizeof(*model));
	model->config.numbers = *config;
	model->config.num_labels = num_labels;
	model->config.max_length = config->max_positions;
	CHECK_OK(tcls_parameter_plan_create(&model->plan, config, host), host);
	CHECK_OK(tcls_alloc_zero(&block, model->plan.total, sizeof(float), host), host);
	CHECK_OK(tcls_weights_bind(&model->weights, config, &model->plan, block, host), host);
	tcls_weights_initialize(block, &model->plan, 0, 1);
}

static void
model_destroy(TclsModel *model, TclsHost *host)
{
	tcls_free(model->weights.block, host);
	tcls_free(model->weights.layers, host);
	tcls_parameter_plan_destroy(&model->plan, host);
}

static TclsConfig
small_config(void)
{
	return (TclsConfig) {
		.vocab_size = 40, .hidden_size = 16, .num_layers = 2, .num_heads = 2, .intermediate_size = 32,
		.max_positions = MAX_TOKENS, .type_vocab_size = 2, .layer_norm_eps = 1e-12f,
		.hidden_dropout = 0.1f, .attention_dropout = 0.1f, .classifier_dropout = 0.1f,
		.hidden_act = TCLS_GELU, .pooling = TCLS_POOL_MEAN, .head = TCLS_HEAD_LINEAR,
		.problem = TCLS_SINGLE_LABEL, .num_outputs = 3
	};
}

/* ---- sources ---- */

typedef struct StoredExample
{
	int32_t		n_tokens;
	int32_t		ids[MAX_TOKENS];
	int32_t		label;
	float		multi[MAX_OUTPUTS];
} StoredExample;

typedef struct ListSource
{
	StoredExample items[64];
	int			count;
	int			next;
	bool		multi;
} ListSource;

/* The examples in the order of the list, whichever is asked for: the fixture decides the batches. */
static TclsStatus
read_in_list_order(void *context, int64_t index, TclsExample *example)
{
	ListSource *list = context;
	StoredExample *item = &list->items[list->next++ % list->count];

	(void) index;
	*example = (TclsExample) {.ids = item->ids, .n_tokens = item->n_tokens, .label = item->label,
		.multi = list->multi ? item->multi : NULL};
	return TCLS_OK;
}

/* An endless, learnable problem: the label is how often the tokens 7 and 8 occur, up to classes - 1. */
typedef struct MadeSource
{
	uint64_t	key;
	int32_t		ids[MAX_TOKENS];
	float		multi[MAX_OUTPUTS];
	int32_t		classes;
	bool		multi_label;
	int64_t		bad_label_at;	/* -1: none */
} MadeSource;

static TclsStatus
made_read(void *context, int64_t index, TclsExample *example)
{
	MadeSource *made = context;
	TclsRng		rng = {tcls_rng_mix(made->key + 1, (uint64_t) index)};
	int32_t		label = 0;

	example->n_tokens = 1 + (int32_t) (tcls_rng_mix(made->key, (uint64_t) index) % MAX_TOKENS);
	for (int32_t t = 0; t < example->n_tokens; t++)
	{
		bool		counts = tcls_rng_next(&rng) % 4 == 0;

		made->ids[t] = (int32_t) (counts ? 7 + tcls_rng_next(&rng) % 2 : tcls_rng_next(&rng) % 40);
		label += made->ids[t] == 7 || made->ids[t] == 8;
	}
	label = label < made->classes ? label : made->classes - 1;
	memset(made->multi, 0, sizeof(made->multi));
	made->multi[label] = 1;
	example->ids = made->ids;
	example->label = index == made->bad_label_at ? 3 : label;
	example->multi = made->multi_label ? made->multi : NULL;
	return TCLS_OK;
}

static TclsExampleSource
made_source(MadeSource *made, uint64_t key, int64_t count)
{
	*made = (MadeSource) {.key = key, .classes = 3, .bad_label_at = -1};
	return (TclsExampleSource) {.count = count, .read = made_read, .context = made};
}

static TclsTrainOptions
small_options(void)
{
	TclsTrainOptions options = tcls_train_defaults;

	options.learning_rate = 5e-3;
	options.batch_size = 8;
	options.num_train_epochs = 4;
	options.max_batch_tokens = 30;
	return options;
}

/* ---- against PyTorch ---- */

typedef struct LossList
{
	double		values[64];
	int			count;
} LossList;

static TclsStatus
record_loss(void *context, const TclsTrainer *trainer, double loss, double learning_rate, int64_t tokens,
			const TclsEvaluation *evaluation)
{
	LossList   *list = context;

	(void) trainer;
	(void) evaluation;
	CHECK(tokens > 0 && learning_rate >= 0);
	list->values[list->count++ % 64] = loss;
	return TCLS_OK;
}

/* Weights by name; order (count) gets the plan's items in the file's order. */
static void
read_tensors(FILE *file, const TclsParameter **order, const TclsModel *model)
{
	int			count = 0;
	char		name[64];
	long		floats;

	CHECK(fscanf(file, " tensors %d", &count) == 1 && count == model->plan.count);
	for (int i = 0; i < count; i++)
	{
		const TclsParameter *found = NULL;

		CHECK(fscanf(file, "%63s %ld", name, &floats) == 2);
		for (int32_t p = 0; p < model->plan.count; p++)
			if (strcmp(model->plan.items[p].name, name) == 0)
				found = &model->plan.items[p];
		CHECK(found != NULL && found->count == (size_t) floats);
		order[i] = found;
		for (long f = 0; found != NULL && f < floats; f++)
			CHECK(fscanf(file, "%f", model->weights.block + found->offset + f) == 1);
	}
}

static void
read_examples(FILE *file, ListSource *list, bool multi, int outputs)
{
	memset(list, 0, sizeof(*list));
	list->multi = multi;
	CHECK(fscanf(file, " examples %d", &list->count) == 1 && list->count <= 64);
	for (int i = 0; i < list->count; i++)
	{
		StoredExample *item = &list->items[i];

		CHECK(fscanf(file, "%d", &item->n_tokens) == 1);
		for (int t = 0; t < item->n_tokens; t++)
			CHECK(fscanf(file, "%d", &item->ids[t]) == 1);
		if (!multi)
			CHECK(fscanf(file, "%d", &item->label) == 1);
		for (int k = 0; multi && k < outputs; k++)
			CHECK(fscanf(file, "%f", &item->multi[k]) == 1);
	}
}

static double
distance(const float *a, const float *b, size_t count)
{
	double		squares = 0;

	for (size_t i = 0; i < count; i++)
		squares += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sqrt(squares);
}

static TclsTrainOptions
fixture_options(const char *name)
{
	static const float class_weights[] = {0.5f, 2, 1.5f};
	TclsTrainOptions options = tcls_train_defaults;

	options.adam_epsilon = 1e-6;
	options.batch_size = 4;
	options.max_steps = 10;
	options.dropout = false;
	options.max_batch_tokens = 16;
	options.learning_rate = 1e-3;
	if (strcmp(name, "weighted") == 0)
	{
		options.head_learning_rate = 5e-3;
		options.weight_decay = 0.1;
		options.max_grad_norm = 0;
		options.lr_scheduler_type = TCLS_COSINE;
		options.warmup_ratio = 0.3;
		options.class_weights = class_weights;
		options.label_smoothing = 0.1f;
	}
	else if (strcmp(name, "multi") == 0)
	{
		options.learning_rate = 2e-3;
		options.weight_decay = 0;
		options.max_grad_norm = 0.5;
		options.lr_scheduler_type = TCLS_CONSTANT;
		options.warmup_ratio = 0.2;
	}
	return options;
}

static void
check_fixture_case(FILE *file, const char *name, TclsProblem problem, int outputs, TclsHost *host)
{
	TclsConfig	config = small_config();
	TclsTrainOptions options = fixture_options(name);
	LossList	losses = {.count = 0};
	TclsTrainEvents events = {.progress = record_loss, .context = &losses};
	ListSource	list;
	TclsExampleSource source = {.count = 40, .read = read_in_list_order, .context = &list};
	TclsModel	model;
	TclsTrainer *trainer;
	float	   *before;
	const TclsParameter *order[64];
	double		wanted = 0;

	config.pooling = TCLS_POOL_CLS;
	config.head = TCLS_HEAD_DENSE_TANH;
	config.problem = problem;
	config.num_outputs = outputs;
	model_create(&model, &config, outputs, host);
	read_tensors(file, order, &model);
	read_examples(file, &list, problem == TCLS_MULTI_LABEL, outputs);
	CHECK_OK(tcls_alloc(&before, model.plan.total, sizeof(float), host), host);
	memcpy(before, model.weights.block, model.plan.total * sizeof(float));
	CHECK_OK(tcls_trainer_create(&trainer, &model, &source, NULL, &options, &events, host), host);
	CHECK_OK(tcls_trainer_run(trainer), host);
	CHECK(fscanf(file, " losses %d", &losses.count) == 1 && losses.count == 10);
	for (int i = 0; i < 10; i++)
	{
		CHECK(fscanf(file, "%lf", &wanted) == 1);
		CHECK_CLOSE(losses.values[i], wanted, 2e-5);
	}
	CHECK(fscanf(file, " changes") == 0);
	for (int i = 0; i < model.plan.count; i++)
	{
		double		change = distance(before + order[i]->offset, model.weights.block + order[i]->offset,
									  order[i]->count);

		CHECK(fscanf(file, "%lf", &wanted) == 1);
		if (!(fabs(change - wanted) <= 1e-4 * wanted + 1e-6))
			unit_fail(__FILE__, __LINE__, "%s: %s changed by %g, wanted %g", name, order[i]->name, change, wanted);
	}
	tcls_free(before, host);
	tcls_trainer_destroy(trainer);
	model_destroy(&model, host);
}

static void
ten_steps_equal_pytorch(UnitHost *unit)
{
	FILE	   *file = fopen(FIXTURE, "r");
	char		name[32];
	int			problem;
	int			outputs;
	int			cases = 0;

	CHECK(file != NULL);
	for (; file != NULL && fscanf(file, " case %31s %d %d", name, &problem, &outputs) == 3; cases++)
		check_fixture_case(file, name, problem == 2 ? TCLS_MULTI_LABEL : TCLS_SINGLE_LABEL, outputs, &unit->host);
	CHECK(cases == 3);
	CHECK(unit->live_blocks == 0);
	if (file != NULL)
		fclose(file);
}

/* ---- runs on the made problem ---- */

/* What a checkpoint holds. */
typedef struct Saved
{
	int64_t		at_step;		/* taken there */
	TclsTrainState state;
	float	   *weights;
	float	   *moment1;
	float	   *moment2;
	float	   *best;
	int64_t    *row_steps;
	int			best_calls;
	bool		stop;			/* end the run with TCLS_IO once saved */
} Saved;

static float *
copy_block(const float *block, const TclsTrainer *trainer)
{
	float	   *copy;

	CHECK_OK(tcls_alloc(&copy, trainer->model->plan.total, sizeof(float), trainer->host), trainer->host);
	memcpy(copy, block, trainer->model->plan.total * sizeof(float));
	return copy;
}

static TclsStatus
take(void *context, const TclsTrainer *trainer, bool is_best)
{
	Saved	   *saved = context;

	saved->best_calls += is_best;
	if (trainer->state.step != saved->at_step)
		return TCLS_OK;
	saved->state = trainer->state;
	saved->weights = copy_block(trainer->model->weights.block, trainer);
	saved->moment1 = copy_block(trainer->moment1, trainer);
	saved->moment2 = copy_block(trainer->moment2, trainer);
	saved->best = copy_block(trainer->best, trainer);
	if (trainer->lazy.rows > 0)
	{
		size_t		rows = (size_t) trainer->lazy.rows;

		CHECK_OK(tcls_alloc(&saved->row_steps, rows, sizeof(int64_t), trainer->host), trainer->host);
		memcpy(saved->row_steps, trainer->lazy.steps, rows * sizeof(int64_t));
	}
	return saved->stop ? tcls_fail(trainer->host, TCLS_IO, "stopped by the test") : TCLS_OK;
}

static void
restore(TclsTrainer *trainer, const Saved *saved)
{
	size_t		size = trainer->model->plan.total * sizeof(float);

	trainer->state = saved->state;
	memcpy(trainer->model->weights.block, saved->weights, size);
	memcpy(trainer->moment1, saved->moment1, size);
	memcpy(trainer->moment2, saved->moment2, size);
	memcpy(trainer->best, saved->best, size);
	if (saved->row_steps != NULL)
		memcpy(trainer->lazy.steps, saved->row_steps, (size_t) trainer->lazy.rows * sizeof(int64_t));
}

/* A tokenizer whose tokens can be written in pieces: "a", "aa", ..., and the same as continuations. */
static void
open_tokenizer(TclsModel *model, TclsHost *host)
{
	char		vocabulary[2000] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";

	for (int i = 0; i < 32; i++)
		snprintf(vocabulary + strlen(vocabulary), sizeof(vocabulary) - strlen(vocabulary), "%s%.*s\n",
				 i % 2 == 0 ? "" : "##", i / 2 + 1, "aaaaaaaaaaaaaaaa");
	CHECK_OK(tcls_tokenizer_from_vocabulary(&model->tokenizer, vocabulary, strlen(vocabulary),
											&tcls_tokenizer_uncased, host), host);
}

/* Train on the made problem; the final weights are a copy.  saved and from may be NULL. */
static float *
train_made(TclsTrainState *state, const TclsTrainOptions *options, Saved *saved, const Saved *from, TclsStatus wanted,
		   TclsHost *host)
{
	TclsConfig	config = small_config();
	TclsTrainEvents events = {.save = saved == NULL ? NULL : take, .context = saved};
	MadeSource	train;
	MadeSource	validation;
	TclsExampleSource train_source = made_source(&train, 10, 203);
	TclsExampleSource validation_source = made_source(&validation, 20, 61);
	TclsModel	model;
	TclsTrainer *trainer;
	float	   *weights;

	model_create(&model, &config, 3, host);
	open_tokenizer(&model, host);
	CHECK_OK(tcls_trainer_create(&trainer, &model, &train_source, &validation_source, options, &events, host), host);
	if (from != NULL)
		restore(trainer, from);
	CHECK_STATUS(tcls_trainer_run(trainer), wanted, host);
	*state = trainer->state;
	weights = copy_block(model.weights.block, trainer);
	tcls_trainer_destroy(trainer);
	model_destroy(&model, host);
	return weights;
}

static size_t
block_size(TclsHost *host)
{
	TclsConfig	config = small_config();
	TclsParameterPlan plan;
	size_t		total;

	CHECK_OK(tcls_parameter_plan_create(&plan, &config, host), host);
	total = plan.total;
	tcls_parameter_plan_destroy(&plan, host);
	return total * sizeof(float);
}

static void
it_learns(UnitHost *unit)
{
	TclsTrainOptions options = small_options();
	TclsTrainState state;

	options.num_train_epochs = 15;
	train_made(&state, &options, NULL, NULL, TCLS_OK, &unit->host);
	CHECK(state.finished && state.step == 15 * 26 && state.epoch == 15 && state.position == 0);
	CHECK(state.best.accuracy > 0.9 && state.best.macro_f1 > 0.85 && state.best.rows == 61);
}

static void
same_seed_same_bytes(UnitHost *unit)
{
	TclsTrainOptions options = small_options();
	TclsTrainState state;
	size_t		size = block_size(&unit->host);
	float	   *first = train_made(&state, &options, NULL, NULL, TCLS_OK, &unit->host);
	float	   *second = train_made(&state, &options, NULL, NULL, TCLS_OK, &unit->host);
	float	   *third;

	options.seed++;
	third = train_made(&state, &options, NULL, NULL, TCLS_OK, &unit->host);
	CHECK(memcmp(first, second, size) == 0);
	CHECK(memcmp(first, third, size) != 0);
}

/* Stopped at several steps and gone on with in a new trainer: the bytes of an uninterrupted run. */
static void
resume_gives_the_same_bytes(UnitHost *unit)
{
	static const int64_t steps[] = {1, 2, 3, 25, 26, 27, 51, 60, 104};
	TclsTrainOptions options = small_options();
	TclsTrainState whole_state;
	size_t		size = block_size(&unit->host);
	float	   *whole;

	options.token_dropout = 0.2;
	options.subword_dropout = 0.3;
	whole = train_made(&whole_state, &options, NULL, NULL, TCLS_OK, &unit->host);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
	{
		Saved		saved = {.at_step = steps[i], .stop = true};
		TclsTrainState state;
		float	   *resumed;

		train_made(&state, &options, &saved, NULL, TCLS_IO, &unit->host);
		resumed = train_made(&state, &options, NULL, &saved, TCLS_OK, &unit->host);
		CHECK(memcmp(whole, resumed, size) == 0);
		CHECK(memcmp(&whole_state, &state, sizeof(state)) == 0);
	}
}

/* Pieces are a matter of memory, not of the result: they differ by rounding alone. */
static void
pieces_do_not_change_the_step(UnitHost *unit)
{
	static const float class_weights[] = {0.2f, 1, 3};
	TclsTrainOptions options = small_options();
	TclsTrainState state;
	size_t		floats = block_size(&unit->host) / sizeof(float);
	float	   *one;
	float	   *many;

	options.dropout = false;
	options.class_weights = class_weights;
	options.max_steps = 3;
	options.adam_epsilon = 1e-4;
	options.max_batch_tokens = 1;
	many = train_made(&state, &options, NULL, NULL, TCLS_OK, &unit->host);
	options.max_batch_tokens = 10000;
	one = train_made(&state, &options, NULL, NULL, TCLS_OK, &unit->host);
	CHECK_CLOSE(distance(one, many, floats), 0, 1e-4);
}

/* From beta1 = beta2 on no row lags behind; just below it rows do, and the weights are nearly the same. */
static void
lagging_rows_are_a_matter_of_speed(UnitHost *unit)
{
	TclsTrainOptions options = small_options();
	size_t		floats = block_size(&unit->host) / sizeof(float);
	Saved		saved[2] = {{.at_step = 20}, {.at_step = 20}};
	float	   *weights[2];

	options.dropout = false;
	options.adam_epsilon = 1e-4;
	options.beta1 = 0.9;
	options.max_steps = 20;
	for (int i = 0; i < 2; i++)
	{
		TclsTrainState state;

		options.beta2 = i == 0 ? 0.9 : 0.9 + 1e-9;
		weights[i] = train_made(&state, &options, &saved[i], NULL, TCLS_OK, &unit->host);
	}
	CHECK(saved[0].row_steps == NULL && saved[1].row_steps != NULL);
	CHECK_CLOSE(distance(weights[0], weights[1], floats), 0, 1e-4);
}

static void
the_best_weights_are_the_result(UnitHost *unit)
{
	static const TclsMetric metrics[] = {TCLS_METRIC_LOSS, TCLS_METRIC_ACCURACY, TCLS_METRIC_MACRO_F1};

	for (int i = 0; i < 3; i++)
	{
		TclsTrainOptions options = small_options();
		Saved		saved = {.at_step = -1};
		Saved		at_best = {.at_step = 0};
		TclsTrainState state;
		TclsTrainState again;
		float	   *final;

		options.metric_for_best_model = metrics[i];
		options.learning_rate = 0.05;	/* too high, so that the last is not the best */
		options.lr_scheduler_type = TCLS_CONSTANT;
		options.eval_every = 0.5;
		final = train_made(&state, &options, &saved, NULL, TCLS_OK, &unit->host);
		CHECK(state.best_step > 0 && saved.best_calls >= 1);
		at_best.at_step = state.best_step;
		train_made(&again, &options, &at_best, NULL, TCLS_OK, &unit->host);
		CHECK(memcmp(final, at_best.weights, block_size(&unit->host)) == 0);
		CHECK(metrics[i] != TCLS_METRIC_LOSS || state.best.loss <= state.last.loss);
		CHECK(metrics[i] != TCLS_METRIC_ACCURACY || state.best.accuracy >= state.last.accuracy);
		CHECK(metrics[i] != TCLS_METRIC_MACRO_F1 || state.best.macro_f1 >= state.last.macro_f1);
	}
}

static void
training_stops_early(UnitHost *unit)
{
	TclsTrainOptions options = small_options();
	TclsTrainState state;

	options.num_train_epochs = 50;
	options.learning_rate = 0.3;
	options.early_stopping_patience = 2;
	train_made(&state, &options, NULL, NULL, TCLS_OK, &unit->host);
	CHECK(state.finished && state.step < state.total_steps);
	CHECK(state.evaluations_without_gain == 2);
	CHECK(state.step == state.best_step + 2 * 26);
}

static TclsStatus
count_evaluations(void *context, const TclsTrainer *trainer, double loss, double learning_rate, int64_t tokens,
				  const TclsEvaluation *evaluation)
{
	int		   *count = context;

	(void) trainer;
	(void) loss;
	(void) learning_rate;
	(void) tokens;
	*count += evaluation != NULL;
	return TCLS_OK;
}

static void
steps_and_evaluations_are_counted(UnitHost *unit)
{
	static const struct
	{
		double		epochs;
		int64_t		max_steps;
		double		eval_every;
		int64_t		steps;
		int			evaluations;
	}			cases[] = {
		{0, 0, 1, 780, 30}, {2, 0, 1, 52, 2}, {1.5, 0, 1, 39, 2},
		{0.01, 0, 1, 1, 1}, {3, 5, 1, 5, 1}, {1, 0, 0.25, 26, 4},
		{1, 0, 0.001, 26, 26}, {2, 0, 7, 52, 1}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		TclsConfig	config = small_config();
		TclsTrainOptions options = small_options();
		int			evaluations = 0;
		TclsTrainEvents events = {.progress = count_evaluations, .context = &evaluations};
		MadeSource	train;
		TclsExampleSource source = made_source(&train, 10, 203);
		TclsModel	model;
		TclsTrainer *trainer;

		options.num_train_epochs = cases[i].epochs;
		options.max_steps = cases[i].max_steps;
		options.eval_every = cases[i].eval_every;
		model_create(&model, &config, 3, &unit->host);
		CHECK_OK(tcls_trainer_create(&trainer, &model, &source, &source, &options, &events, &unit->host), &unit->host);
		CHECK_OK(tcls_trainer_run(trainer), &unit->host);
		CHECK(trainer->state.step == cases[i].steps && trainer->state.total_steps == cases[i].steps);
		CHECK(evaluations == cases[i].evaluations);
		tcls_trainer_destroy(trainer);
		model_destroy(&model, &unit->host);
	}
	CHECK(unit->live_blocks == 0);
}

/*
 * fp32 compared with itself is equal and as right as the evaluation says; int8 nearly so.  Single and multi-label.
 */
static void
precisions_are_compared(UnitHost *unit)
{
	for (int multi = 0; multi < 2; multi++)
	{
		TclsConfig	config = small_config();
		TclsTrainOptions options = small_options();
		TclsTrainEvents events = {.context = NULL};
		MadeSource	made;
		TclsExampleSource source = made_source(&made, 10, 203);
		TclsModel	model;
		TclsTrainer *trainer;
		TclsEvaluation evaluation;
		TclsComparison comparison;

		made.multi_label = multi;
		config.problem = multi ? TCLS_MULTI_LABEL : TCLS_SINGLE_LABEL;
		model_create(&model, &config, 3, &unit->host);
		CHECK_OK(tcls_trainer_create(&trainer, &model, &source, NULL, &options, &events, &unit->host), &unit->host);
		CHECK_OK(tcls_trainer_run(trainer), &unit->host);
		CHECK_OK(tcls_trainer_evaluate(&evaluation, trainer, &source), &unit->host);
		CHECK_OK(tcls_trainer_compare(&comparison, trainer, &source, tcls_packed_best(TCLS_FP32)), &unit->host);
		CHECK(comparison.rows == 203 && comparison.equal == 203 && comparison.kernel_right == comparison.right);
		CHECK_CLOSE((double) comparison.right / 203, evaluation.accuracy, 1e-9);
		CHECK_OK(tcls_trainer_compare(&comparison, trainer, &source, tcls_packed_best(TCLS_INT8)), &unit->host);
		CHECK(comparison.rows == 203 && comparison.equal >= 190 && comparison.right > 100);
		CHECK(llabs(comparison.kernel_right - comparison.right) <= 203 - comparison.equal);
		tcls_trainer_destroy(trainer);
		model_destroy(&model, &unit->host);
	}
	CHECK(unit->live_blocks == 0);
}

static void
few_examples_get_more_epochs(UnitHost *unit)
{
	(void) unit;
	CHECK(tcls_train_epochs(1) == 30);
	CHECK(tcls_train_epochs(1000) == 23);
	CHECK(tcls_train_epochs(8000) == 8);
	CHECK(tcls_train_epochs(30000) == 4);
	CHECK(tcls_train_epochs(10000000) == 3);
}

static void
head_only_leaves_the_encoder(UnitHost *unit)
{
	TclsConfig	config = small_config();
	TclsTrainOptions options = small_options();
	MadeSource	train;
	TclsExampleSource source = made_source(&train, 10, 203);
	TclsModel	model;
	TclsTrainer *trainer;
	float	   *before;

	options.head_only = true;
	options.max_steps = 5;
	model_create(&model, &config, 3, &unit->host);
	CHECK_OK(tcls_trainer_create(&trainer, &model, &source, NULL, &options, &no_events, &unit->host), &unit->host);
	before = copy_block(model.weights.block, trainer);
	CHECK_OK(tcls_trainer_run(trainer), &unit->host);
	for (int32_t i = 0; i < model.plan.count; i++)
	{
		const TclsParameter *item = &model.plan.items[i];
		bool		same = memcmp(before + item->offset, model.weights.block + item->offset,
								  item->count * sizeof(float)) == 0;

		CHECK(same == (item->layer <= config.num_layers));
	}
	tcls_trainer_destroy(trainer);
}

/* Multi-label and binary problems run through training and evaluation as well. */
static void
other_problems_learn(UnitHost *unit)
{
	for (int binary = 0; binary < 2; binary++)
	{
		TclsConfig	config = small_config();
		TclsTrainOptions options = small_options();
		MadeSource	train;
		MadeSource	validation;
		TclsExampleSource source = made_source(&train, 10, 203);
		TclsExampleSource validation_source = made_source(&validation, 20, 61);
		TclsModel	model;
		TclsTrainer *trainer;

		options.num_train_epochs = 15;
		config.problem = binary ? TCLS_BINARY : TCLS_MULTI_LABEL;
		config.num_outputs = binary ? 1 : 3;
		train.multi_label = validation.multi_label = !binary;
		model_create(&model, &config, 3, &unit->host);
		if (binary)
			model.config.num_labels = train.classes = validation.classes = 2;
		CHECK_OK(tcls_trainer_create(&trainer, &model, &source, &validation_source, &options, &no_events,
									 &unit->host), &unit->host);
		CHECK_OK(tcls_trainer_run(trainer), &unit->host);
		CHECK(trainer->state.best.accuracy > 0.8);
		tcls_trainer_destroy(trainer);
		model_destroy(&model, &unit->host);
	}
}

static void
divergence_is_noticed(UnitHost *unit)
{
	TclsTrainOptions options = small_options();
	TclsTrainState state;

	options.learning_rate = 1e9;
	train_made(&state, &options, NULL, NULL, TCLS_DIVERGED, &unit->host);
	CHECK(strstr(unit->host.detail, "diverged at step ") != NULL);
	CHECK(strstr(unit->host.detail, "learning_rate") != NULL);
	CHECK(state.step > 0 && state.step < 30);
}

/* A weight that is not finite, put in by hand, is seen at the next step. */
static void
poisoned_weights_are_noticed(UnitHost *unit)
{
	TclsConfig	config = small_config();
	TclsTrainOptions options = small_options();
	MadeSource	train;
	TclsExampleSource source = made_source(&train, 10, 203);
	TclsModel	model;
	TclsTrainer *trainer;

	model_create(&model, &config, 3, &unit->host);
	CHECK_OK(tcls_trainer_create(&trainer, &model, &source, NULL, &options, &no_events, &unit->host), &unit->host);
	model.weights.layers[1].up_weight[5] = NAN;
	CHECK_STATUS(tcls_trainer_run(trainer), TCLS_DIVERGED, &unit->host);
	CHECK(strstr(unit->host.detail, "at step 1:") != NULL);
	tcls_trainer_destroy(trainer);
}

static void
bad_input_is_refused(UnitHost *unit)
{
	TclsConfig	config = small_config();
	TclsTrainOptions options = small_options();
	MadeSource	train;
	TclsExampleSource source = made_source(&train, 10, 203);
	TclsExampleSource none = made_source(&train, 10, 0);
	TclsModel	model;
	TclsTrainer *trainer;

	model_create(&model, &config, 3, &unit->host);
	CHECK_STATUS(tcls_trainer_create(&trainer, &model, &none, NULL, &options, &no_events, &unit->host),
				 TCLS_BAD_ARGUMENT, &unit->host);
	options.weight_decay = -1;
	CHECK_STATUS(tcls_trainer_create(&trainer, &model, &source, NULL, &options, &no_events, &unit->host),
				 TCLS_BAD_ARGUMENT, &unit->host);
	CHECK(strstr(unit->host.detail, "weight_decay is -1") != NULL);
	options = small_options();
	options.num_train_epochs = NAN;
	CHECK_STATUS(tcls_trainer_create(&trainer, &model, &source, NULL, &options, &no_events, &unit->host),
				 TCLS_BAD_ARGUMENT, &unit->host);
	options = small_options();
	train.bad_label_at = 100;
	CHECK_OK(tcls_trainer_create(&trainer, &model, &source, NULL, &options, &no_events, &unit->host), &unit->host);
	CHECK_STATUS(tcls_trainer_run(trainer), TCLS_BAD_ARGUMENT, &unit->host);
	CHECK(strstr(unit->host.detail, "example 100") != NULL);
}

static void
cancel_is_seen(UnitHost *unit)
{
	TclsTrainOptions options = small_options();
	TclsTrainState state;

	for (size_t n = 1; n < 400; n += 37)
	{
		unit->polls = 0;
		unit->cancel_at = n;
		train_made(&state, &options, NULL, NULL, TCLS_CANCELLED, &unit->host);
	}
}

/* Every allocation of a short run fails once; none is used. */
static void
out_of_memory_is_a_status(UnitHost *unit)
{
	TclsConfig	config = small_config();
	TclsTrainOptions options = small_options();
	TclsStatus	status = TCLS_OUT_OF_MEMORY;
	size_t		n;

	options.max_steps = 2;
	for (n = 1; status == TCLS_OUT_OF_MEMORY && n < 500; n++)
	{
		MadeSource	train;
		TclsExampleSource source = made_source(&train, 10, 203);
		TclsModel	model;
		TclsTrainer *trainer;

		unit_host_reset(unit);
		unit->fail_at = 0;
		model_create(&model, &config, 3, &unit->host);
		unit->fail_at = unit->allocations + n;
		status = tcls_trainer_create(&trainer, &model, &source, &source, &options, &no_events, &unit->host);
		if (status == TCLS_OK)
			status = tcls_trainer_run(trainer);
	}
	CHECK(status == TCLS_OK && n > 12);
}

int
main(void)
{
	RUN(ten_steps_equal_pytorch);
	RUN(it_learns);
	RUN(same_seed_same_bytes);
	RUN(resume_gives_the_same_bytes);
	RUN(lagging_rows_are_a_matter_of_speed);
	RUN(pieces_do_not_change_the_step);
	RUN(the_best_weights_are_the_result);
	RUN(training_stops_early);
	RUN(steps_and_evaluations_are_counted);
	RUN(precisions_are_compared);
	RUN(few_examples_get_more_epochs);
	RUN(head_only_leaves_the_encoder);
	RUN(other_problems_learn);
	RUN(divergence_is_noticed);
	RUN(poisoned_weights_are_noticed);
	RUN(bad_input_is_refused);
	RUN(cancel_is_seen);
	RUN(out_of_memory_is_a_status);
	return unit_finish();
}
