/*
 * vector.c
 *		Sums of rows: bias forward and backward, residuals.
 */
#include <string.h>

#include "kernels/variant.h"
#include "base/pure_c.h"

void
tcls_broadcast_rows(float *y, const float *x, size_t rows, size_t columns)
{
	for (size_t row = 0; row < rows; row++)
		memcpy(y + row * columns, x, columns * sizeof(float));
}

static TCLS_BODY void
broadcast_add(float *y, const float *residual, const float *x, size_t rows, size_t columns)
{
	for (size_t row = 0; row < rows; row++)
	{
#pragma omp simd
		for (size_t i = 0; i < columns; i++)
			y[row * columns + i] = residual[row * columns + i] + x[i];
	}
}

TCLS_VARIANTS(broadcast_add,
			  (float *y, const float *residual, const float *x, size_t rows, size_t columns),
			  (y, residual, x, rows, columns))

static TCLS_BODY void
sum_rows(float *y, const float *x, size_t rows, size_t columns)
{
	for (size_t row = 0; row < rows; row++)
	{
#pragma omp simd
		for (size_t i = 0; i < columns; i++)
			y[i] += x[row * columns + i];
	}
}

TCLS_VARIANTS(sum_rows, (float *y, const float *x, size_t rows, size_t columns), (y, x, rows, columns))
