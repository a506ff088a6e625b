/*
 * packed_finish.c
 *		From the sums of a block to its place in Y, while they are in the first cache.
 */
#include "kernels/packed_parts.h"
#include "kernels/variant.h"
#include "base/pure_c.h"

/* out = sums * scales + bias + residual; each of the last three may be absent. */
typedef struct Pass
{
	float	   *out;
	size_t		out_stride;
	const TclsPackedBlock *block;
	bool		scaled;
	const float *bias;			/* of these columns */
	const float *residual;		/* of this block, in rows of out_stride */
} Pass;

static TCLS_BODY void
finish_row(const Pass *pass, size_t row, size_t columns)
{
	const TclsPackedBlock *block = pass->block;
	float	   *out = pass->out + row * pass->out_stride;
	const void *sums = (const char *) block->sums + row * block->stride * sizeof(float);
	const float *residual = pass->residual + (pass->residual != NULL ? row * pass->out_stride : 0);
	float		scale = pass->scaled ? block->row_scales[row] : 1.0f;

#pragma omp simd
	for (size_t j = 0; j < columns; j++)
	{
		float		y;

		if (pass->scaled)
			y = (float) ((const int32_t *) sums)[j] * scale * block->column_scales[j];
		else
			y = ((const float *) sums)[j];
		if (pass->bias != NULL)
			y += pass->bias[j];
		if (pass->residual != NULL)
			y += residual[j];
		out[j] = y;
	}
}

/* A width that the compiler knows makes a row a few vectors without a loop. */
static TCLS_BODY void
finish_pass(const Pass *pass)
{
	size_t		rows = pass->block->rows;
	size_t		columns = pass->block->columns;

	if (columns == 16)
		for (size_t i = 0; i < rows; i++)
			finish_row(pass, i, 16);
	else if (columns == 32)
		for (size_t i = 0; i < rows; i++)
			finish_row(pass, i, 32);
	else
		for (size_t i = 0; i < rows; i++)
			finish_row(pass, i, columns);
}

static void tcls_finish_pass(const Pass *pass);

TCLS_VARIANTS(finish_pass, (const Pass *pass), (pass))

void
tcls_packed_finish(float *y, const TclsPackedBlock *block, const TclsEpilogue *epilogue)
{
	size_t		place = block->first_row * block->n + block->first_column;
	const float *bias = epilogue->bias != NULL ? epilogue->bias + block->first_column : NULL;
	const float *residual = epilogue->residual != NULL ? epilogue->residual + place : NULL;
	Pass		pass = {y + place, block->n, block, block->row_scales != NULL, bias, residual};

	if (epilogue->activation != NULL)
	{
		pass.out = block->sums;
		pass.out_stride = block->stride;
		pass.residual = NULL;
		tcls_finish_pass(&pass);
		tcls_activation_forward(block->sums, block->sums, *epilogue->activation, block->rows * block->stride);
		pass = (Pass) {y + place, block->n, block, false, NULL, residual};
	}
	tcls_finish_pass(&pass);
}
