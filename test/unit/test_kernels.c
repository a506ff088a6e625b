/*
 * test_kernels.c
 *		Each op in each variant that this CPU can run: forward against a formula in double
 *		precision, backward against central differences of that formula.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "unit.h"

#define FORWARD_TOLERANCE 3e-6	/* relative to the largest element, at least 1 */
#define BACKWARD_TOLERANCE 2e-5
#define STEP 1e-5				/* of the differences */

/* Numbers that a formula wants beside its input. */
typedef struct Shape
{
	size_t		rows;
	size_t		columns;
	int			kind;
	const int32_t *starts;
	const int32_t *ids;
	TclsAttention attention;
	const float *mask;
	const float *weights;
	float		smoothing;
} Shape;

/* out = f(in), in double precision; in holds all differentiable inputs end to end. */
typedef void (*Formula) (double *out, const double *in, const Shape *shape);

/* A case: input, result and gradient of the op under test, upstream gradient. */
typedef struct Trial
{
	Formula		formula;
	Shape		shape;
	size_t		inputs;
	size_t		outputs;
	float	   *in;				/* (inputs) in -1..1 */
	float	   *upstream;		/* (outputs) in -1..1 */
	float	   *out;			/* (outputs) filled by the op */
	float	   *gradient;		/* (inputs) filled by the op, zero before */
} Trial;

static void
fill(float *data, size_t count, uint64_t seed)
{
	TclsRng		rng = {seed};

	for (size_t i = 0; i < count; i++)
		data[i] = (float) (2 * tcls_rng_uniform(&rng) - 1);
}

static Trial
trial(Formula formula, size_t inputs, size_t outputs, UnitHost *unit)
{
	Trial		t;

	memset(&t, 0, sizeof(t));
	t.formula = formula;
	t.inputs = inputs;
	t.outputs = outputs;
	CHECK_OK(tcls_alloc_zero(&t.in, inputs, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&t.upstream, outputs, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&t.out, outputs, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&t.gradient, inputs, sizeof(float), &unit->host), &unit->host);
	fill(t.in, inputs, 1);
	fill(t.upstream, outputs, 2);
	return t;
}

static void
compare(const char *op, const char *what, const Trial *t, const float *actual, const double *wanted, size_t count,
		double tolerance)
{
	double		largest = 1;

	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, fabs(wanted[i]));
	for (size_t i = 0; i < count; i++)
		if (!(fabs(actual[i] - wanted[i]) <= tolerance * largest))
		{
			unit_fail(__FILE__, __LINE__, "%s %s, %s, (%zu, %zu) kind %d: element %zu is %.9g, wanted %.9g", op, what,
					  tcls_isa_name(tcls_isa()), t->shape.rows, t->shape.columns, t->shape.kind, i, actual[i],
					  wanted[i]);
			return;
		}
}

static void
check_forward(const char *op, const Trial *t, UnitHost *unit)
{
	double	   *in;
	double	   *out;

	CHECK_OK(tcls_alloc(&in, t->inputs, sizeof(double), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&out, t->outputs, sizeof(double), &unit->host), &unit->host);
	for (size_t i = 0; i < t->inputs; i++)
		in[i] = t->in[i];
	t->formula(out, in, &t->shape);
	compare(op, "forward", t, t->out, out, t->outputs, FORWARD_TOLERANCE);
}

static void
check_backward(const char *op, const Trial *t, UnitHost *unit)
{
	double	   *in;
	double	   *above;
	double	   *below;
	double	   *wanted;

	CHECK_OK(tcls_alloc(&in, t->inputs, sizeof(double), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&above, t->outputs, sizeof(double), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&below, t->outputs, sizeof(double), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&wanted, t->inputs, sizeof(double), &unit->host), &unit->host);
	for (size_t i = 0; i < t->inputs; i++)
		in[i] = t->in[i];
	for (size_t i = 0; i < t->inputs; i++)
	{
		double		kept = in[i];

		in[i] = kept + STEP;
		t->formula(above, in, &t->shape);
		in[i] = kept - STEP;
		t->formula(below, in, &t->shape);
		in[i] = kept;
		for (size_t j = 0; j < t->outputs; j++)
			wanted[i] += t->upstream[j] * (above[j] - below[j]) / (2 * STEP);
	}
	compare(op, "backward", t, t->gradient, wanted, t->inputs, BACKWARD_TOLERANCE);
}

/* Run a test once for each variant of the ops. */
static void
each_variant(UnitCase test, UnitHost *unit)
{
	for (int isa = 0; isa < TCLS_ISA_COUNT; isa++)
		if (tcls_isa_supported((TclsIsa) isa))
		{
			tcls_isa_select((TclsIsa) isa);
			CHECK(tcls_isa() == (TclsIsa) isa);
			test(unit);
		}
}

static const size_t widths[] = {1, 2, 7, 16, 33, 64};

#define WIDTHS (sizeof(widths) / sizeof(widths[0]))

/* ---- layer norm: x (rows, columns), weight, bias ---- */

#define EPSILON 1e-5

static void
norm_formula(double *out, const double *in, const Shape *s)
{
	const double *weight = in + s->rows * s->columns;
	const double *bias = weight + s->columns;

	for (size_t r = 0; r < s->rows; r++)
	{
		const double *x = in + r * s->columns;
		double		mean = 0;
		double		variance = 0;

		for (size_t i = 0; i < s->columns; i++)
			mean += x[i] / (double) s->columns;
		for (size_t i = 0; i < s->columns; i++)
			variance += (x[i] - mean) * (x[i] - mean) / (double) s->columns;
		for (size_t i = 0; i < s->columns; i++)
			out[r * s->columns + i] = (x[i] - mean) / sqrt(variance + EPSILON) * weight[i] + bias[i];
	}
}

static void
norm_case(UnitHost *unit)
{
	for (size_t w = 1; w < WIDTHS; w++)
	{
		size_t		rows = 3;
		size_t		columns = widths[w];
		size_t		size = rows * columns;
		Trial		t = trial(norm_formula, size + 2 * columns, size, unit);
		float	   *weight = t.in + size;
		float		mean[3];
		float		rstd[3];

		t.shape.rows = rows;
		t.shape.columns = columns;
		/* Far values of two elements are rounding times a large rstd: keep them apart. */
		t.in[0] = 0.9f;
		t.in[1] = -0.8f;
		tcls_layernorm_forward(t.out, mean, rstd, t.in, weight, weight + columns, (float) EPSILON, rows, columns);
		check_forward("layer norm", &t, unit);
		tcls_layernorm_backward(t.gradient, t.gradient + size, t.gradient + size + columns, t.upstream, t.in, mean,
								rstd, weight, rows, columns);
		check_backward("layer norm", &t, unit);
		tcls_layernorm_forward(t.in, NULL, NULL, t.in, weight, weight + columns, (float) EPSILON, rows, columns);
		CHECK(memcmp(t.in, t.out, size * sizeof(float)) == 0);
	}
}

static void
layernorm(UnitHost *unit)
{
	each_variant(norm_case, unit);
}

/* ---- activations ---- */

static void
activation_formula(double *out, const double *in, const Shape *s)
{
	for (size_t i = 0; i < s->columns; i++)
	{
		double		x = in[i];

		switch ((TclsActivation) s->kind)
		{
			case TCLS_ACTIVATION_GELU:
				out[i] = 0.5 * x * (1 + erf(x / sqrt(2.0)));
				break;
			case TCLS_ACTIVATION_GELU_TANH:
				out[i] = 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
				break;
			case TCLS_ACTIVATION_RELU:
				out[i] = x > 0 ? x : 0;
				break;
			case TCLS_ACTIVATION_TANH:
				out[i] = tanh(x);
				break;
		}
	}
}

static void
activation_case(UnitHost *unit)
{
	for (int kind = TCLS_ACTIVATION_GELU; kind <= TCLS_ACTIVATION_TANH; kind++)
	{
		size_t		count = 203;
		Trial		t = trial(activation_formula, count, count, unit);
		float		far[3] = {-60.0f, 60.0f, NAN};

		t.shape.columns = count;
		t.shape.kind = kind;
		for (size_t i = 0; i < count; i++)
			t.in[i] = ((float) i - 101.3f) * 0.06f;
		tcls_activation_forward(t.out, t.in, (TclsActivation) kind, count);
		check_forward("activation", &t, unit);
		memset(t.out, 0, count * sizeof(float));
		tcls_activation_backward(t.gradient, t.out, t.upstream, t.in, (TclsActivation) kind, count);
		check_forward("activation again", &t, unit);
		check_backward("activation", &t, unit);
		tcls_activation_forward(far, far, (TclsActivation) kind, 3);
		CHECK_CLOSE(far[0], kind == TCLS_ACTIVATION_TANH ? -1 : 0, 1e-6);
		CHECK_CLOSE(far[1], kind == TCLS_ACTIVATION_TANH ? 1 : 60, 1e-4);
		CHECK(isnan(far[2]));
	}
}

static void
activations(UnitHost *unit)
{
	each_variant(activation_case, unit);
}

/* GELU is within 4e-7 of the true one, beyond 1 relative to its argument. */
static void
gelu_error_case(UnitHost *unit)
{
	enum
	{
		COUNT = 4096
	};
	float		x[COUNT];
	float		y[COUNT];

	(void) unit;
	for (int i = 0; i < COUNT; i++)
		x[i] = (float) (i - COUNT / 2) * (9.0f / (COUNT / 2));
	tcls_activation_forward(y, x, TCLS_ACTIVATION_GELU, COUNT);
	for (int i = 0; i < COUNT; i++)
		CHECK_CLOSE(y[i], 0.5 * x[i] * erfc(-x[i] / sqrt(2.0)), 4e-7 * fmax(1, fabs(x[i])));
}

static void
gelu_error(UnitHost *unit)
{
	each_variant(gelu_error_case, unit);
}

/* ---- softmax, sigmoid ---- */

static void
softmax_formula(double *out, const double *in, const Shape *s)
{
	for (size_t r = 0; r < s->rows; r++)
	{
		double		sum = 0;

		for (size_t i = 0; i < s->columns; i++)
			sum += exp(in[r * s->columns + i]);
		for (size_t i = 0; i < s->columns; i++)
			out[r * s->columns + i] = exp(in[r * s->columns + i]) / sum;
	}
}

static void
probability_case(UnitHost *unit)
{
	float		far[3] = {-1000.0f, 0.0f, 1000.0f};

	for (size_t w = 0; w < WIDTHS; w++)
	{
		Trial		t = trial(softmax_formula, 3 * widths[w], 3 * widths[w], unit);

		t.shape.rows = 3;
		t.shape.columns = widths[w];
		tcls_softmax_forward(t.out, t.in, 3, widths[w]);
		check_forward("softmax", &t, unit);
		tcls_sigmoid_forward(t.out, t.in, 3 * widths[w]);
		for (size_t i = 0; i < 3 * widths[w]; i++)
			CHECK_CLOSE(t.out[i], 1 / (1 + exp(-(double) t.in[i])), 1e-6);
	}
	tcls_sigmoid_forward(far, far, 3);
	CHECK(far[0] >= 0 && far[0] < 1e-30 && far[1] == 0.5f && far[2] == 1.0f);
	far[0] = 1000.0f;
	tcls_softmax_forward(far, far, 1, 3);
	CHECK_CLOSE(far[0], 1, 1e-6);
}

static void
probabilities(UnitHost *unit)
{
	each_variant(probability_case, unit);
}

/* ---- embedding: word (V, H), position (P, H), type (H) ---- */

#define VOCABULARY 9
#define POSITIONS 5

static void
embedding_formula(double *out, const double *in, const Shape *s)
{
	const double *position = in + VOCABULARY * s->columns;
	const double *type = position + POSITIONS * s->columns;

	for (size_t text = 0; text < s->rows; text++)
		for (int32_t t = s->starts[text]; t < s->starts[text + 1]; t++)
			for (size_t i = 0; i < s->columns; i++)
				out[(size_t) t * s->columns + i] = in[(size_t) s->ids[t] * s->columns + i] +
					position[(size_t) (t - s->starts[text]) * s->columns + i] + (s->kind ? type[i] : 0);
}

static void
embedding_case(UnitHost *unit)
{
	static const int32_t ids[] = {3, 8, 3, 0, 3, 1, 7, 7};
	static const int32_t starts[] = {0, 5, 6, 8};

	for (size_t w = 0; w < WIDTHS; w++)
		for (int has_type = 0; has_type < 2; has_type++)
		{
			size_t		c = widths[w];
			Trial		t = trial(embedding_formula, (VOCABULARY + POSITIONS + 1) * c, 8 * c, unit);
			size_t		position = VOCABULARY * c;
			size_t		type = position + POSITIONS * c;

			t.shape.rows = 3;
			t.shape.columns = c;
			t.shape.kind = has_type;
			t.shape.ids = ids;
			t.shape.starts = starts;
			tcls_embedding_forward(t.out, t.in, t.in + position, has_type ? t.in + type : NULL, ids, starts, 3, c);
			check_forward("embedding", &t, unit);
			tcls_embedding_backward(t.gradient, t.gradient + position, has_type ? t.gradient + type : NULL,
									t.upstream, ids, starts, 3, c);
			check_backward("embedding", &t, unit);
		}
}

static void
embedding(UnitHost *unit)
{
	each_variant(embedding_case, unit);
}

/* ---- attention: qkv (n, 3H) ---- */

static void
attention_head_formula(double *out, const double *in, const Shape *s, size_t head)
{
	const TclsAttention *a = &s->attention;
	size_t		h = a->heads * a->head_size;
	const double *q = in + head * a->head_size;
	double		p[128];

	for (size_t i = 0; i < a->tokens; i++)
	{
		const float *mask = s->mask + ((a->first_token + i) * a->heads + head) * a->tokens;
		double		sum = 0;

		for (size_t j = 0; j < a->tokens; j++)
		{
			double		score = 0;

			for (size_t k = 0; k < a->head_size; k++)
				score += q[i * 3 * h + k] * q[j * 3 * h + h + k];
			p[j] = exp(score / sqrt((double) a->head_size));
			sum += p[j];
		}
		for (size_t k = 0; k < a->head_size; k++)
		{
			double		value = 0;

			for (size_t j = 0; j < a->tokens; j++)
				value += p[j] / sum * mask[j] * q[j * 3 * h + 2 * h + k];
			out[i * h + head * a->head_size + k] = value;
		}
	}
}

static void
attention_formula(double *out, const double *in, const Shape *s)
{
	for (size_t head = 0; head < s->attention.heads; head++)
		attention_head_formula(out, in, s, head);
}

/* The factors of the mask, for rows of all tokens and heads up to the text's last. */
static float *
mask_of(const TclsAttention *a, UnitHost *unit)
{
	size_t		rows = (a->first_token + a->tokens) * a->heads;
	float	   *mask;

	CHECK_OK(tcls_alloc(&mask, rows * a->tokens, sizeof(float), &unit->host), &unit->host);
	for (size_t i = 0; i < rows * a->tokens; i++)
		mask[i] = 1;
	tcls_dropout(mask, mask, &a->dropout, rows, a->tokens);
	return mask;
}

static void
attention_trial(size_t tokens, size_t heads, size_t head_size, float probability, UnitHost *unit)
{
	size_t		h = heads * head_size;
	Trial		t = trial(attention_formula, tokens * 3 * h, tokens * h, unit);
	TclsAttention *a = &t.shape.attention;
	float	   *scratch;
	float	   *logsum;

	*a = (TclsAttention) {tokens, heads, head_size, 2, {77, probability}};
	t.shape.rows = tokens;
	t.shape.columns = head_size;
	t.shape.mask = mask_of(a, unit);
	for (size_t i = 0; i < t.inputs; i++)
		t.in[i] *= 1.5f;
	CHECK_OK(tcls_alloc(&scratch, tcls_attention_scratch(tokens, head_size), sizeof(float), &unit->host),
			 &unit->host);
	CHECK_OK(tcls_alloc(&logsum, tokens * heads, sizeof(float), &unit->host), &unit->host);
	for (size_t head = 0; head < heads; head++)
		tcls_attention_forward(t.out, logsum, t.in, a, head, scratch);
	check_forward("attention", &t, unit);
	for (size_t head = 0; head < heads; head++)
		tcls_attention_backward(t.gradient, t.upstream, t.in, t.out, logsum, a, head, scratch);
	/* Differences of all inputs cost n^3: only for short texts. */
	if (tokens <= 20)
		check_backward("attention", &t, unit);
}

static void
attention_case(UnitHost *unit)
{
	static const size_t lengths[] = {1, 2, 5, 16, 19};
	static const size_t sizes[] = {1, 8, 12, 32};

	for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		{
			attention_trial(lengths[l], 1 + s % 2, sizes[s], 0, unit);
			attention_trial(lengths[l], 1, sizes[s], 0.3f, unit);
			unit_host_reset(unit);
		}
	attention_trial(70, 2, 64, 0, unit);
	attention_trial(128, 1, 80, 0.1f, unit);
}

/* Every remainder of tokens by tiles and lanes, at the head sizes that have code of their own and at another. */
static void
attention_tails_case(UnitHost *unit)
{
	static const size_t sizes[] = {32, 64, 40};

	for (size_t s = 0; s < 3; s++)
		for (size_t tokens = 1; tokens <= 98; tokens += tokens < 34 || s == 0 ? 1 : 7)
		{
			size_t		h = 2 * sizes[s];
			Trial		t = trial(attention_formula, tokens * 3 * h, tokens * h, unit);
			TclsAttention *a = &t.shape.attention;
			float	   *scratch;

			*a = (TclsAttention) {tokens, 2, sizes[s], 0, {0, 0}};
			t.shape.rows = tokens;
			t.shape.columns = sizes[s];
			t.shape.mask = mask_of(a, unit);
			CHECK_OK(tcls_alloc(&scratch, tcls_attention_forward_scratch(tokens, sizes[s]), sizeof(float),
								&unit->host), &unit->host);
			for (size_t head = 0; head < 2; head++)
				tcls_attention_forward(t.out, NULL, t.in, a, head, scratch);
			check_forward("attention tails", &t, unit);
			unit_host_reset(unit);
		}
}

static void
attention_tails(UnitHost *unit)
{
	each_variant(attention_tails_case, unit);
}

/* Scores that e^x could not bear, all far below zero but one key's, and a NaN that must be seen. */
static void
attention_far_case(UnitHost *unit)
{
	enum
	{
		TOKENS = 21,
		SIZE = 32
	};
	float	   *qkv;
	float	   *context;
	float	   *scratch;
	TclsAttention shape = {TOKENS, 1, SIZE, 0, {0, 0}};

	CHECK_OK(tcls_alloc_zero(&qkv, TOKENS * 3 * SIZE, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&context, TOKENS * SIZE, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&scratch, tcls_attention_forward_scratch(TOKENS, SIZE), sizeof(float), &unit->host),
			 &unit->host);
	for (size_t i = 0; i < TOKENS; i++)
	{
		float	   *row = qkv + i * 3 * SIZE;

		row[0] = 1000.0f;
		row[SIZE] = i == 7 ? -5.0f : -9.0f;
		row[2 * SIZE + 3] = (float) i;
	}
	tcls_attention_forward(context, NULL, qkv, &shape, 0, scratch);
	for (size_t i = 0; i < TOKENS; i++)
		CHECK_CLOSE(context[i * SIZE + 3], 7, 1e-6);
	qkv[9 * 3 * SIZE + SIZE] = NAN;
	tcls_attention_forward(context, NULL, qkv, &shape, 0, scratch);
	for (size_t i = 0; i < TOKENS; i++)
		CHECK(isnan(context[i * SIZE + 3]));
}

static void
attention_of_far_scores(UnitHost *unit)
{
	each_variant(attention_far_case, unit);
}

static void
attention(UnitHost *unit)
{
	each_variant(attention_case, unit);
}

/* A text of several blocks of queries, both directions. */
static void
attention_blocks(UnitHost *unit)
{
	enum
	{
		N = 45, D = 16
	};
	Trial		t = trial(attention_formula, N * 3 * D, N * D, unit);
	float	   *scratch;
	float		logsum[N];

	t.shape.attention = (TclsAttention) {N, 1, D, 0, {5, 0.2f}};
	t.shape.mask = mask_of(&t.shape.attention, unit);
	CHECK_OK(tcls_alloc(&scratch, tcls_attention_scratch(N, D), sizeof(float), &unit->host), &unit->host);
	tcls_isa_select(TCLS_ISA_BEST);
	tcls_attention_forward(t.out, logsum, t.in, &t.shape.attention, 0, scratch);
	tcls_attention_backward(t.gradient, t.upstream, t.in, t.out, logsum, &t.shape.attention, 0, scratch);
	check_forward("attention", &t, unit);
	check_backward("attention", &t, unit);
}

/* ---- pooling ---- */

static void
pooling_formula(double *out, const double *in, const Shape *s)
{
	for (size_t text = 0; text < s->rows; text++)
		for (size_t i = 0; i < s->columns; i++)
		{
			size_t		first = (size_t) s->starts[text];
			size_t		count = (size_t) s->starts[text + 1] - first;
			double		result = in[first * s->columns + i];

			for (size_t t = 1; t < count; t++)
			{
				double		x = in[(first + t) * s->columns + i];

				if (s->kind == TCLS_POOL_KIND_MEAN)
					result += x;
				else if (s->kind == TCLS_POOL_KIND_MAX)
					result = fmax(result, x);
			}
			out[text * s->columns + i] = s->kind == TCLS_POOL_KIND_MEAN ? result / (double) count : result;
		}
}

static void
pooling_case(UnitHost *unit)
{
	static const int32_t starts[] = {0, 5, 6, 8};

	for (int kind = TCLS_POOL_KIND_MEAN; kind <= TCLS_POOL_KIND_MAX; kind++)
		for (size_t w = 0; w < WIDTHS; w++)
		{
			Trial		t = trial(pooling_formula, 8 * widths[w], 3 * widths[w], unit);

			t.shape.rows = 3;
			t.shape.columns = widths[w];
			t.shape.kind = kind;
			t.shape.starts = starts;
			tcls_pooling_forward(t.out, t.in, (TclsPoolKind) kind, starts, 3, widths[w]);
			check_forward("pooling", &t, unit);
			fill(t.gradient, t.inputs, 9);
			tcls_pooling_backward(t.gradient, t.upstream, t.in, (TclsPoolKind) kind, starts, 3, widths[w]);
			check_backward("pooling", &t, unit);
		}
}

static void
pooling(UnitHost *unit)
{
	each_variant(pooling_case, unit);
}

/* ---- losses: one output, the sum over texts ---- */

static const int32_t labels[] = {2, 0, 1, 2, 2};

static void
crossentropy_formula(double *out, const double *in, const Shape *s)
{
	*out = 0;
	for (size_t r = 0; r < s->rows; r++)
	{
		const double *z = in + r * s->columns;
		double		sum = 0;

		for (size_t c = 0; c < s->columns; c++)
			sum += exp(z[c]);
		for (size_t c = 0; c < s->columns; c++)
		{
			double		wanted = s->smoothing / (double) s->columns + (c == (size_t) labels[r]) * (1 - s->smoothing);

			*out += (s->weights == NULL ? 1 : s->weights[c]) * wanted * (log(sum) - z[c]);
		}
	}
}

static void
crossentropy(UnitHost *unit)
{
	static const float weights[] = {0.5f, 1.0f, 2.0f};

	for (int kind = 0; kind < 4; kind++)
	{
		Trial		t = trial(crossentropy_formula, 15, 1, unit);
		double		weight;

		t.shape.rows = 5;
		t.shape.columns = 3;
		t.shape.kind = kind;
		t.shape.weights = kind & 1 ? weights : NULL;
		t.shape.smoothing = kind & 2 ? 0.2f : 0;
		t.out[0] = (float) tcls_crossentropy_forward(&weight, t.in, labels, t.shape.weights, t.shape.smoothing, 5, 3);
		CHECK_CLOSE(weight, kind & 1 ? 7.5 : 5, 1e-12);
		check_forward("cross entropy", &t, unit);
		tcls_crossentropy_backward(t.gradient, t.in, labels, t.shape.weights, t.shape.smoothing, t.upstream[0], 5, 3);
		check_backward("cross entropy", &t, unit);
	}
}

static void
crossentropy_of_far_logits(UnitHost *unit)
{
	static const float logits[] = {1000.0f, -1000.0f, NAN, 0.0f};
	static const int32_t label[] = {1, 0};
	float		gradient[2];
	double		weight;

	(void) unit;
	CHECK_CLOSE(tcls_crossentropy_forward(&weight, logits, label, NULL, 0, 1, 2), 2000, 1e-9);
	tcls_crossentropy_backward(gradient, logits, label, NULL, 0, 1, 1, 2);
	CHECK(gradient[0] == 1.0f && gradient[1] == -1.0f);
	CHECK(isnan(tcls_crossentropy_forward(&weight, logits + 2, label + 1, NULL, 0, 1, 2)));
}

static const float targets[] = {0, 1, 1, 0, 1, 0.25f};

static void
binary_formula(double *out, const double *in, const Shape *s)
{
	*out = 0;
	for (size_t i = 0; i < s->columns; i++)
	{
		double		p = 1 / (1 + exp(-in[i]));

		*out -= (s->weights == NULL ? 1 : s->weights[i]) * (targets[i] * log(p) + (1 - targets[i]) * log(1 - p));
	}
}

static void
binary_crossentropy(UnitHost *unit)
{
	static const float weights[] = {0.5f, 1.0f, 2.0f, 0.0f, 3.0f, 1.5f};
	static const float far[] = {-800.0f, 800.0f};

	for (int kind = 0; kind < 2; kind++)
	{
		Trial		t = trial(binary_formula, 6, 1, unit);

		t.shape.columns = 6;
		t.shape.weights = kind ? weights : NULL;
		t.out[0] = (float) tcls_binary_crossentropy_forward(t.in, targets, t.shape.weights, 6);
		check_forward("binary cross entropy", &t, unit);
		tcls_binary_crossentropy_backward(t.gradient, t.in, targets, t.shape.weights, t.upstream[0], 6);
		check_backward("binary cross entropy", &t, unit);
	}
	CHECK_CLOSE(tcls_binary_crossentropy_forward(far, targets, NULL, 2), 0, 1e-12);
	CHECK_CLOSE(tcls_binary_crossentropy_forward(far, targets + 1, NULL, 1), 800, 1e-9);
}

/* ---- dropout ---- */

#define DROPOUT_ROWS 40
#define DROPOUT_COLUMNS 517

static float first_mask[DROPOUT_ROWS * DROPOUT_COLUMNS];

static void
dropout_case(UnitHost *unit)
{
	const TclsDropout dropout = {123, 0.3f};
	const TclsDropout other = {124, 0.3f};
	static float mask[DROPOUT_ROWS * DROPOUT_COLUMNS];
	static float different[DROPOUT_ROWS * DROPOUT_COLUMNS];
	size_t		count = DROPOUT_ROWS * DROPOUT_COLUMNS;
	double		sum = 0;
	size_t		equal = 0;
	size_t		shifted = 0;

	(void) unit;
	for (size_t i = 0; i < count; i++)
		mask[i] = different[i] = 1;
	tcls_dropout(mask, mask, &dropout, DROPOUT_ROWS, DROPOUT_COLUMNS);
	tcls_dropout(different, different, &other, DROPOUT_ROWS, DROPOUT_COLUMNS);
	if (tcls_isa() == TCLS_ISA_PLAIN)
		memcpy(first_mask, mask, sizeof(mask));
	CHECK(memcmp(first_mask, mask, sizeof(mask)) == 0);
	for (size_t i = 0; i < count; i++)
	{
		CHECK(mask[i] == 0 || fabs(mask[i] - 1 / 0.7) < 1e-6);
		sum += mask[i];
		equal += mask[i] == different[i];
		shifted += i + DROPOUT_COLUMNS < count && mask[i] == mask[i + DROPOUT_COLUMNS];
	}
	/* Four deviations: sqrt(0.3 * 0.7 / count) of the rate is 0.0032. */
	CHECK_CLOSE(sum / (double) count, 1, 0.02);
	/* Independent masks agree in 0.3^2 + 0.7^2 of the places. */
	CHECK_CLOSE((double) equal / (double) count, 0.58, 0.015);
	CHECK_CLOSE((double) shifted / (double) (count - DROPOUT_COLUMNS), 0.58, 0.015);
}

static void
dropout_is_a_function_of_its_key(UnitHost *unit)
{
	each_variant(dropout_case, unit);
}

static void
sums_case(UnitHost *unit)
{
	const TclsDropout dropout = {9, 0.5f};

	for (size_t w = 0; w < WIDTHS; w++)
	{
		size_t		c = widths[w];
		float	   *x;
		float	   *y;
		float	   *z;

		CHECK_OK(tcls_alloc(&x, 3 * c, sizeof(float), &unit->host), &unit->host);
		CHECK_OK(tcls_alloc(&y, 3 * c, sizeof(float), &unit->host), &unit->host);
		CHECK_OK(tcls_alloc(&z, 3 * c, sizeof(float), &unit->host), &unit->host);
		fill(x, 3 * c, 1);
		fill(y, 3 * c, 2);
		memcpy(z, x, 3 * c * sizeof(float));
		tcls_dropout_add(z, z, y, &dropout, 3, c);
		tcls_dropout(x, x, &dropout, 3, c);
		for (size_t i = 0; i < 3 * c; i++)
			CHECK_CLOSE(z[i], x[i] + y[i], 1e-6);
		tcls_broadcast_rows(z, x, 3, c);
		tcls_broadcast_add(y, y, x, 3, c);
		tcls_broadcast_add(y, z, x, 3, c);
		for (size_t i = 0; i < 3 * c; i++)
			CHECK(z[i] == x[i % c] && y[i] == 2 * x[i % c]);
		tcls_sum_rows(x, y, 3, c);
		for (size_t i = 0; i < c; i++)
			CHECK_CLOSE(x[i], 7 * z[i], 1e-5);
	}
}

static void
sums_of_rows(UnitHost *unit)
{
	each_variant(sums_case, unit);
}

static void
unsupported_variant_falls_back(UnitHost *unit)
{
	(void) unit;
	tcls_isa_select(TCLS_ISA_BEST);
	CHECK(tcls_isa_supported(tcls_isa()));
	for (int isa = (int) tcls_isa() + 1; isa < TCLS_ISA_COUNT; isa++)
		CHECK(!tcls_isa_supported((TclsIsa) isa));
	tcls_isa_select(TCLS_ISA_PLAIN);
	CHECK(tcls_isa() == TCLS_ISA_PLAIN);
}

int
main(void)
{
	RUN(layernorm);
	RUN(activations);
	RUN(gelu_error);
	RUN(probabilities);
	RUN(embedding);
	RUN(attention);
	RUN(attention_blocks);
	RUN(attention_tails);
	RUN(attention_of_far_scores);
	RUN(pooling);
	RUN(crossentropy);
	RUN(crossentropy_of_far_logits);
	RUN(binary_crossentropy);
	RUN(dropout_is_a_function_of_its_key);
	RUN(sums_of_rows);
	RUN(unsupported_variant_falls_back);
	return unit_finish();
}
