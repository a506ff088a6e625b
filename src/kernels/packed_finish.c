/*
 * packed_finish.c
 *		From the sums of a block to its place in Y, while they are in the first cache.
 */
#include "kernels/packed_parts.h"
#include "kernels/variant.h"
#include "base/pure_c.h"

/* out = (sums - excess) * scales + shifts * totals + bias + residual; all but the sums may be absent. */
typedef struct Pass
{
	float	   *out;
	size_t		out_stride;
	const TclsPackedBlock *block;
	const TclsScales *scales;
	const float *bias;			/* of these columns */
	const float *residual;		/* of this block, in rows of out_stride */
} Pass;

/* All but pass and row are constants where this is inlined, columns as often as it can be. */
static TCLS_BODY void
finish_row(const Pass *pass, size_t row, size_t columns, const bool scaled, const bool exceeded, const bool biased,
		   const bool added)
{
	const TclsPackedBlock *block = pass->block;
	float	   *out = pass->out + row * pass->out_stride;
	const float *sums = (const float *) block->sums + row * block->stride;
	const int32_t *integers = (const int32_t *) block->sums + row * block->stride;
	const float *scales = scaled ? pass->scales->columns + block->first_column : NULL;
	const int32_t *excess = exceeded ? pass->scales->excess + block->first_column : NULL;
	const float *bias = pass->bias;
	const float *residual = added ? pass->residual + row * pass->out_stride : NULL;
	const float *totals = scaled ? pass->scales->totals + block->first_column : NULL;
	float		scale = scaled ? pass->scales->rows.scales[block->first_row + row] : 1.0f;
	float		shift = scaled ? pass->scales->rows.shifts[block->first_row + row] : 0.0f;

#pragma omp simd
	for (size_t j = 0; j < columns; j++)
	{
		float		y;

		if (scaled)
			y = (float) (exceeded ? integers[j] - excess[j] : integers[j]) * scale * scales[j] + shift * totals[j];
		else
			y = sums[j];
		if (biased)
			y += bias[j];
		if (added)
			y += residual[j];
		out[j] = y;
	}
}

/* A width that the compiler knows makes a row a few vectors without a loop. */
static TCLS_BODY void
finish_rows(const Pass *pass, const bool scaled, const bool exceeded, const bool biased, const bool added)
{
	size_t		rows = pass->block->rows;
	size_t		columns = pass->block->columns;

	if (columns == 16)
		for (size_t i = 0; i < rows; i++)
			finish_row(pass, i, 16, scaled, exceeded, biased, added);
	else if (columns == 32)
		for (size_t i = 0; i < rows; i++)
			finish_row(pass, i, 32, scaled, exceeded, biased, added);
	else
		for (size_t i = 0; i < rows; i++)
			finish_row(pass, i, columns, scaled, exceeded, biased, added);
}

static TCLS_BODY void
finish_scaled(const Pass *pass, const bool scaled, const bool exceeded)
{
	if (pass->bias != NULL && pass->residual != NULL)
		finish_rows(pass, scaled, exceeded, true, true);
	else if (pass->bias != NULL)
		finish_rows(pass, scaled, exceeded, true, false);
	else if (pass->residual != NULL)
		finish_rows(pass, scaled, exceeded, false, true);
	else
		finish_rows(pass, scaled, exceeded, false, false);
}

static TCLS_BODY void
finish_pass(const Pass *pass)
{
	if (pass->scales == NULL)
		finish_scaled(pass, false, false);
	else if (pass->scales->excess == NULL)
		finish_scaled(pass, true, false);
	else
		finish_scaled(pass, true, true);
}

static void tcls_finish_pass(const Pass *pass);

TCLS_VARIANTS(finish_pass, (const Pass *pass), (pass))

void
tcls_packed_finish(float *y, const TclsPackedBlock *block, const TclsEpilogue *epilogue)
{
	size_t		place = block->first_row * block->n + block->first_column;
	const float *bias = epilogue->bias != NULL ? epilogue->bias + block->first_column : NULL;
	const float *residual = epilogue->residual != NULL ? epilogue->residual + place : NULL;
	Pass		pass = {y + place, block->n, block, block->scales, bias, residual};

	if (epilogue->activation != NULL)
	{
		pass.out = block->sums;
		pass.out_stride = block->stride;
		pass.residual = NULL;
		tcls_finish_pass(&pass);
		tcls_activation_forward(block->sums, block->sums, *epilogue->activation, block->rows * block->stride);
		pass = (Pass) {y + place, block->n, block, NULL, NULL, residual};
	}
	tcls_finish_pass(&pass);
}
