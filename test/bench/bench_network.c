/*
 * bench_network.c
 *		Rate of the network on one core, of its matrix products alone, and time by op.
 *
 *	bench_network [minilm|bert-base] [inference|single|training|fp32|bf16|int8 ...]
 *
 * Texts have 8 to 128 tokens (log-normal, mean about 50), the same as peer_network.py:
 * inference takes 256 of them sorted by length in batches of 32, or one by one (single), with
 * the best packed kernel of each precision; training takes them in batches of 16 as they come, with
 * dropout, clipping and AdamW.
 *
 * "limit" is the time of the products of that run alone: the same calls again on warm memory, and for
 * inference without bias, activation and residual.  Its share of the total is how near the rest
 * comes to free; "epilogue" is what the products took above it in the run.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <time.h>

#include "base/rng.h"
#include "encoder/inference.h"
#include "encoder/network.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/packed.h"
#include "train/optimizer.h"

#define TEXTS 256

/* ---- time by op ---- */

typedef struct Timer
{
	const char *name;
	double		seconds;
} Timer;

enum
{
	T_GEMM, T_CONVERT, T_ATTENTION, T_NORM, T_ACTIVATION, T_DROPOUT, T_EMBEDDING, T_POOLING, T_BIAS, TIMERS
};

static Timer timers[TIMERS] = {
	{"products"}, {"convert"}, {"attention"}, {"layer norm"}, {"activation"}, {"dropout"}, {"embedding"}, {"pooling"},
	{"bias, residual"}
};
static double gemm_flops;
static bool within_product;		/* whose time is counted as a whole */

static double
clock_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Cheap, for the shares; totals are processor time, which other work on the machine disturbs less. */
static double
now(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

static double
processor_time(void)
{
	return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

#define WRAP(op, timer, parameters, arguments) \
	extern void __real_tcls_##op parameters; \
	extern void __wrap_tcls_##op parameters; \
	void __wrap_tcls_##op parameters \
	{ \
		double		start = within_product ? 0 : now(); \
		\
		__real_tcls_##op arguments; \
		if (!within_product) \
			timers[timer].seconds += now() - start; \
	}

/* The products of a run, to replay them. */
typedef struct Call
{
	int			m, n, k;
	bool		ta, tb;
	float		beta;
	const void *packed;			/* matrix of the packed kernel, or NULL */
} Call;

static Call calls[1 << 16];
static int	call_count = -1;	/* not recording */

extern void __real_tcls_gemm(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
							 bool ta, bool tb, float alpha, float beta);
extern void __wrap_tcls_gemm(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
							 bool ta, bool tb, float alpha, float beta);

void
__wrap_tcls_gemm(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
				 bool ta, bool tb, float alpha, float beta)
{
	double		start = now();

	__real_tcls_gemm(c, a, b, m, n, k, lda, ldb, ldc, ta, tb, alpha, beta);
	timers[T_GEMM].seconds += now() - start;
	gemm_flops += 2.0 * m * n * k;
	if (call_count >= 0 && call_count < (int) (sizeof(calls) / sizeof(calls[0])))
		calls[call_count++] = (Call) {m, n, k, ta, tb, beta, NULL};
}

/* The kernel at work, and the same with clocks around its calls. */
static const TclsPackedKernel *kernel;
static TclsPackedKernel timed_kernel;

static void
timed_convert(void *input, const float *x, int m, int k)
{
	double		start = now();

	within_product = true;
	kernel->convert(input, x, m, k);
	within_product = false;
	timers[T_CONVERT].seconds += now() - start;
}

static void
timed_multiply(float *y, const void *input, const void *packed, int m, int n, int k, const TclsEpilogue *epilogue)
{
	double		start = now();

	within_product = true;
	kernel->multiply(y, input, packed, m, n, k, epilogue);
	within_product = false;
	timers[T_GEMM].seconds += now() - start;
	gemm_flops += 2.0 * m * n * k;
	if (call_count >= 0 && call_count < (int) (sizeof(calls) / sizeof(calls[0])))
		calls[call_count++] = (Call) {m, n, k, false, true, 0, packed};
}

WRAP(attention_forward, T_ATTENTION,
	 (float *o, float *l, const float *q, const TclsAttention *s, size_t h, float *w), (o, l, q, s, h, w))
WRAP(attention_backward, T_ATTENTION,
	 (float *dq, const float *d, const float *q, const float *o, const float *l, const TclsAttention *s, size_t h,
	  float *w), (dq, d, q, o, l, s, h, w))
WRAP(layernorm_forward, T_NORM,
	 (float *y, float *m, float *r, const float *x, const float *w, const float *b, float e, size_t n, size_t c),
	 (y, m, r, x, w, b, e, n, c))
WRAP(layernorm_backward, T_NORM,
	 (float *dx, float *dw, float *db, const float *dy, const float *x, const float *m, const float *r,
	  const float *w, size_t n, size_t c), (dx, dw, db, dy, x, m, r, w, n, c))
WRAP(activation_forward, T_ACTIVATION, (float *y, const float *x, TclsActivation a, size_t n), (y, x, a, n))
WRAP(activation_backward, T_ACTIVATION,
	 (float *dx, float *y, const float *dy, const float *x, TclsActivation a, size_t n), (dx, y, dy, x, a, n))
WRAP(dropout, T_DROPOUT,
	 (float *y, const float *x, const TclsDropout *d, size_t n, size_t c), (y, x, d, n, c))
WRAP(dropout_add, T_DROPOUT,
	 (float *y, const float *x, const float *r, const TclsDropout *d, size_t n, size_t c), (y, x, r, d, n, c))
WRAP(embedding_forward, T_EMBEDDING,
	 (float *y, const float *w, const float *p, const float *t, const int32_t *i, const int32_t *s, size_t n,
	  size_t c), (y, w, p, t, i, s, n, c))
WRAP(embedding_backward, T_EMBEDDING,
	 (float *w, float *p, float *t, const float *y, const int32_t *i, const int32_t *s, size_t n, size_t c),
	 (w, p, t, y, i, s, n, c))
WRAP(pooling_forward, T_POOLING,
	 (float *y, const float *x, TclsPoolKind k, const int32_t *s, size_t n, size_t c), (y, x, k, s, n, c))
WRAP(broadcast_rows, T_BIAS, (float *y, const float *x, size_t n, size_t c), (y, x, n, c))
WRAP(broadcast_add, T_BIAS, (float *y, const float *r, const float *x, size_t n, size_t c), (y, r, x, n, c))
WRAP(sum_rows, T_BIAS, (float *y, const float *x, size_t n, size_t c), (y, x, n, c))

/* ---- the work ---- */

static void *
host_alloc(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static void
host_free(void *context, void *block)
{
	(void) context;
	free(block);
}

static TclsStatus
host_poll(void *context)
{
	(void) context;
	return TCLS_OK;
}

static TclsHost host = {host_alloc, host_free, host_poll, NULL, ""};

static void
must(TclsStatus status)
{
	if (status != TCLS_OK)
	{
		fprintf(stderr, "%s: %s\n", tcls_status_name(status), host.detail);
		exit(1);
	}
}

typedef struct Bench
{
	TclsConfig	config;
	TclsParameterPlan plan;
	TclsWeights weights;
	TclsWeights gradients;
	TclsOptimizer optimizer;
	TclsLazyRows lazy;
	int64_t		steps;			/* of training done */
	TclsArena	arena;
	int32_t		lengths[TEXTS];
	int32_t    *ids;
	int32_t    *starts;
	int32_t    *labels;
	float	   *logits;
	TclsInference inference;	/* on the kernel at work */
} Bench;

/* 8 to 128, log-normal: exp(3.75 + 0.6 z); peer_network.py computes the same. */
static void
make_lengths(int32_t *lengths)
{
	TclsRng		rng = {1};

	for (int i = 0; i < TEXTS; i++)
	{
		double		length = exp(3.75 + 0.6 * tcls_rng_normal(&rng));

		lengths[i] = length < 8 ? 8 : length > 128 ? 128 : (int32_t) length;
	}
}

static int
compare_lengths(const void *a, const void *b)
{
	return *(const int32_t *) a - *(const int32_t *) b;
}

static void
setup(Bench *bench, const char *model)
{
	TclsConfig	minilm = {30522, 384, 6, 12, 1536, 512, 2, 1e-12f, 0.1f, 0.1f, 0.1f, TCLS_GELU, TCLS_POOL_MEAN,
		TCLS_HEAD_LINEAR, TCLS_SINGLE_LABEL, 4};
	float	   *block;
	float	   *zeros;

	bench->config = minilm;
	if (strcmp(model, "bert-base") == 0)
	{
		bench->config.hidden_size = 768;
		bench->config.num_layers = 12;
		bench->config.intermediate_size = 3072;
	}
	must(tcls_parameter_plan_create(&bench->plan, &bench->config, &host));
	must(tcls_alloc_zero(&block, bench->plan.total, sizeof(float), &host));
	must(tcls_weights_bind(&bench->weights, &bench->config, &bench->plan, block, &host));
	tcls_weights_initialize(block, &bench->plan, 0, 1);
	must(tcls_alloc_zero(&zeros, 3 * bench->plan.total, sizeof(float), &host));
	must(tcls_weights_bind(&bench->gradients, &bench->config, &bench->plan, zeros, &host));
	bench->optimizer = (TclsOptimizer) {
		.plan = &bench->plan, .weights = block, .gradient = zeros, .moment1 = zeros + bench->plan.total,
		.moment2 = zeros + 2 * bench->plan.total, .adamw = {0.9, 0.999, 1e-8}, .weight_decay = 0.01,
		.rate = {TCLS_CONSTANT, 0, 1000000, 1e-5}, .head_rate = {TCLS_CONSTANT, 0, 1000000, 1e-5},
		.lazy = &bench->lazy, .first = bench->plan.items[1].offset,
		.head_layer = bench->config.num_layers + 1, .end = bench->plan.total, .host = &host
	};
	must(tcls_lazy_rows_create(&bench->lazy, &bench->plan.items[0], &host));
	tcls_arena_init(&bench->arena, &host);
	must(tcls_alloc_zero(&bench->ids, TEXTS * 128, sizeof(int32_t), &host));
	must(tcls_alloc_zero(&bench->starts, TEXTS + 1, sizeof(int32_t), &host));
	must(tcls_alloc_zero(&bench->labels, TEXTS, sizeof(int32_t), &host));
	must(tcls_alloc_zero(&bench->logits, TEXTS * 4, sizeof(float), &host));
	for (size_t i = 0; i < TEXTS * 128; i++)
		bench->ids[i] = (int32_t) (1000 + tcls_rng_mix(3, i) % 29000);
	make_lengths(bench->lengths);
}

/* Pack the weights for the best kernel of a precision. */
static void
use_precision(Bench *bench, TclsPrecision precision)
{
	void	   *block;

	kernel = tcls_packed_best(precision);
	timed_kernel = *kernel;
	timed_kernel.convert = timed_convert;
	timed_kernel.multiply = timed_multiply;
	must(tcls_alloc(&block, tcls_inference_size(&bench->config, kernel), 1, &host));
	must(tcls_inference_pack(block, &bench->weights, &bench->config, kernel, &host));
	must(tcls_inference_bind(&bench->inference, block, &bench->config, &timed_kernel, &host));
}

static void
leave_precision(Bench *bench)
{
	tcls_free((void *) bench->inference.block, &host);
	tcls_inference_free(&bench->inference, &host);
}

/* The texts first.. as a batch; returns its tokens. */
static int32_t
batch_of(TclsSequences *sequences, Bench *bench, int first, int count)
{
	bench->starts[0] = 0;
	for (int i = 0; i < count; i++)
		bench->starts[i + 1] = bench->starts[i] + bench->lengths[first + i];
	*sequences = (TclsSequences) {bench->ids, bench->starts, count};
	return bench->starts[count];
}

static int64_t
run_inference(Bench *bench, int batch)
{
	int64_t		tokens = 0;
	TclsSequences sequences;

	for (int first = 0; first + batch <= TEXTS; first += batch)
	{
		tokens += batch_of(&sequences, bench, first, batch);
		tcls_arena_reset(&bench->arena);
		must(tcls_inference_forward(bench->logits, NULL, &bench->inference, &sequences, &bench->arena, &host));
	}
	return tokens;
}

static int64_t
run_training(Bench *bench, int batch)
{
	TclsTargets targets = {bench->labels, NULL, NULL, 0};
	int64_t		tokens = 0;
	TclsSequences sequences;

	for (int first = 0; first < TEXTS; first += batch)
	{
		TclsTrainStep step = {.dropout_seed = (uint64_t) first, .dropout = true};
		double		loss;
		double		squares;

		tokens += batch_of(&sequences, bench, first, batch);
		tcls_arena_reset(&bench->arena);
		must(tcls_optimizer_touch(&bench->optimizer, sequences.ids, (size_t) sequences.starts[sequences.count],
								  bench->steps));
		must(tcls_network_train(&loss, NULL, &bench->gradients, &bench->weights, &bench->config, &sequences, &targets,
								&step, &bench->arena, &host));
		must(tcls_optimizer_squares(&squares, &bench->optimizer));
		bench->steps++;
		must(tcls_optimizer_step(&bench->optimizer, bench->steps, squares > 1 ? 1 / sqrt(squares) : 1));
	}
	return tokens;
}

/* Seconds of one recorded product; what it reads and writes is large enough. */
static double
repeat(const Call *call, float *a, float *b, float *c)
{
	static const TclsEpilogue none = {NULL, NULL, NULL};
	double		start;

	if (call->packed != NULL)
	{
		kernel->convert(a, b, call->m, call->k);
		start = processor_time();
		kernel->multiply(c, a, call->packed, call->m, call->n, call->k, &none);
	}
	else
	{
		start = processor_time();
		__real_tcls_gemm(c, a, b, call->m, call->n, call->k, call->ta ? call->m : call->k,
						 call->tb ? call->k : call->n, call->n, call->ta, call->tb, 1.0f, call->beta);
	}
	return processor_time() - start;
}

/* Seconds of the recorded products alone, on memory that is warm: the best of three. */
static double
replay(void)
{
	static float *a, *b, *c;
	double		best = 0;

	if (a == NULL)
	{
		must(tcls_alloc_zero(&a, 1 << 24, sizeof(float), &host));
		must(tcls_alloc_zero(&b, 1 << 24, sizeof(float), &host));
		must(tcls_alloc_zero(&c, 1 << 24, sizeof(float), &host));
		for (int i = 0; i < 1 << 24; i++)
			b[i] = (float) (i % 251) * 0.004f - 0.5f;
	}
	for (int round = 0; round < 3; round++)
	{
		double		seconds = 0;

		for (int i = 0; i < call_count; i++)
			seconds += repeat(&calls[i], a, b, c);
		if (round == 0 || seconds < best)
			best = seconds;
	}
	return best;
}

/* What the fastest of three runs took. */
typedef struct Measured
{
	double		total;			/* seconds of processor time */
	double		wall;
	int64_t		tokens;
	Timer		timers[TIMERS];
} Measured;

/* Time by op in ns a token and as share; of a product of inference what is above the limit is its epilogue. */
static void
print_ops(const Measured *m, double alone, bool packed)
{
	double		known = 0;
	double		scale = m->total / m->wall;	/* the clocks of the ops are of wall time */

	printf("    %-16s %9.0f ns/token %5.1f %%\n", "limit", 1e9 * alone / (double) m->tokens, 100 * alone / m->total);
	for (int i = 0; i < TIMERS; i++)
	{
		bool		above = i == T_GEMM && packed;
		double		seconds = m->timers[i].seconds * scale - (above ? alone : 0);

		known += m->timers[i].seconds * scale;
		if (m->timers[i].seconds > 0)
			printf("    %-16s %9.0f ns/token %5.1f %%\n", above ? "epilogue" : m->timers[i].name,
				   1e9 * seconds / (double) m->tokens, 100 * seconds / m->total);
	}
	printf("    %-16s %9.0f ns/token %5.1f %%\n", "rest", 1e9 * (m->total - known) / (double) m->tokens,
		   100 * (m->total - known) / m->total);
}

static void
measure(Bench *bench, const char *what, int64_t (*run) (Bench *, int), int batch)
{
	Measured	best = {0, 0, 0, {{NULL, 0}}};
	double		alone;

	run(bench, batch);
	for (int round = 0; round < 3; round++)
	{
		double		start = processor_time();
		double		wall = now();
		double		total;

		for (int i = 0; i < TIMERS; i++)
			timers[i].seconds = 0;
		gemm_flops = 0;
		call_count = 0;
		best.tokens = run(bench, batch);
		total = processor_time() - start;
		if (round > 0 && total >= best.total)
			continue;
		best.total = total;
		best.wall = now() - wall;
		memcpy(best.timers, timers, sizeof(timers));
	}
	alone = replay();
	printf("%s, batches of %d: %.0f tokens/s, %.1f texts/s, %.2f s; %.1f %% of the limit of %.1f GFLOP/s\n", what,
		   batch, (double) best.tokens / best.total, TEXTS / best.total, best.total, 100 * alone / best.total,
		   gemm_flops / alone * 1e-9);
	print_ops(&best, alone, calls[0].packed != NULL);
}

/* Inference at one precision, as asked for. */
static void
measure_precision(Bench *bench, TclsPrecision precision, bool single, bool batches)
{
	char		what[64];

	use_precision(bench, precision);
	snprintf(what, sizeof(what), "inference, %s", kernel->name);
	if (single)
		measure(bench, what, run_inference, 1);
	if (batches)
		measure(bench, what, run_inference, 32);
	leave_precision(bench);
}

/* Is it named, or nothing of its kind? */
static bool
wanted(int argc, char **argv, const char *name, const char *const *kind, int kind_count)
{
	bool		any = false;

	for (int i = 2; i < argc; i++)
	{
		if (strcmp(argv[i], name) == 0)
			return true;
		for (int k = 0; k < kind_count; k++)
			any = any || strcmp(argv[i], kind[k]) == 0;
	}
	return !any;
}

int
main(int argc, char **argv)
{
	static const char *const works[] = {"inference", "single", "training"};
	static const char *const precisions[] = {"fp32", "bf16", "int8"};
	const char *model = argc > 1 ? argv[1] : "minilm";
	static Bench bench;

	setup(&bench, model);
	printf("%s, %s, ops %s, one thread\n", model, tcls_gemm_path_name(0), tcls_isa_name(tcls_isa()));
	if (wanted(argc, argv, "training", works, 3))
		measure(&bench, "training", run_training, 16);
	qsort(bench.lengths, TEXTS, sizeof(int32_t), compare_lengths);
	for (int p = 0; p < TCLS_PRECISION_COUNT; p++)
		if (wanted(argc, argv, precisions[p], precisions, 3) && !tcls_packed_best((TclsPrecision) p)->is_plain)
			measure_precision(&bench, (TclsPrecision) p, wanted(argc, argv, "single", works, 3),
							  wanted(argc, argv, "inference", works, 3));
	return 0;
}
