/*
 * softmax.c
 *		Softmax of rows and the logistic function.
 *
 *		forward		y = e^(x - max) / sum
 *		backward	dx = y * (dy - sum(dy * y))
 */
#include "kernels/element.h"
#include "base/pure_c.h"

static TCLS_BODY void
softmax_forward(float *y, const float *x, size_t rows, size_t columns)
{
	for (size_t row = 0; row < rows; row++)
	{
		const float *in = x + row * columns;
		float	   *out = y + row * columns;
		float		max = in[0];
		float		sum = 0;
		float		scale;

#pragma omp simd reduction(max:max)
		for (size_t i = 0; i < columns; i++)
			max = in[i] > max ? in[i] : max;
#pragma omp simd reduction(+:sum)
		for (size_t i = 0; i < columns; i++)
		{
			out[i] = tcls_exp(in[i] - max);
			sum += out[i];
		}
		scale = 1.0f / sum;
#pragma omp simd
		for (size_t i = 0; i < columns; i++)
			out[i] *= scale;
	}
}

TCLS_VARIANTS(softmax_forward, (float *y, const float *x, size_t rows, size_t columns), (y, x, rows, columns))

static TCLS_BODY void
softmax_backward(float *dx, const float *dy, const float *y, size_t rows, size_t columns)
{
	for (size_t row = 0; row < rows; row++)
	{
		const float *grad = dy + row * columns;
		const float *out = y + row * columns;
		float		dot = 0;

#pragma omp simd reduction(+:dot)
		for (size_t i = 0; i < columns; i++)
			dot += grad[i] * out[i];
#pragma omp simd
		for (size_t i = 0; i < columns; i++)
			dx[row * columns + i] = out[i] * (grad[i] - dot);
	}
}

TCLS_VARIANTS(softmax_backward,
			  (float *dx, const float *dy, const float *y, size_t rows, size_t columns),
			  (dx, dy, y, rows, columns))

static TCLS_BODY void
sigmoid_forward(float *y, const float *x, size_t count)
{
#pragma omp simd
	for (size_t i = 0; i < count; i++)
		y[i] = 1.0f / (1.0f + tcls_exp(-x[i]));
}

TCLS_VARIANTS(sigmoid_forward, (float *y, const float *x, size_t count), (y, x, count))
