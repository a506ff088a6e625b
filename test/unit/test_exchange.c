/*
 * test_exchange.c
 *		Training by several processes: equal to one within rounding, and to itself bit for bit.
 *
 * Ranks are processes with a shared mapping; a barrier of the C library is their meeting.
 */
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "train/trainer.h"
#include "unit.h"

#define MAX_RANKS 4
#define MAX_TOKENS 12
#define EXAMPLES 203
#define MAX_STEPS 128
#define SECONDS 120				/* a test that hangs is ended */

/* ---- what is trained, and on what ---- */

static TclsConfig
small_config(TclsProblem problem)
{
	return (TclsConfig) {
		.vocab_size = 40, .hidden_size = 16, .num_layers = 2, .num_heads = 2, .intermediate_size = 32,
		.max_positions = MAX_TOKENS, .type_vocab_size = 2, .layer_norm_eps = 1e-12f,
		.hidden_dropout = 0.1f, .attention_dropout = 0.1f, .classifier_dropout = 0.1f,
		.hidden_act = TCLS_GELU, .pooling = TCLS_POOL_MEAN, .head = TCLS_HEAD_LINEAR,
		.problem = problem, .num_outputs = 3
	};
}

static TclsTrainOptions
small_options(void)
{
	TclsTrainOptions options = tcls_train_defaults;

	options.learning_rate = 5e-3;
	options.batch_size = 9;
	options.max_steps = 40;
	options.eval_every = 0.5;
	options.early_stopping_patience = 0;
	options.max_batch_tokens = 30;
	options.dropout = false;
	return options;
}

typedef struct Example
{
	int32_t		ids[MAX_TOKENS];
	float		multi[3];
	bool		multi_label;
} Example;

/* The label is how often the tokens 7 and 8 occur, up to 2. */
static TclsStatus
read_example(void *context, int64_t index, TclsExample *out)
{
	Example    *example = context;
	TclsRng		rng = {tcls_rng_mix(5, (uint64_t) index)};

	out->n_tokens = 1 + (int32_t) (tcls_rng_next(&rng) % MAX_TOKENS);
	out->label = 0;
	for (int32_t t = 0; t < out->n_tokens; t++)
	{
		example->ids[t] = (int32_t) (tcls_rng_next(&rng) % 4 == 0 ? 7 + tcls_rng_next(&rng) % 2 :
									 tcls_rng_next(&rng) % 40);
		out->label += out->label < 2 && (example->ids[t] == 7 || example->ids[t] == 8);
	}
	memset(example->multi, 0, sizeof(example->multi));
	example->multi[out->label] = 1;
	out->ids = example->ids;
	out->multi = example->multi_label ? example->multi : NULL;
	return TCLS_OK;
}

/* ---- several processes ---- */

/* Shared by all ranks. */
typedef struct Meeting
{
	pthread_barrier_t barrier;
	TclsTrainState states[MAX_RANKS];
	TclsStatus	statuses[MAX_RANKS];
	double		losses[MAX_STEPS];	/* of rank 0 */
	TclsClassMetrics labels[3];
} Meeting;

typedef struct Run
{
	TclsTrainOptions options;
	TclsProblem problem;
	bool		poison;			/* a weight of the embeddings is NaN */
} Run;

/* What a run left behind; memory of malloc. */
typedef struct Result
{
	Meeting    *meeting;
	float	   *block;
	size_t		total;
	TclsParameterPlan plan;
} Result;

static TclsStatus
meet(void *context)
{
	Meeting    *meeting = context;

	pthread_barrier_wait(&meeting->barrier);
	return TCLS_OK;
}

static TclsStatus
note_loss(void *context, const TclsTrainer *trainer, double loss, double learning_rate, int64_t tokens,
		  const TclsEvaluation *evaluation)
{
	double	   *losses = context;

	(void) learning_rate;
	(void) tokens;
	(void) evaluation;
	losses[(trainer->state.step - 1) % MAX_STEPS] = loss;
	return TCLS_OK;
}

static void *
map_shared(size_t size)
{
	void	   *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (block == MAP_FAILED)
		abort();
	return block;
}

/* One rank from its trainer to the last evaluation. */
static TclsStatus
train_rank(Result *result, const Run *run, TclsExchange *exchange, TclsHost *host)
{
	TclsConfig	config = small_config(run->problem);
	Example		example = {.multi_label = run->problem == TCLS_MULTI_LABEL};
	TclsExampleSource train = {EXAMPLES, read_example, &example};
	TclsExampleSource validation = {61, read_example, &example};
	Meeting    *meeting = result->meeting;
	TclsTrainEvents events = {.exchange = exchange->count > 1 ? exchange : NULL};
	TclsModel	model = {.config = {.numbers = config, .num_labels = 3, .max_length = MAX_TOKENS}};
	TclsClassMetrics labels[3];
	TclsEvaluation last;
	TclsTrainer *trainer;

	if (exchange->rank == 0)
	{
		events.progress = note_loss;
		events.context = meeting->losses;
	}
	model.plan = result->plan;
	TCLS_TRY(tcls_weights_bind(&model.weights, &config, &model.plan,
							   tcls_exchange_block(exchange, TCLS_SHARED_WEIGHTS, result->total), host));
	TCLS_TRY(tcls_trainer_create(&trainer, &model, &train, &validation, &run->options, &events, host));
	TCLS_TRY(tcls_trainer_run(trainer));
	TCLS_TRY(tcls_trainer_evaluate_labels(&last, labels, trainer, &validation));
	meeting->states[exchange->rank] = trainer->state;
	if (last.loss != trainer->state.best.loss || last.macro_f1 != trainer->state.best.macro_f1)
		return tcls_fail(host, TCLS_INTERNAL, "the best weights are not the result");
	if (exchange->rank == 0)
		memcpy(meeting->labels, labels, sizeof(labels));
	tcls_trainer_destroy(trainer);
	tcls_free(model.weights.layers, host);
	return TCLS_OK;
}

static void
run_rank(Result *result, const Run *run, TclsExchange *exchange, TclsHost *host)
{
	TclsStatus *status = &result->meeting->statuses[exchange->rank];

	*status = train_rank(result, run, exchange, host);
	if (*status != TCLS_OK && *status != TCLS_DIVERGED)
		fprintf(stderr, "rank %d: %s\n", exchange->rank, host->detail);
}

/* Train by so many processes, of which this one is the leader. */
static void
train_together(Result *result, const Run *run, int32_t ranks, TclsHost *host)
{
	TclsConfig	config = small_config(run->problem);
	TclsExchange exchange = {.count = ranks, .meet = meet};
	pthread_barrierattr_t attributes;
	pid_t		children[MAX_RANKS];
	int			status;

	memset(result, 0, sizeof(*result));
	CHECK_OK(tcls_parameter_plan_create(&result->plan, &config, host), host);
	result->total = result->plan.total;
	result->meeting = map_shared(sizeof(Meeting));
	exchange.block = map_shared(tcls_exchange_block_floats(result->total, ranks) * sizeof(float));
	exchange.board = map_shared(tcls_exchange_board_doubles(ranks) * sizeof(double));
	exchange.context = result->meeting;
	result->block = exchange.block;
	tcls_weights_initialize(result->block, &result->plan, 0, 1);
	if (run->poison)
		result->block[result->plan.items[0].count - 1] = NAN;
	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&result->meeting->barrier, &attributes, (unsigned) ranks);
	fflush(NULL);
	alarm(SECONDS);
	for (exchange.rank = 1; exchange.rank < ranks; exchange.rank++)
	{
		children[exchange.rank] = fork();
		if (children[exchange.rank] == 0)
		{
			alarm(SECONDS);
			run_rank(result, run, &exchange, host);
			_exit(0);
		}
	}
	exchange.rank = 0;
	run_rank(result, run, &exchange, host);
	for (int32_t rank = 1; rank < ranks; rank++)
		CHECK(waitpid(children[rank], &status, 0) == children[rank] && status == 0);
	alarm(0);
}

static bool
all_ranks(const Result *result, int32_t ranks, TclsStatus status)
{
	for (int32_t rank = 0; rank < ranks; rank++)
		if (result->meeting->statuses[rank] != status)
			return false;
	return true;
}

/* ---- the cases ---- */

/* Without dropout the ranks only cut the same sums differently. */
static void
ranks_equal_one_process(UnitHost *unit)
{
	static const TclsProblem problems[] = {TCLS_SINGLE_LABEL, TCLS_MULTI_LABEL};

	for (size_t p = 0; p < 2; p++)
	{
		Run			run = {.options = small_options(), .problem = problems[p]};
		Result		alone;

		/* So few steps that rounding has not grown; class weights and smoothing take part. */
		run.options.max_steps = 10;
		run.options.label_smoothing = p == 0 ? 0.1f : 0;
		train_together(&alone, &run, 1, &unit->host);
		CHECK(all_ranks(&alone, 1, TCLS_OK));
		for (int32_t ranks = 2; ranks <= MAX_RANKS; ranks++)
		{
			Result		together;

			train_together(&together, &run, ranks, &unit->host);
			CHECK(all_ranks(&together, ranks, TCLS_OK));
			for (int step = 0; step < 10; step++)
				CHECK_CLOSE(together.meeting->losses[step], alone.meeting->losses[step], 1e-5);
			for (size_t i = 0; i < alone.total; i++)
				CHECK_CLOSE(together.block[i], alone.block[i], 1e-4);
			CHECK_CLOSE(together.meeting->states[0].last.loss, alone.meeting->states[0].last.loss, 1e-5);
			CHECK(together.meeting->states[0].last.macro_f1 == alone.meeting->states[0].last.macro_f1);
			CHECK(together.meeting->states[0].last.rows == 61);
			CHECK(memcmp(together.meeting->labels, alone.meeting->labels, sizeof(alone.meeting->labels)) == 0);
		}
	}
}

/* Dropout, noise on the tokens, early stop: everything that could differ from run to run. */
static void
same_ranks_same_bytes(UnitHost *unit)
{
	Run			run = {.options = small_options()};

	run.options.dropout = true;
	run.options.token_dropout = 0.1;
	run.options.max_steps = 120;
	run.options.early_stopping_patience = 3;
	for (int32_t ranks = 2; ranks <= 3; ranks++)
	{
		Result		first;
		Result		second;

		train_together(&first, &run, ranks, &unit->host);
		train_together(&second, &run, ranks, &unit->host);
		CHECK(all_ranks(&first, ranks, TCLS_OK));
		CHECK(memcmp(first.block, second.block, first.total * sizeof(float)) == 0);
		for (int32_t rank = 0; rank < ranks; rank++)
			CHECK(memcmp(&first.meeting->states[rank], &second.meeting->states[0], sizeof(TclsTrainState)) == 0);
		CHECK(first.meeting->states[0].best.accuracy > 0.7);
	}
}

/* More ranks than texts in a batch: some have nothing to do. */
static void
a_rank_may_have_no_text(UnitHost *unit)
{
	Run			run = {.options = small_options()};
	Result		result;

	run.options.batch_size = 2;
	run.options.max_steps = 110;
	train_together(&result, &run, 4, &unit->host);
	CHECK(all_ranks(&result, 4, TCLS_OK));
	CHECK(result.meeting->states[3].step == 110);
}

static void
only_the_head_is_trained(UnitHost *unit)
{
	Run			run = {.options = small_options()};
	Result		result;
	float	   *before;

	run.options.head_only = true;
	train_together(&result, &run, 3, &unit->host);
	CHECK(all_ranks(&result, 3, TCLS_OK));
	CHECK_OK(tcls_alloc_zero(&before, result.total, sizeof(float), &unit->host), &unit->host);
	tcls_weights_initialize(before, &result.plan, 0, 1);
	for (int32_t i = 0; i < result.plan.count; i++)
	{
		const TclsParameter *item = &result.plan.items[i];
		bool		same = memcmp(before + item->offset, result.block + item->offset,
								  item->count * sizeof(float)) == 0;

		CHECK(same == (item->layer <= 2));
	}
}

/* What is not finite in one rank's texts ends all of them at the same step. */
static void
all_ranks_see_divergence(UnitHost *unit)
{
	Run			run = {.options = small_options(), .poison = true};
	Result		result;

	train_together(&result, &run, 3, &unit->host);
	CHECK(all_ranks(&result, 3, TCLS_DIVERGED));
}

static void
slices_cover_the_block(UnitHost *unit)
{
	(void) unit;
	for (size_t from = 0; from <= 64; from += 32)
		for (size_t to = from; to < from + 200; to += 7)
			for (int32_t count = 1; count <= 5; count++)
			{
				size_t		at = from;

				for (int32_t rank = 0; rank < count; rank++)
				{
					TclsExchange exchange = {.rank = rank, .count = count};
					size_t		first;
					size_t		end;

					tcls_exchange_slice(&first, &end, &exchange, from, to);
					CHECK(first == at && end >= first && (first % 16 == 0 || first == to));
					at = end;
				}
				CHECK(at == to);
			}
}

static void
dealing_is_balanced(UnitHost *unit)
{
	int64_t		costs[32];
	int32_t		owners[32];

	for (int32_t ranks = 1; ranks <= 4; ranks++)
	{
		int64_t		loads[4] = {0};
		int64_t		most = 0;
		int64_t		all = 0;

		for (int i = 0; i < 32; i++)
		{
			costs[i] = 8 + (int64_t) (tcls_rng_mix(2, (uint64_t) i) % 120);
			all += costs[i];
		}
		CHECK_OK(tcls_exchange_deal(owners, costs, 32, ranks, &unit->host), &unit->host);
		for (int i = 0; i < 32; i++)
			loads[owners[i]] += costs[i];
		for (int32_t rank = 0; rank < ranks; rank++)
			most = loads[rank] > most ? loads[rank] : most;
		CHECK((double) most <= 1.02 * (double) all / ranks);
	}
	CHECK(unit->live_blocks == 0);
}

int
main(void)
{
	RUN(slices_cover_the_block);
	RUN(dealing_is_balanced);
	RUN(ranks_equal_one_process);
	RUN(same_ranks_same_bytes);
	RUN(a_rank_may_have_no_text);
	RUN(only_the_head_is_trained);
	RUN(all_ranks_see_divergence);
	return unit_finish();
}
