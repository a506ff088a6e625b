/*
 * trainer.c
 *		Steps, evaluations, early stop, best weights.
 *
 *		run:	step ... step -> evaluate -> best? -> progress -> save -> step ...
 *		step:	batcher -> batch -> its rows of the embedding -> pieces (forward, backward) -> norm -> AdamW
 *
 * With an exchange a rank keeps its texts of the batch only, and adds gradients, moves
 * weights and copies blocks in its slice (exchange.h).
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "train/gradient_clip.h"
#include "train/trainer.h"
#include "base/pure_c.h"

#define MAX_TOTAL_STEPS 1e15	/* counted exactly by a double */
#define COPY_FLOATS ((size_t) 1 << 22)

/* Own streams of randomness below one seed. */
#define ORDER_STREAM 1
#define DROPOUT_STREAM 2
#define NOISE_STREAM 3

static TclsStatus
check_inputs(const TclsModel *model, const TclsExampleSource *train, const TclsTrainOptions *options, TclsHost *host)
{
	TCLS_TRY(tcls_train_options_check(options, model->config.num_labels, host));
	if (model->config.numbers.num_outputs < 1)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "a model without a classification head cannot be trained");
	if (train->count < 1)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "there are no training examples");
	return TCLS_OK;
}

static TclsStatus
share_blocks(TclsTrainer *trainer)
{
	const TclsExchange *exchange = trainer->events.exchange;
	const TclsModel *model = trainer->model;
	size_t		total = model->plan.total;

	if (model->weights.block != tcls_exchange_block(exchange, TCLS_SHARED_WEIGHTS, total))
		return tcls_fail(trainer->host, TCLS_INTERNAL, "the weights to train are not those of the exchange");
	trainer->gradient = tcls_exchange_block(exchange, TCLS_SHARED_GRADIENTS + exchange->rank, total);
	trainer->moment1 = tcls_exchange_block(exchange, TCLS_SHARED_MOMENT1, total);
	trainer->moment2 = tcls_exchange_block(exchange, TCLS_SHARED_MOMENT2, total);
	trainer->best = tcls_exchange_block(exchange, TCLS_SHARED_BEST, total);
	return tcls_weights_bind(&trainer->gradients, &model->config.numbers, &model->plan, trainer->gradient,
							 trainer->host);
}

static TclsStatus
allocate_blocks(TclsTrainer *trainer)
{
	const TclsModel *model = trainer->model;
	size_t		total = model->plan.total;

	if (trainer->events.exchange != NULL)
		return share_blocks(trainer);
	TCLS_TRY(tcls_alloc_zero(&trainer->gradient, total, sizeof(float), trainer->host));
	TCLS_TRY(tcls_alloc_zero(&trainer->moment1, total, sizeof(float), trainer->host));
	TCLS_TRY(tcls_alloc_zero(&trainer->moment2, total, sizeof(float), trainer->host));
	TCLS_TRY(tcls_alloc_zero(&trainer->best, total, sizeof(float), trainer->host));
	return tcls_weights_bind(&trainer->gradients, &model->config.numbers, &model->plan, trainer->gradient,
							 trainer->host);
}

static TclsStatus
bind_inference(TclsTrainer *trainer)
{
	const TclsConfig *config = &trainer->model->config.numbers;
	const TclsPackedKernel *kernel = tcls_packed_best(TCLS_FP32);

	TCLS_TRY(tcls_alloc(&trainer->packed, 1, tcls_inference_size(config, kernel), trainer->host));
	return tcls_inference_bind(&trainer->inference, trainer->packed, config, kernel, trainer->host);
}

static TclsStatus
count_steps(int64_t *total, const TclsTrainer *trainer)
{
	double		epochs = trainer->options.num_train_epochs;
	double		steps;

	if (epochs == 0)
		epochs = tcls_train_epochs(trainer->train->count);
	steps = ceil(epochs * (double) tcls_batcher_count(&trainer->batcher));
	if (trainer->options.max_steps > 0)
		steps = (double) trainer->options.max_steps;
	if (steps > MAX_TOTAL_STEPS)
		return tcls_fail(trainer->host, TCLS_TOO_LARGE, "num_train_epochs gives more than %g steps", MAX_TOTAL_STEPS);
	*total = (int64_t) steps;
	return TCLS_OK;
}

static TclsLearningRate
rate_of(const TclsTrainer *trainer, double peak)
{
	int64_t		steps = trainer->state.total_steps;

	return (TclsLearningRate) {
		.schedule = trainer->options.lr_scheduler_type,
		.warmup_steps = tcls_schedule_warmup_steps(steps, trainer->options.warmup_ratio),
		.total_steps = steps,
		.peak = peak
	};
}

/* The word embedding's rows are updated as they are needed, unless they are frozen. */
static TclsStatus
create_lazy_rows(TclsTrainer *trainer)
{
	const TclsExchange *exchange = trainer->events.exchange;

	if (trainer->options.head_only || !tcls_adamw_may_miss(&trainer->optimizer.adamw))
		return TCLS_OK;
	TCLS_TRY(tcls_lazy_rows_create(&trainer->lazy, &trainer->model->plan.items[0], trainer->host));
	if (exchange != NULL)
	{
		trainer->lazy.rank = exchange->rank;
		trainer->lazy.ranks = exchange->count;
	}
	trainer->optimizer.lazy = &trainer->lazy;
	return TCLS_OK;
}

static TclsStatus
create_optimizer(TclsTrainer *trainer)
{
	const TclsTrainOptions *options = &trainer->options;
	const TclsParameterPlan *plan = &trainer->model->plan;
	int32_t		head_layer = trainer->model->config.numbers.num_layers + 1;
	int32_t		first_layer = options->head_only ? head_layer : 0;
	int32_t		trained = 0;

	trainer->optimizer = (TclsOptimizer) {
		.plan = plan,
		.weights = trainer->model->weights.block,
		.gradient = trainer->gradient,
		.moment1 = trainer->moment1,
		.moment2 = trainer->moment2,
		.adamw = {.beta1 = options->beta1, .beta2 = options->beta2, .epsilon = options->adam_epsilon},
		.rate = rate_of(trainer, options->learning_rate),
		.head_rate = rate_of(trainer, trainer->options.head_learning_rate),
		.weight_decay = options->weight_decay,
		.first_layer = first_layer,
		.head_layer = head_layer,
		.end = plan->total,
		.host = trainer->host
	};
	TCLS_TRY(create_lazy_rows(trainer));
	while (plan->items[trained].layer < first_layer || (trained == 0 && trainer->optimizer.lazy != NULL))
		trained++;
	trainer->optimizer.first = plan->items[trained].offset;
	if (trainer->events.exchange != NULL)
		tcls_exchange_slice(&trainer->optimizer.first, &trainer->optimizer.end, trainer->events.exchange,
							plan->items[trained].offset, plan->total);
	return TCLS_OK;
}

TclsStatus
tcls_trainer_create(TclsTrainer **out, TclsModel *model, const TclsExampleSource *train,
					const TclsExampleSource *validation, const TclsTrainOptions *options,
					const TclsTrainEvents *events, TclsHost *host)
{
	TclsTrainer *trainer;

	TCLS_TRY(check_inputs(model, train, options, host));
	TCLS_TRY(tcls_alloc_zero(&trainer, 1, sizeof(*trainer), host));
	trainer->model = model;
	trainer->train = train;
	trainer->validation = validation != NULL && validation->count > 0 ? validation : NULL;
	trainer->options = *options;
	trainer->events = *events;
	trainer->batcher = (TclsBatcher) {.examples = train->count, .batch_size = options->batch_size,
		.seed = tcls_rng_mix(options->seed, ORDER_STREAM)};
	trainer->host = host;
	if (options->head_learning_rate == 0)
		trainer->options.head_learning_rate = options->learning_rate;
	tcls_arena_init(&trainer->arena, host);
	TCLS_TRY(allocate_blocks(trainer));
	TCLS_TRY(bind_inference(trainer));
	TCLS_TRY(tcls_alloc(&trainer->indexes, (size_t) options->batch_size, sizeof(int64_t), host));
	TCLS_TRY(tcls_batch_create(&trainer->batch, options->batch_size, &model->config.numbers,
							   model->config.num_labels, host));
	if (options->subword_dropout > 0)
		TCLS_TRY(tcls_subwords_create(&trainer->subwords, &model->tokenizer, host));
	TCLS_TRY(count_steps(&trainer->state.total_steps, trainer));
	TCLS_TRY(create_optimizer(trainer));
	*out = trainer;
	return TCLS_OK;
}

void
tcls_trainer_destroy(TclsTrainer *trainer)
{
	TclsHost   *host;

	if (trainer == NULL)
		return;
	host = trainer->host;
	tcls_free(trainer->gradients.layers, host);
	tcls_inference_free(&trainer->inference, host);
	tcls_free(trainer->packed, host);
	if (trainer->events.exchange == NULL)
	{
		tcls_free(trainer->gradient, host);
		tcls_free(trainer->moment1, host);
		tcls_free(trainer->moment2, host);
		tcls_free(trainer->best, host);
	}
	tcls_free(trainer->indexes, host);
	tcls_lazy_rows_destroy(&trainer->lazy, host);
	tcls_subwords_destroy(&trainer->subwords, host);
	tcls_batch_destroy(&trainer->batch, host);
	tcls_arena_free(&trainer->arena);
	tcls_free(trainer, host);
}

static TclsStatus
diverged(const TclsTrainer *trainer, const char *what)
{
	return tcls_fail(trainer->host, TCLS_DIVERGED,
					 "training diverged at step %lld: the %s is not finite; a lower learning_rate may help",
					 (long long) trainer->state.step + 1, what);
}

/* What the loss of the whole step is divided by; it depends on the targets alone. */
static TclsStatus
step_weight(double *weight, TclsTrainer *trainer, const TclsTargets *targets)
{
	const TclsConfig *config = &trainer->model->config.numbers;
	size_t		count = (size_t) trainer->batch.count * (size_t) config->num_outputs;
	double		loss;
	float	   *logits;

	TCLS_TRY(tcls_arena_alloc(&logits, count, sizeof(float), &trainer->arena));
	memset(logits, 0, count * sizeof(float));
	return tcls_network_loss(&loss, weight, logits, config, targets, trainer->batch.count, trainer->host);
}

static void
apply_target_options(TclsTargets *targets, const TclsTrainOptions *options)
{
	targets->class_weights = options->class_weights;
	targets->label_smoothing = options->label_smoothing;
}

/*
 * The batch becomes this rank's part of it.  A text costs what its matrix products and its
 * attention take: per token and layer 12 H^2 and 2 H multiplications a token of the text.
 */
static TclsStatus
keep_own_texts(TclsTrainer *trainer)
{
	const TclsExchange *exchange = trainer->events.exchange;
	TclsBatch  *batch = &trainer->batch;
	size_t		count = (size_t) batch->count;
	int64_t    *costs;
	int32_t    *owners;

	TCLS_TRY(tcls_arena_alloc(&costs, count, sizeof(int64_t), &trainer->arena));
	TCLS_TRY(tcls_arena_alloc(&owners, count, sizeof(int32_t), &trainer->arena));
	for (int32_t text = 0; text < batch->count; text++)
	{
		int64_t		tokens = batch->starts[text + 1] - batch->starts[text];

		costs[text] = tokens * (6 * trainer->model->config.numbers.hidden_size + tokens);
	}
	TCLS_TRY(tcls_exchange_deal(owners, costs, batch->count, exchange->count, trainer->host));
	tcls_batch_keep(batch, owners, exchange->rank);
	return TCLS_OK;
}

/* Forward and backward of this process's texts, piece by piece: *loss and the gradient of the step. */
static TclsStatus
accumulate_gradient(double *loss, TclsTrainer *trainer)
{
	const TclsTrainOptions *options = &trainer->options;
	TclsTargets all = tcls_batch_targets(&trainer->batch);
	uint64_t	key = tcls_rng_mix(tcls_rng_mix(options->seed, DROPOUT_STREAM), (uint64_t) trainer->state.step);
	TclsTrainStep step = {.dropout = options->dropout, .first_layer = trainer->optimizer.first_layer,
		.frozen = &trainer->inference};
	const TclsExchange *exchange = trainer->events.exchange;
	int64_t		masks = exchange != NULL ? (int64_t) exchange->rank * trainer->batch.capacity : 0;
	TclsPiece	piece;

	tcls_arena_reset(&trainer->arena);
	apply_target_options(&all, options);
	TCLS_TRY(step_weight(&step.normalizer, trainer, &all));
	if (exchange != NULL)
		TCLS_TRY(keep_own_texts(trainer));
	*loss = 0;
	for (int32_t first = 0; first < trainer->batch.count; first = piece.next)
	{
		double		piece_loss;

		TCLS_TRY(tcls_poll(trainer->host));
		tcls_arena_reset(&trainer->arena);
		piece = tcls_batch_piece(&trainer->batch, first, options->max_batch_tokens);
		apply_target_options(&piece.targets, options);
		step.dropout_seed = tcls_rng_mix(key, (uint64_t) (masks + first));
		TCLS_TRY(tcls_network_train(&piece_loss, NULL, &trainer->gradients, &trainer->model->weights,
									&trainer->model->config.numbers, &piece.sequences, &piece.targets, &step,
									&trainer->arena, trainer->host));
		*loss += piece_loss;
	}
	return TCLS_OK;
}

/* The loss of all ranks' texts, the sum of their gradients in this rank's slice, and the norm of all of it. */
static TclsStatus
combine(double *loss, double *norm, TclsTrainer *trainer)
{
	TclsExchange *exchange = trainer->events.exchange;
	const TclsOptimizer *optimizer = &trainer->optimizer;
	double		sums[2] = {*loss, 0};

	if (exchange != NULL)
	{
		TCLS_TRY(exchange->meet(exchange->context));
		TCLS_TRY(tcls_exchange_reduce(exchange, optimizer->plan->total, optimizer->first, optimizer->end,
									  trainer->host));
		if (optimizer->lazy != NULL)
			TCLS_TRY(tcls_exchange_reduce_rows(exchange, optimizer->plan->total, optimizer->lazy, trainer->host));
	}
	TCLS_TRY(tcls_optimizer_squares(&sums[1], optimizer));
	if (exchange != NULL)
		TCLS_TRY(tcls_exchange_sum(sums, 2, exchange));
	*loss = sums[0];
	*norm = sqrt(sums[1]);
	return TCLS_OK;
}

static TclsStatus
apply_gradient(double *loss, double *learning_rate, TclsTrainer *trainer)
{
	TclsExchange *exchange = trainer->events.exchange;
	const TclsTrainOptions *options = &trainer->options;
	const TclsOptimizer *optimizer = &trainer->optimizer;
	int64_t		done = trainer->state.step;
	double		norm;

	TCLS_TRY(combine(loss, &norm, trainer));
	if (!isfinite(*loss))
		return diverged(trainer, "loss");
	if (!isfinite(norm))
		return diverged(trainer, "gradient");
	*learning_rate = tcls_learning_rate(options->head_only ? &optimizer->head_rate : &optimizer->rate, done);
	TCLS_TRY(tcls_optimizer_step(optimizer, done + 1, tcls_gradient_clip_factor(norm, options->max_grad_norm)));
	return exchange != NULL ? exchange->meet(exchange->context) : TCLS_OK;
}

static void
advance(TclsTrainState *state, double loss, int64_t batches)
{
	state->loss_steps++;
	state->loss += (loss - state->loss) / (double) state->loss_steps;
	state->step++;
	state->position++;
	if (state->position == batches)
	{
		state->position = 0;
		state->epoch++;
	}
}

/* At the last step, and whenever another eval_every epochs are full. */
static bool
evaluation_is_due(const TclsTrainer *trainer)
{
	double		interval = trainer->options.eval_every * (double) tcls_batcher_count(&trainer->batcher);
	double		step = (double) trainer->state.step;

	return trainer->validation != NULL &&
		(trainer->state.step == trainer->state.total_steps || floor(step / interval) > floor((step - 1) / interval));
}

static double
metric_of(const TclsEvaluation *evaluation, TclsMetric metric)
{
	switch (metric)
	{
		case TCLS_METRIC_ACCURACY:
			return evaluation->accuracy;
		case TCLS_METRIC_LOSS:
			return evaluation->loss;
		case TCLS_METRIC_MACRO_F1:
			break;
	}
	return evaluation->macro_f1;
}

static TclsStatus
check_weights(const TclsTrainer *trainer)
{
	const TclsParameterPlan *plan = &trainer->model->plan;

	for (int32_t i = 0; i < plan->count; i++)
	{
		const TclsParameter *item = &plan->items[i];
		double		squares;

		TCLS_TRY(tcls_poll(trainer->host));
		tcls_gradient_squares(&squares, trainer->model->weights.block + item->offset, item->count);
		if (!isfinite(squares))
			return diverged(trainer, item->name);
	}
	return TCLS_OK;
}

/* All parameters from block to block, each rank a slice of them, in parts between which a cancel is seen. */
static TclsStatus
copy_weights(float *to, const float *from, TclsTrainer *trainer)
{
	TclsExchange *exchange = trainer->events.exchange;
	size_t		first = 0;
	size_t		end = trainer->model->plan.total;

	if (exchange != NULL)
		tcls_exchange_slice(&first, &end, exchange, first, end);
	for (size_t count; first < end; first += count)
	{
		count = end - first < COPY_FLOATS ? end - first : COPY_FLOATS;
		TCLS_TRY(tcls_poll(trainer->host));
		memcpy(to + first, from + first, count * sizeof(float));
	}
	return exchange != NULL ? exchange->meet(exchange->context) : TCLS_OK;
}

/* All weights as the steps done make them. */
static TclsStatus
settle(TclsTrainer *trainer)
{
	TclsExchange *exchange = trainer->events.exchange;

	TCLS_TRY(tcls_optimizer_settle(&trainer->optimizer, trainer->state.step));
	return exchange != NULL ? exchange->meet(exchange->context) : TCLS_OK;
}

TclsStatus
tcls_trainer_pack(TclsTrainer *trainer)
{
	return tcls_inference_pack(trainer->packed, &trainer->model->weights, &trainer->model->config.numbers,
							   trainer->inference.kernel, trainer->host);
}

/* Evaluate, keep the weights if they are the best so far, see whether to stop. */
static TclsStatus
validate(bool *is_best, TclsTrainer *trainer)
{
	TclsTrainState *state = &trainer->state;
	TclsMetric	metric = trainer->options.metric_for_best_model;
	double		value;

	TCLS_TRY(settle(trainer));
	TCLS_TRY(check_weights(trainer));
	TCLS_TRY(tcls_trainer_evaluate(&state->last, trainer, trainer->validation));
	if (!isfinite(state->last.loss))
		return diverged(trainer, "validation loss");
	value = metric_of(&state->last, metric);
	*is_best = state->best_step == 0 ||
		(metric == TCLS_METRIC_LOSS ? value < state->best_metric : value > state->best_metric);
	if (*is_best)
	{
		TCLS_TRY(copy_weights(trainer->best, trainer->model->weights.block, trainer));
		state->best_metric = value;
		state->best_step = state->step;
		state->best = state->last;
		state->evaluations_without_gain = 0;
	}
	else
		state->evaluations_without_gain++;
	if (trainer->options.early_stopping_patience > 0 &&
		state->evaluations_without_gain >= trainer->options.early_stopping_patience)
		state->finished = 1;
	return TCLS_OK;
}

/* The examples of the next step into the batch. */
static TclsStatus
load_batch(TclsTrainer *trainer)
{
	const TclsTrainState *state = &trainer->state;
	uint64_t	key = tcls_rng_mix(trainer->options.seed, NOISE_STREAM);
	TclsTokenNoise noise = {
		.token_dropout = trainer->options.token_dropout,
		.subword_dropout = trainer->options.subword_dropout,
		.subwords = &trainer->subwords,
		.max_tokens = trainer->model->config.max_length,
		.key = tcls_rng_mix(key, (uint64_t) state->step)
	};
	bool		is_noisy = noise.token_dropout > 0 || noise.subword_dropout > 0;
	int32_t		count = tcls_batcher_get(trainer->indexes, &trainer->batcher, state->epoch, state->position);

	return tcls_batch_load(&trainer->batch, trainer->train, trainer->indexes, 0, count, is_noisy ? &noise : NULL,
						   trainer->host);
}

/*
 * The rows of the word embedding that the step needs, all ranks' texts together.  Rank 0 may still be
 * saving the step before: nobody changes weights until it has come.
 */
static TclsStatus
touch_rows(TclsTrainer *trainer)
{
	TclsExchange *exchange = trainer->events.exchange;
	const TclsBatch *batch = &trainer->batch;

	if (exchange != NULL)
		TCLS_TRY(exchange->meet(exchange->context));
	TCLS_TRY(tcls_optimizer_touch(&trainer->optimizer, tcls_batch_ids(batch), (size_t) tcls_batch_tokens(batch),
								  trainer->state.step));
	return exchange != NULL ? exchange->meet(exchange->context) : TCLS_OK;
}

static TclsStatus
run_step(TclsTrainer *trainer)
{
	TclsTrainState *state = &trainer->state;
	int64_t		tokens;
	double		loss;
	double		learning_rate = 0;
	bool		evaluated;
	bool		is_best = false;

	TCLS_TRY(load_batch(trainer));
	tokens = tcls_batch_tokens(&trainer->batch);
	TCLS_TRY(touch_rows(trainer));
	TCLS_TRY(accumulate_gradient(&loss, trainer));
	TCLS_TRY(apply_gradient(&loss, &learning_rate, trainer));
	advance(state, loss, tcls_batcher_count(&trainer->batcher));
	evaluated = evaluation_is_due(trainer);
	if (evaluated)
		TCLS_TRY(validate(&is_best, trainer));
	if (state->step == state->total_steps)
		state->finished = 1;
	if (trainer->events.progress != NULL)
		TCLS_TRY(trainer->events.progress(trainer->events.context, trainer, loss, learning_rate,
										  tokens, evaluated ? &state->last : NULL));
	if (evaluated)
	{
		state->loss = 0;
		state->loss_steps = 0;
	}
	if (trainer->events.save != NULL)
		TCLS_TRY(trainer->events.save(trainer->events.context, trainer, is_best));
	return TCLS_OK;
}

TclsStatus
tcls_trainer_run(TclsTrainer *trainer)
{
	if (trainer->optimizer.first_layer > 0)
		TCLS_TRY(tcls_trainer_pack(trainer));
	while (!trainer->state.finished)
		TCLS_TRY(run_step(trainer));
	TCLS_TRY(settle(trainer));
	if (trainer->state.best_step > 0)
		TCLS_TRY(copy_weights(trainer->model->weights.block, trainer->best, trainer));
	return check_weights(trainer);
}

size_t
tcls_trainer_bytes(const TclsConfig *config, const TclsParameterPlan *plan, const TclsTrainOptions *options,
				   int32_t max_length, int32_t ranks)
{
	int64_t		tokens = options->max_batch_tokens > max_length ? options->max_batch_tokens : max_length;
	size_t		of_rank = plan->total * sizeof(float) + tcls_inference_size(config, tcls_packed_best(TCLS_FP32)) +
		(size_t) config->vocab_size * (sizeof(int64_t) + sizeof(int32_t) + sizeof(bool)) +
		(size_t) options->batch_size * (size_t) max_length * sizeof(int32_t) +
		tcls_network_train_bytes(config, tokens, max_length);

	return 4 * plan->total * sizeof(float) + tcls_inference_size(config, tcls_packed_best(TCLS_INT8)) +
		(size_t) ranks * of_rank;
}
