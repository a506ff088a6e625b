/*
 * dropout.c
 *		Inverted dropout with masks that are computed, not stored.
 *
 *		forward		y = x * m / (1 - p),  m = 0 with probability p, else 1
 *		backward	dx = dy * m / (1 - p): the same function
 */
#include "kernels/element.h"
#include "base/pure_c.h"

static TCLS_BODY void
dropout(float *y, const float *x, const TclsDropout *dropout, size_t rows, size_t columns)
{
	for (size_t row = 0; row < rows; row++)
	{
		TclsDropoutRow mask = tcls_dropout_row(dropout, row);

#pragma omp simd
		for (size_t i = 0; i < columns; i++)
			y[row * columns + i] = x[row * columns + i] * tcls_dropout_factor(mask, (uint32_t) i);
	}
}

TCLS_VARIANTS(dropout,
			  (float *y, const float *x, const TclsDropout *mask, size_t rows, size_t columns),
			  (y, x, mask, rows, columns))

static TCLS_BODY void
dropout_add(float *y, const float *x, const float *residual, const TclsDropout *dropout, size_t rows, size_t columns)
{
	for (size_t row = 0; row < rows; row++)
	{
		TclsDropoutRow mask = tcls_dropout_row(dropout, row);
		size_t		first = row * columns;

#pragma omp simd
		for (size_t i = 0; i < columns; i++)
			y[first + i] = residual[first + i] + x[first + i] * tcls_dropout_factor(mask, (uint32_t) i);
	}
}

TCLS_VARIANTS(dropout_add,
			  (float *y, const float *x, const float *residual, const TclsDropout *mask, size_t rows, size_t columns),
			  (y, x, residual, mask, rows, columns))
