/*
 * softmax.c
 *		Probabilities of logits: softmax of rows and the logistic function.
 *
 *		softmax		y = e^(x - max) / sum
 *		sigmoid		y = 1 / (1 + e^-x)
 *
 * Their gradients are part of the losses (crossentropy.c) and of attention.c.
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
			out[i] = tcls_exp_negative(in[i] - max);
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
sigmoid_forward(float *y, const float *x, size_t count)
{
#pragma omp simd
	for (size_t i = 0; i < count; i++)
		y[i] = 1.0f / (1.0f + tcls_exp(-x[i]));
}

TCLS_VARIANTS(sigmoid_forward, (float *y, const float *x, size_t count), (y, x, count))
