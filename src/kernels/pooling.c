/*
 * pooling.c
 *		One vector a text from its tokens.
 *
 *		mean		y = sum of x / n			dx[t] = dy / n
 *		first		y = x[start]				dx[start] = dy, else 0
 *		max			y = max over t of x[t]		dx = dy at the first token that has the maximum, else 0
 */
#include <string.h>

#include "kernels/variant.h"
#include "base/pure_c.h"

static TCLS_BODY void
pooling_forward(float *y, const float *x, TclsPoolKind kind, const int32_t *starts, size_t texts, size_t columns)
{
	for (size_t text = 0; text < texts; text++)
	{
		const float *first = x + (size_t) starts[text] * columns;
		size_t		tokens = (size_t) (starts[text + 1] - starts[text]);
		float	   *out = y + text * columns;
		float		scale = 1.0f / (float) tokens;

		memcpy(out, first, columns * sizeof(float));
		if (kind == TCLS_POOL_KIND_FIRST)
			continue;
		for (size_t t = 1; t < tokens; t++)
		{
			const float *in = first + t * columns;

			if (kind == TCLS_POOL_KIND_MEAN)
			{
#pragma omp simd
				for (size_t i = 0; i < columns; i++)
					out[i] += in[i];
			}
			else
			{
#pragma omp simd
				for (size_t i = 0; i < columns; i++)
					out[i] = in[i] > out[i] ? in[i] : out[i];
			}
		}
		if (kind == TCLS_POOL_KIND_MEAN)
		{
#pragma omp simd
			for (size_t i = 0; i < columns; i++)
				out[i] *= scale;
		}
	}
}

TCLS_VARIANTS(pooling_forward,
			  (float *y, const float *x, TclsPoolKind kind, const int32_t *starts, size_t texts, size_t columns),
			  (y, x, kind, starts, texts, columns))

/* One text of the maximum: dx is zero before. */
static TCLS_BODY void
max_backward(float *dx, const float *dy, const float *x, size_t tokens, size_t columns)
{
	for (size_t i = 0; i < columns; i++)
	{
		size_t		best = 0;

		for (size_t t = 1; t < tokens; t++)
			if (x[t * columns + i] > x[best * columns + i])
				best = t;
		dx[best * columns + i] = dy[i];
	}
}

static TCLS_BODY void
pooling_backward(float *dx, const float *dy, const float *x, TclsPoolKind kind, const int32_t *starts,
				 size_t texts, size_t columns)
{
	for (size_t text = 0; text < texts; text++)
	{
		size_t		first = (size_t) starts[text] * columns;
		size_t		tokens = (size_t) (starts[text + 1] - starts[text]);
		const float *grad = dy + text * columns;
		float		scale = 1.0f / (float) tokens;

		if (kind == TCLS_POOL_KIND_MEAN)
		{
			for (size_t t = 0; t < tokens; t++)
			{
#pragma omp simd
				for (size_t i = 0; i < columns; i++)
					dx[first + t * columns + i] = grad[i] * scale;
			}
			continue;
		}
		memset(dx + first, 0, tokens * columns * sizeof(float));
		if (kind == TCLS_POOL_KIND_FIRST)
			memcpy(dx + first, grad, columns * sizeof(float));
		else
			max_backward(dx + first, grad, x + first, tokens, columns);
	}
}

TCLS_VARIANTS(pooling_backward,
			  (float *dx, const float *dy, const float *x, TclsPoolKind kind, const int32_t *starts,
			   size_t texts, size_t columns),
			  (dx, dy, x, kind, starts, texts, columns))
