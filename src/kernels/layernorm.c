/*
 * layernorm.c
 *		Layer normalisation over the last dimension (Ba, Kiros, Hinton 2016).
 *
 *		forward		n = (x - mean) * rstd,  rstd = 1 / sqrt(variance + epsilon)
 *					y = n * weight + bias
 *		backward	g = dy * weight
 *					dx = rstd * (g - mean(g) - n * mean(g * n))
 *					dweight += sum over rows of dy * n,  dbias += sum over rows of dy
 */
#include <math.h>

#include "kernels/lanes.h"
#include "base/pure_c.h"

#define ITSELF(v) (v)
#define SQUARED(v) (((v) - m) * ((v) - m))

static TCLS_BODY void
layernorm_forward(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias,
				  float epsilon, size_t rows, size_t columns)
{
	for (size_t row = 0; row < rows; row++)
	{
		const float *in = x + row * columns;
		float	   *out = y + row * columns;
		float		m = TCLS_SUM_IN_CHAINS(ITSELF, in, columns) / (float) columns;
		float		variance = TCLS_SUM_IN_CHAINS(SQUARED, in, columns) / (float) columns;
		float		r = 1.0f / sqrtf(variance + epsilon);

#pragma omp simd
		for (size_t i = 0; i < columns; i++)
			out[i] = (in[i] - m) * r * weight[i] + bias[i];
		if (mean != NULL)
		{
			mean[row] = m;
			rstd[row] = r;
		}
	}
}

TCLS_VARIANTS(layernorm_forward,
			  (float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias,
			   float epsilon, size_t rows, size_t columns),
			  (y, mean, rstd, x, weight, bias, epsilon, rows, columns))

static TCLS_BODY void
layernorm_backward(float *dx, float *dweight, float *dbias, const float *dy, const float *x, const float *mean,
				   const float *rstd, const float *weight, size_t rows, size_t columns)
{
	for (size_t row = 0; row < rows; row++)
	{
		const float *in = x + row * columns;
		const float *grad = dy + row * columns;
		float	   *out = dx + row * columns;
		float		m = mean[row];
		float		r = rstd[row];
		float		sum = 0;
		float		product = 0;

		if (dweight != NULL)
		{
#pragma omp simd
			for (size_t i = 0; i < columns; i++)
			{
				dweight[i] += grad[i] * (in[i] - m) * r;
				dbias[i] += grad[i];
			}
		}
#pragma omp simd reduction(+:sum, product)
		for (size_t i = 0; i < columns; i++)
		{
			float		g = grad[i] * weight[i];

			sum += g;
			product += g * (in[i] - m) * r;
		}
		sum /= (float) columns;
		product /= (float) columns;
#pragma omp simd
		for (size_t i = 0; i < columns; i++)
			out[i] = r * (grad[i] * weight[i] - sum - (in[i] - m) * r * product);
	}
}

TCLS_VARIANTS(layernorm_backward,
			  (float *dx, float *dweight, float *dbias, const float *dy, const float *x, const float *mean,
			   const float *rstd, const float *weight, size_t rows, size_t columns),
			  (dx, dweight, dbias, dy, x, mean, rstd, weight, rows, columns))
