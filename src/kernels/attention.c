/*
 * attention.c
 *		Scaled dot-product self-attention of one head of one text, without padding: the backward.
 *
 *		forward		S = Q K^T / sqrt(D),  P = softmax(S),  O = (P * m) V
 *					with m the dropout mask over 1 - p; logsum = log of the sum of e^S
 *		backward	dV = (P * m)^T dO,  delta = row sums of dO * O
 *					dS = P * ((dO V^T) * m - delta)
 *					dQ = dS K / sqrt(D),  dK = dS^T Q / sqrt(D)
 *
 * Scores live only for a block of queries at a time: memory is linear in the length, and the
 * backward computes P again from logsum (Dao et al., FlashAttention, 2022).  The
 * matrices are so small that calling a BLAS would cost more than the product, so
 * they are copied into rows of whole tiles, and one tile is the inner loop.  The forward,
 * which inference is bound by, has loops of its own (attention_forward.c).
 */
#include <math.h>
#include <string.h>

#include "kernels/element.h"
#include "kernels/lanes.h"
#include "base/pure_c.h"

#define BLOCK 32				/* queries at a time */
#define TILE_COLUMNS 16
#define TILE_ROWS_MAX 8

typedef float Lanes8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float Lanes16 __attribute__((vector_size(64), aligned(4), may_alias));

/* A product C (+)= op(A) B of whole tiles: element (i, k) of op(A) is a[i * row_step + k * depth_step]. */
typedef struct Product
{
	float	   *c;
	size_t		ldc;
	const float *a;
	size_t		row_step;
	size_t		depth_step;
	const float *b;
	size_t		ldb;
	size_t		depth;
	bool		accumulate;
} Product;

static TCLS_BODY void
tile_plain(float *c, const float *a, const float *b, const Product *p)
{
	for (size_t i = 0; i < 4; i++)
	{
		float		sum[TILE_COLUMNS];

		for (size_t j = 0; j < TILE_COLUMNS; j++)
			sum[j] = p->accumulate ? c[i * p->ldc + j] : 0.0f;
		for (size_t k = 0; k < p->depth; k++)
			for (size_t j = 0; j < TILE_COLUMNS; j++)
				sum[j] += a[i * p->row_step + k * p->depth_step] * b[k * p->ldb + j];
		for (size_t j = 0; j < TILE_COLUMNS; j++)
			c[i * p->ldc + j] = sum[j];
	}
}

/* Four rows of twice eight lanes: eight chains of multiply-adds, as many as hide their latency. */
static TCLS_BODY void
tile_avx2(float *c, const float *a, const float *b, const Product *p)
{
	size_t		row = p->row_step;
	Lanes8		sum[4][2];

#pragma GCC unroll 4
	for (size_t i = 0; i < 4; i++)
	{
		sum[i][0] = p->accumulate ? *(Lanes8 *) (c + i * p->ldc) : (Lanes8) {0};
		sum[i][1] = p->accumulate ? *(Lanes8 *) (c + i * p->ldc + 8) : (Lanes8) {0};
	}
	for (size_t k = 0; k < p->depth; k++)
	{
		Lanes8		b0 = *(const Lanes8 *) b;
		Lanes8		b1 = *(const Lanes8 *) (b + 8);

#pragma GCC unroll 4
		for (size_t i = 0; i < 4; i++)
		{
			sum[i][0] += a[i * row] * b0;
			sum[i][1] += a[i * row] * b1;
		}
		a += p->depth_step;
		b += p->ldb;
	}
#pragma GCC unroll 4
	for (size_t i = 0; i < 4; i++)
	{
		*(Lanes8 *) (c + i * p->ldc) = sum[i][0];
		*(Lanes8 *) (c + i * p->ldc + 8) = sum[i][1];
	}
}

/* Eight rows of sixteen lanes. */
static TCLS_BODY void
tile_avx512(float *c, const float *a, const float *b, const Product *p)
{
	size_t		row = p->row_step;
	Lanes16		sum[8];

#pragma GCC unroll 8
	for (size_t i = 0; i < 8; i++)
		sum[i] = p->accumulate ? *(Lanes16 *) (c + i * p->ldc) : (Lanes16) {0};
	for (size_t k = 0; k < p->depth; k++)
	{
		Lanes16		b0 = *(const Lanes16 *) b;

#pragma GCC unroll 8
		for (size_t i = 0; i < 8; i++)
			sum[i] += a[i * row] * b0;
		a += p->depth_step;
		b += p->ldb;
	}
#pragma GCC unroll 8
	for (size_t i = 0; i < 8; i++)
		*(Lanes16 *) (c + i * p->ldc) = sum[i];
}

/* rows and columns are rounded up to whole tiles, so C and op(A) must have room for them. */
static TCLS_BODY void
product(const Product *p, size_t rows, size_t columns, TclsIsa isa)
{
	size_t		step = isa == TCLS_ISA_AVX512 ? 8 : 4;

	for (size_t j = 0; j < columns; j += TILE_COLUMNS)
		for (size_t i = 0; i < rows; i += step)
		{
			float	   *c = p->c + i * p->ldc + j;
			const float *a = p->a + i * p->row_step;

			if (isa == TCLS_ISA_AVX512)
				tile_avx512(c, a, p->b + j, p);
			else if (isa == TCLS_ISA_AVX2)
				tile_avx2(c, a, p->b + j, p);
			else
				tile_plain(c, a, p->b + j, p);
		}
}

static TCLS_BODY size_t
round_up(size_t count, size_t step)
{
	return (count + step - 1) / step * step;
}

/* to (rows, width) = scale * from, with zeros behind the D columns and up to whole tiles of rows. */
static TCLS_BODY void
copy_rows(float *to, size_t width, const float *from, size_t stride, size_t rows, size_t columns, float scale)
{
	for (size_t i = 0; i < rows; i++)
	{
#pragma omp simd
		for (size_t k = 0; k < columns; k++)
			to[i * width + k] = scale * from[i * stride + k];
		for (size_t k = columns; k < width; k++)
			to[i * width + k] = 0.0f;
	}
	for (size_t k = rows * width; k < round_up(rows, TILE_ROWS_MAX) * width; k++)
		to[k] = 0.0f;
}

/* to (columns, width) = scale * transposed from, with zeros behind the n columns. */
static TCLS_BODY void
copy_transposed(float *to, size_t width, const float *from, size_t stride, size_t rows, size_t columns, float scale,
				TclsIsa isa)
{
	size_t		whole_rows = isa == TCLS_ISA_PLAIN ? 0 : rows / 8 * 8;
	size_t		whole_columns = columns / 8 * 8;

	for (size_t i = 0; i < whole_rows; i += 8)
	{
		const float *row[8];

#pragma GCC unroll 8
		for (size_t r = 0; r < 8; r++)
			row[r] = from + (i + r) * stride;
		for (size_t k = 0; k < whole_columns; k += 8)
			tcls_transpose_rows(to + k * width + i, width, row, k, scale);
	}
	for (size_t i = 0; i < rows; i++)
		for (size_t k = i < whole_rows ? whole_columns : 0; k < columns; k++)
			to[k * width + i] = scale * from[i * stride + k];
	for (size_t k = 0; k < columns; k++)
		for (size_t i = rows; i < width; i++)
			to[k * width + i] = 0.0f;
}

/* Sizes of one head, rounded to tiles. */
typedef struct Sizes
{
	size_t		n;
	size_t		n_padded;
	size_t		d;
	size_t		d_padded;
	size_t		hidden;			/* H */
	size_t		stride;			/* 3H */
	float		scale;
} Sizes;

static TCLS_BODY Sizes
sizes_of(const TclsAttention *shape)
{
	Sizes		s;

	s.n = shape->tokens;
	s.n_padded = round_up(s.n, TILE_COLUMNS);
	s.d = shape->head_size;
	s.d_padded = round_up(s.d, TILE_COLUMNS);
	s.hidden = shape->heads * s.d;
	s.stride = 3 * s.hidden;
	s.scale = 1.0f / sqrtf((float) s.d);
	return s;
}

size_t
tcls_attention_scratch(size_t tokens, size_t head_size)
{
	size_t		n = round_up(tokens, TILE_COLUMNS);
	size_t		d = round_up(head_size, TILE_COLUMNS);
	size_t		forward = tcls_attention_forward_scratch(tokens, head_size);
	size_t		backward = 5 * n * d + 2 * BLOCK * n + 3 * BLOCK * d;

	return forward > backward ? forward : backward;
}

/*
 * One row of the backward: from scores S and dP = dO V^T to P * m and dS, in place.  n is that
 * of whole tiles: nothing reads what becomes of the places behind the scores.
 */
static TCLS_BODY void
score_gradient(float *p, float *ds, size_t n, float logsum, float delta, const TclsDropout *dropout,
			   uint64_t mask_row)
{
	if (dropout->probability > 0)
	{
		TclsDropoutRow mask = tcls_dropout_row(dropout, mask_row);

#pragma omp simd
		for (size_t j = 0; j < n; j++)
		{
			float		probability = tcls_exp_negative(p[j] - logsum);
			float		factor = tcls_dropout_factor(mask, (uint32_t) j);

			p[j] = probability * factor;
			ds[j] = probability * (ds[j] * factor - delta);
		}
		return;
	}
#pragma omp simd
	for (size_t j = 0; j < n; j++)
	{
		p[j] = tcls_exp_negative(p[j] - logsum);
		ds[j] = p[j] * (ds[j] - delta);
	}
}

/* The rows of one block of queries: P * m into p, dS into ds. */
static TCLS_BODY void
block_gradients(float *p, float *ds, const float *dout, const float *context, const float *logsum,
				const TclsAttention *shape, const Sizes *s, size_t first, size_t rows, size_t head)
{
	for (size_t i = 0; i < rows; i++)
	{
		size_t		token = first + i;
		const float *o = context + token * s->hidden + head * s->d;
		float		delta = 0;

#pragma omp simd reduction(+:delta)
		for (size_t k = 0; k < s->d; k++)
			delta += dout[i * s->d_padded + k] * o[k];
		score_gradient(p + i * s->n_padded, ds + i * s->n_padded, s->n_padded, logsum[token * shape->heads + head],
					   delta, &shape->dropout, (shape->first_token + token) * shape->heads + head);
	}
}

/* Rows of the padded (n, d_padded) back to their place in (n, 3H). */
static TCLS_BODY void
store_rows(float *to, const float *from, const Sizes *s, size_t rows, float scale)
{
	for (size_t i = 0; i < rows; i++)
	{
#pragma omp simd
		for (size_t k = 0; k < s->d; k++)
			to[i * s->stride + k] = scale * from[i * s->d_padded + k];
	}
}

static TCLS_BODY void
attention_backward(float *dqkv, const float *dcontext, const float *qkv, const float *context, const float *logsum,
				   const TclsAttention *shape, size_t head, float *scratch, TclsIsa isa)
{
	Sizes		s = sizes_of(shape);
	size_t		size = s.n_padded * s.d_padded;
	float	   *keys = scratch; /* (n, d_padded) */
	float	   *keys_across = keys + size;	/* (D, n_padded), transposed */
	float	   *values_across = keys_across + size; /* (D, n_padded), transposed */
	float	   *dkeys = values_across + size;	/* (n_padded, d_padded) */
	float	   *dvalues = dkeys + size; /* (n_padded, d_padded) */
	float	   *p = dvalues + size; /* (BLOCK, n_padded) */
	float	   *ds = p + BLOCK * s.n_padded;	/* (BLOCK, n_padded) */
	float	   *queries = ds + BLOCK * s.n_padded;	/* (BLOCK, d_padded) */
	float	   *dout = queries + BLOCK * s.d_padded;	/* (BLOCK, d_padded) */
	float	   *dqueries = dout + BLOCK * s.d_padded;	/* (BLOCK, d_padded) */
	const float *from = qkv + head * s.d;
	float	   *to = dqkv + head * s.d;

	copy_rows(keys, s.d_padded, from + s.hidden, s.stride, s.n, s.d, s.scale);
	copy_transposed(keys_across, s.n_padded, from + s.hidden, s.stride, s.n, s.d, s.scale, isa);
	copy_transposed(values_across, s.n_padded, from + 2 * s.hidden, s.stride, s.n, s.d, 1.0f, isa);
	memset(dkeys, 0, 2 * size * sizeof(float));
	for (size_t first = 0; first < s.n; first += BLOCK)
	{
		size_t		rows = s.n - first < BLOCK ? s.n - first : BLOCK;
		Product		qk = {p, s.n_padded, queries, s.d_padded, 1, keys_across, s.n_padded, s.d, false};
		Product		ov = {ds, s.n_padded, dout, s.d_padded, 1, values_across, s.n_padded, s.d, false};
		Product		to_values = {dvalues, s.d_padded, p, 1, s.n_padded, dout, s.d_padded, rows, true};
		Product		to_keys = {dkeys, s.d_padded, ds, 1, s.n_padded, queries, s.d_padded, rows, true};
		Product		to_queries = {dqueries, s.d_padded, ds, s.n_padded, 1, keys, s.d_padded, s.n, false};

		copy_rows(queries, s.d_padded, from + first * s.stride, s.stride, rows, s.d, 1.0f);
		copy_rows(dout, s.d_padded, dcontext + first * s.hidden + head * s.d, s.hidden, rows, s.d, 1.0f);
		product(&qk, rows, s.n, isa);
		product(&ov, rows, s.n, isa);
		block_gradients(p, ds, dout, context, logsum, shape, &s, first, rows, head);
		product(&to_values, s.n, s.d, isa);
		product(&to_keys, s.n, s.d, isa);
		product(&to_queries, rows, s.d, isa);
		store_rows(to + first * s.stride, dqueries, &s, rows, 1.0f);
	}
	store_rows(to + s.hidden, dkeys, &s, s.n, s.scale);
	store_rows(to + 2 * s.hidden, dvalues, &s, s.n, 1.0f);
}

TCLS_VARIANTS_BY_ISA(attention_backward,
			  (float *dqkv, const float *dcontext, const float *qkv, const float *context, const float *logsum,
			   const TclsAttention *shape, size_t head, float *scratch),
			  (dqkv, dcontext, qkv, context, logsum, shape, head, scratch),
					 (dqkv, dcontext, qkv, context, logsum, shape, head, scratch, isa))
