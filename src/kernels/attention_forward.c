/*
 * attention_forward.c
 *		The forward of attention.c: one head of one text.
 *
 * What the instruction sets share; the loops over vectors are in attention_forward.inc.
 */
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/element.h"
#include "kernels/lanes.h"
#include "base/pure_c.h"

#define QUERY_VECTORS 3			/* of queries in a block, at most */
#define WIDTH_MAX (QUERY_VECTORS * 16)	/* queries in a block, at most */
#define ROWS_MAX 16				/* of a tile of scores */
#define COLUMN_STEP 16			/* columns of a head are rounded up to it */
#define LOG2_E 1.44269504f

/* A head at work; the scores are in units of log 2. */
typedef struct AttentionHead
{
	const float *queries;		/* (n, 3H), from the head's column on */
	float	   *context;		/* (n, H), from the head's column on */
	float	   *logsum;			/* (n, A), from the head's column on, or NULL */
	size_t		hidden;			/* H */
	size_t		heads;			/* A */
	size_t		d_padded;
	float		scale;			/* of the queries */
	TclsDropout dropout;
	uint64_t	mask_row;		/* of the text's first token */
	float	   *keys;			/* (n, d_padded), then the last row again up to a whole tile */
	float	   *values;			/* (n, d_padded) */
	float	   *across;			/* (D, W) queries of the block, transposed */
	float	   *scores;			/* (n, W), and a tile behind */
	float	   *out;			/* (W, d_padded), used where the columns do not fill vectors */
} AttentionHead;

static size_t
padded_size(size_t head_size)
{
	return (head_size + COLUMN_STEP - 1) / COLUMN_STEP * COLUMN_STEP;
}

size_t
tcls_attention_forward_scratch(size_t tokens, size_t head_size)
{
	size_t		d = padded_size(head_size);
	size_t		n = tokens + ROWS_MAX;

	return 2 * n * d + 2 * WIDTH_MAX * d + (n + 1) * WIDTH_MAX;
}

/* to (rows_wanted, width) = rows of a head, zeros behind their d columns, the last row again behind the last. */
static TCLS_BODY void
copy_rows(float *to, size_t width, const float *from, size_t stride, size_t rows, size_t rows_wanted, size_t d)
{
	for (size_t i = 0; i < rows_wanted; i++)
	{
		const float *row = from + (i < rows ? i : rows - 1) * stride;

#pragma omp simd
		for (size_t k = 0; k < d; k++)
			to[i * width + k] = row[k];
		for (size_t k = d; k < width; k++)
			to[i * width + k] = 0.0f;
	}
}

static TCLS_BODY AttentionHead
begin_head(float *context, float *logsum, const float *qkv, const TclsAttention *shape, size_t head, float *scratch)
{
	AttentionHead a;
	size_t		rows = shape->tokens + ROWS_MAX;

	a.hidden = shape->heads * shape->head_size;
	a.heads = shape->heads;
	a.d_padded = padded_size(shape->head_size);
	a.scale = LOG2_E / sqrtf((float) shape->head_size);
	a.queries = qkv + head * shape->head_size;
	a.context = context + head * shape->head_size;
	a.logsum = logsum == NULL ? NULL : logsum + head;
	a.dropout = shape->dropout;
	a.mask_row = shape->first_token * shape->heads + head;
	a.keys = scratch;
	a.values = a.keys + rows * a.d_padded;
	a.across = a.values + rows * a.d_padded;
	a.out = a.across + WIDTH_MAX * a.d_padded;
	a.scores = a.out + WIDTH_MAX * a.d_padded;
	return a;
}

/* log of the sum of e^S, of some queries. */
static void
keep_logsum(const AttentionHead *a, size_t first, size_t rows, const float *max, const float *inverse)
{
	for (size_t i = 0; i < rows; i++)
		a->logsum[(first + i) * a->heads] = max[i] / LOG2_E - logf(inverse[i]);
}

/* The scores of a block (n, width) times the mask, whose rows are queries and whose columns are keys. */
static TCLS_BODY void
drop_scores(const AttentionHead *a, size_t first, size_t n, size_t width)
{
	TclsDropoutRow mask[WIDTH_MAX];

	for (size_t i = 0; i < width; i++)
		mask[i] = tcls_dropout_row(&a->dropout, a->mask_row + (first + i) * a->heads);
	for (size_t j = 0; j < n; j++)
	{
#pragma omp simd
		for (size_t i = 0; i < width; i++)
			a->scores[j * width + i] *= tcls_dropout_factor(mask[i], (uint32_t) j);
	}
}

typedef float Lanes4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t Integers4 __attribute__((vector_size(16)));

static TCLS_BODY Lanes4
max4(Lanes4 a, Lanes4 b)
{
	for (int i = 0; i < 4; i++)
		b[i] = a[i] > b[i] ? a[i] : b[i];
	return b;
}

#define NAME(name) name##_plain
#define LANES 4
#define Lanes Lanes4
#define LanesInt Integers4
#define MAX(a, b) max4(a, b)
#define ATTENTION_TARGET
#include "kernels/attention_forward.inc"

#if defined(__x86_64__)
typedef float Lanes8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float Lanes16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Integers8 __attribute__((vector_size(32)));
typedef int32_t Integers16 __attribute__((vector_size(64)));

#define NAME(name) name##_avx2
#define LANES 8
#define Lanes Lanes8
#define LanesInt Integers8
#define MAX(a, b) ((Lanes8) _mm256_max_ps(a, b))
#define ATTENTION_TARGET __attribute__((target("avx2,fma")))
#include "kernels/attention_forward.inc"

#define NAME(name) name##_avx512
#define LANES 16
#define Lanes Lanes16
#define LanesInt Integers16
#define MAX(a, b) ((Lanes16) _mm512_max_ps(a, b))
#define ATTENTION_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#include "kernels/attention_forward.inc"
#endif

void
tcls_attention_forward(float *context, float *logsum, const float *qkv, const TclsAttention *shape, size_t head,
					   float *scratch)
{
#if defined(__x86_64__)
	if (tcls_isa() >= TCLS_ISA_AVX512)
		attention_forward_avx512(context, logsum, qkv, shape, head, scratch);
	else if (tcls_isa() == TCLS_ISA_AVX2)
		attention_forward_avx2(context, logsum, qkv, shape, head, scratch);
	else
#endif
		attention_forward_plain(context, logsum, qkv, shape, head, scratch);
}
