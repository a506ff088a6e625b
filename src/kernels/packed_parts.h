/*
 * packed_parts.h
 *		What the kernels of packed.h have in common; for the files of this room.
 */
#ifndef TEXTCLS_PACKED_PARTS_H
#define TEXTCLS_PACKED_PARTS_H

#include "kernels/packed.h"

extern const TclsPackedKernel tcls_packed_fp32_plain;
extern const TclsPackedKernel tcls_packed_bf16_plain;
extern const TclsPackedKernel tcls_packed_int8_plain;

static inline size_t
tcls_packed_round_up(size_t size, size_t unit)
{
	return (size + unit - 1) / unit * unit;
}

/* ---- quantising (packed_quantise.c) ---- */

/* How a quantised element is stored. */
typedef enum TclsQuantised
{
	TCLS_QUANTISED_INT8,
	TCLS_QUANTISED_UINT8,		/* plus 128 */
	TCLS_QUANTISED_INT16
} TclsQuantised;

/*
 * Rows of x (rows, columns) to rows of q, which begin every stride bytes and are filled up with
 * zeros (128 for unsigned ones).  scales (rows) gets max |x| / 127, NaN for a row that is not
 * finite, and 0 for one below 1e-30, which counts as zeros.
 */
extern void tcls_quantise_rows(void *q, float *scales, const float *x, size_t rows, size_t columns, size_t stride,
							   TclsQuantised form);

/* y = x rounded to bfloat16; y may be x. */
extern void tcls_round_bf16(float *y, const float *x, size_t count);

/* ---- the end of a block of the product (packed_finish.c) ---- */

typedef struct TclsPackedBlock
{
	void	   *sums;			/* (rows, stride), floats or (with scales) int32; overwritten */
	size_t		stride;
	size_t		rows;
	size_t		columns;
	size_t		first_row;		/* its place in Y (M, N) */
	size_t		first_column;
	size_t		n;
	const float *row_scales;	/* of these rows and columns, for int32; or both NULL */
	const float *column_scales;
} TclsPackedBlock;

/* The block of y = f(sums * scales + bias) + residual. */
extern void tcls_packed_finish(float *y, const TclsPackedBlock *block, const TclsEpilogue *epilogue);

#endif							/* TEXTCLS_PACKED_PARTS_H */
