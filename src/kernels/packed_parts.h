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
#if defined(__x86_64__)
extern const TclsPackedKernel tcls_packed_fp32_avx2;
extern const TclsPackedKernel tcls_packed_fp32_avx512;
extern const TclsPackedKernel tcls_packed_int8_avx2;
extern const TclsPackedKernel tcls_packed_int8_avx512;
extern const TclsPackedKernel tcls_packed_int8_vnni;
#endif
extern const TclsPackedKernel tcls_packed_bf16_onednn;
extern const TclsPackedKernel tcls_packed_int8_onednn;
extern const TclsPackedKernel tcls_packed_fp32_onednn;	/* not in the list: see packed_onednn.c */

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
 * Where the quantised elements go: a row is cut into pieces of so many columns; piece p of row i
 * begins at byte p * piece_stride + i * row_stride.  The last one is filled up with zeros to a
 * multiple of so many elements.
 */
typedef struct TclsQuantisedPlace
{
	TclsQuantised form;
	size_t		piece_columns;
	size_t		piece_stride;
	size_t		row_stride;
	size_t		multiple;
} TclsQuantisedPlace;

/* What the quantised rows mean: x is about q * scale + shift.  shifts NULL: there are none. */
typedef struct TclsQuantisedRows
{
	float	   *scales;			/* (rows) NaN for a row that is not finite, 0 for one whose range is below 1e-30 */
	float	   *shifts;			/* (rows) or NULL */
} TclsQuantisedRows;

/* q = x (rows, columns) quantised; where the scale is NaN or 0, q is 0. */
extern void tcls_quantise_rows(void *q, const TclsQuantisedRows *meaning, const float *x, size_t rows,
							   size_t columns, const TclsQuantisedPlace *place);

/* q = x (columns), an output channel: without a shift.  *total = scale * the sum of q. */
extern void tcls_quantise_channel(void *q, float *scale, float *total, const float *x, size_t columns,
								  const TclsQuantisedPlace *place);

/* The scales and, behind them, the shifts of M rows of inputs at the beginning of the inputs. */
extern size_t tcls_quantised_rows_bytes(size_t m);
extern TclsQuantisedRows tcls_quantised_rows(const void *input, size_t m);

/* y = x rounded to bfloat16; y may be x. */
extern void tcls_round_bf16(float *y, const float *x, size_t count);

/* Rows of x, which begin every x_stride floats, as bfloat16 in rows of y_stride that are filled up with zeros. */
extern void tcls_narrow_bf16(uint16_t *y, const float *x, size_t rows, size_t columns, size_t x_stride,
							 size_t y_stride);

/* ---- products by tiles (packed_tiles.c) ---- */

/*
 * Inputs and weights are cut along K into steps of 4 bytes of a row: one float, two int16 or four
 * int8.  A panel holds the steps of PANEL_VECTORS vectors of output channels, one channel a lane.
 * Inputs lie in blocks of TCLS_TILE_DEPTH steps, (blocks, M, row of TCLS_TILE_ROW bytes): a row of a
 * tile is then at a distance that the compiler knows, and the 64 bytes between keep the rows of a
 * tile out of each other's cache sets.
 */
#define TCLS_TILE_DEPTH 384
#define TCLS_TILE_ROW (TCLS_TILE_DEPTH * 4 + 64)
#define TCLS_TILE_VECTORS 2		/* of a panel */
#define TCLS_TILE_MAX_ROWS 14

/* One call: sums (rows, columns of the panels) (+)= rows of the input times panels, over some steps. */
typedef struct TclsTile
{
	void	   *sums;			/* of 4 bytes each */
	size_t		stride;			/* of sums, in bytes */
	const char *input;
	const char *panel;
	size_t		panel_stride;	/* bytes to the next panel */
	size_t		steps;
	bool		accumulate;
} TclsTile;

typedef void (*TclsTileFunction) (const TclsTile *tile);

typedef struct TclsTiling
{
	size_t		columns;		/* of a panel */
	size_t		step_bytes;		/* of a panel */
	size_t		step_depth;		/* elements of K */
	size_t		max_rows;		/* of a tile */
	TclsTileFunction tiles[TCLS_TILE_MAX_ROWS];	/* by rows - 1, one panel */
	TclsTileFunction wide_tiles[3]; /* by rows - 1, 4, 2 and 2 panels: enough sums in flight for few rows */
} TclsTiling;

/* Bytes of inputs and of panels. */
extern size_t tcls_tiling_input_bytes(int m, int k, const TclsTiling *tiling);
extern size_t tcls_tiling_panel_bytes(int n, int k, const TclsTiling *tiling);

/* Where step s of channel j begins in the panels, and how long a step of one channel is. */
extern size_t tcls_tiling_place(size_t j, size_t s, int k, const TclsTiling *tiling);

/*
 * What int32 sums of q times q mean: (sum - excess of the column) * scale of the row * scale of the
 * column + shift of the row * total of the column.
 */
typedef struct TclsScales
{
	TclsQuantisedRows rows;
	const float *columns;
	const float *totals;		/* scale of the column times the sum of its q */
	const int32_t *excess;		/* or NULL */
} TclsScales;

/* Y; scales NULL: the sums are floats. */
extern void tcls_tiling_multiply(float *y, const void *input, const void *panels, int m, int n, int k,
								 const TclsScales *scales, const TclsTiling *tiling, const TclsEpilogue *epilogue);

/* ---- the end of a block of the product (packed_finish.c) ---- */

typedef struct TclsPackedBlock
{
	void	   *sums;			/* (rows, stride), int32 if there are scales, or floats; overwritten */
	size_t		stride;
	size_t		rows;
	size_t		columns;
	size_t		first_row;		/* its place in Y (M, N) */
	size_t		first_column;
	size_t		n;
	const TclsScales *scales;	/* of all rows and columns, or NULL */
} TclsPackedBlock;

/* The block of y = f(sums * scales + bias) + residual. */
extern void tcls_packed_finish(float *y, const TclsPackedBlock *block, const TclsEpilogue *epilogue);

#endif							/* TEXTCLS_PACKED_PARTS_H */
