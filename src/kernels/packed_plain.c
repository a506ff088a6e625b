/*
 * packed_plain.c
 *		The packed products in plain C: the reference, and the way out where nothing faster runs.
 *
 * Packed weights are panels of COLUMNS output channels, (panels, K, COLUMNS), the last one filled
 * up with zeros; those of int8 follow the scales of all channels.
 */
#include <string.h>

#include "kernels/packed_parts.h"
#include "kernels/variant.h"
#include "base/pure_c.h"

#define COLUMNS 16
#define ROWS 4					/* of a tile */

static bool
always_available(void)
{
	return true;
}

static size_t
padded_columns(int n)
{
	return tcls_packed_round_up((size_t) n, COLUMNS);
}

/* Element (j, l) of W lies here. */
static size_t
packed_index(size_t j, size_t l, size_t k)
{
	return j / COLUMNS * COLUMNS * k + l * COLUMNS + j % COLUMNS;
}

/*
 * A tile of the product: sums (ROWS, COLUMNS) of x (rows of k elements) times a panel, whose
 * element w has this value.  Rows beyond the last repeat it.
 */
#define PLAIN_TILE(name, sum_type, x_type, w_type, value) \
	static TCLS_BODY void \
	name(sum_type (*sums)[COLUMNS], const x_type *x, const w_type *panel, size_t rows, size_t k) \
	{ \
		const x_type *row[ROWS]; \
		\
		for (size_t i = 0; i < ROWS; i++) \
			row[i] = x + (i < rows ? i : rows - 1) * k; \
		memset(sums, 0, ROWS * sizeof(*sums)); \
		for (size_t l = 0; l < k; l++) \
			for (size_t i = 0; i < ROWS; i++) \
				for (size_t j = 0; j < COLUMNS; j++) \
				{ \
					w_type		w = panel[l * COLUMNS + j]; \
					\
					sums[i][j] += (sum_type) row[i][l] * (value); \
				} \
	}

static TCLS_BODY float
bf16_value(uint16_t bits)
{
	uint32_t	wide = (uint32_t) bits << 16;
	float		value;

	memcpy(&value, &wide, sizeof(value));
	return value;
}

PLAIN_TILE(tile_fp32, float, float, float, w)
PLAIN_TILE(tile_bf16, float, float, uint16_t, bf16_value(w))
PLAIN_TILE(tile_int8, int32_t, int8_t, int8_t, w)

/* All of Y, tile by tile. */
#define PLAIN_PRODUCT(name, sum_type, x_type, w_type) \
	static TCLS_BODY void \
	name(float *y, const x_type *x, const w_type *panels, size_t m, size_t n, size_t k, const TclsScales *scales, \
		 const TclsEpilogue *epilogue) \
	{ \
		for (size_t j = 0; j < n; j += COLUMNS) \
			for (size_t i = 0; i < m; i += ROWS) \
			{ \
				sum_type	sums[ROWS][COLUMNS]; \
				TclsPackedBlock block = {sums, COLUMNS, m - i < ROWS ? m - i : ROWS, \
					n - j < COLUMNS ? n - j : COLUMNS, i, j, n, scales}; \
				\
				tile_##name(sums, x + i * k, panels + j * k, block.rows, k); \
				tcls_packed_finish(y, &block, epilogue); \
			} \
	} \
	static void tcls_##name(float *y, const x_type *x, const w_type *panels, size_t m, size_t n, size_t k, \
							const TclsScales *scales, const TclsEpilogue *epilogue); \
	TCLS_VARIANTS(name, \
				  (float *y, const x_type *x, const w_type *panels, size_t m, size_t n, size_t k, \
				   const TclsScales *scales, const TclsEpilogue *epilogue), \
				  (y, x, panels, m, n, k, scales, epilogue))

PLAIN_PRODUCT(fp32, float, float, float)
PLAIN_PRODUCT(bf16, float, float, uint16_t)
PLAIN_PRODUCT(int8, int32_t, int8_t, int8_t)

/* ---- fp32 ---- */

static size_t
fp32_weight_bytes(int n, int k)
{
	return tcls_packed_round_up(padded_columns(n) * (size_t) k * sizeof(float), 64);
}

static void
fp32_pack(void *packed, const float *weight, int n, int k)
{
	float	   *panels = packed;

	memset(packed, 0, fp32_weight_bytes(n, k));
	for (size_t j = 0; j < (size_t) n; j++)
		for (size_t l = 0; l < (size_t) k; l++)
			panels[packed_index(j, l, (size_t) k)] = weight[j * (size_t) k + l];
}

static size_t
fp32_input_bytes(int m, int k)
{
	return tcls_packed_round_up((size_t) m * (size_t) k * sizeof(float), 64);
}

static void
fp32_convert(void *input, const float *x, int m, int k)
{
	memcpy(input, x, (size_t) m * (size_t) k * sizeof(float));
}

static void
fp32_multiply(float *y, const void *input, const void *packed, int m, int n, int k, const TclsEpilogue *epilogue)
{
	tcls_fp32(y, input, packed, (size_t) m, (size_t) n, (size_t) k, NULL, epilogue);
}

const TclsPackedKernel tcls_packed_fp32_plain = {
	"fp32 plain C", "fp32-plain-1", TCLS_FP32, true, always_available, fp32_weight_bytes, fp32_pack,
	fp32_input_bytes, fp32_convert, fp32_multiply
};

/* ---- bf16: inputs stay floats that are rounded ---- */

static size_t
bf16_weight_bytes(int n, int k)
{
	return tcls_packed_round_up(padded_columns(n) * (size_t) k * sizeof(uint16_t), 64);
}

static void
bf16_pack(void *packed, const float *weight, int n, int k)
{
	uint16_t   *panels = packed;

	memset(packed, 0, bf16_weight_bytes(n, k));
	for (size_t j = 0; j < (size_t) n; j++)
		for (size_t l = 0; l < (size_t) k; l++)
		{
			float		rounded;
			uint32_t	bits;

			tcls_round_bf16(&rounded, &weight[j * (size_t) k + l], 1);
			memcpy(&bits, &rounded, sizeof(bits));
			panels[packed_index(j, l, (size_t) k)] = (uint16_t) (bits >> 16);
		}
}

static void
bf16_convert(void *input, const float *x, int m, int k)
{
	tcls_round_bf16(input, x, (size_t) m * (size_t) k);
}

static void
bf16_multiply(float *y, const void *input, const void *packed, int m, int n, int k, const TclsEpilogue *epilogue)
{
	tcls_bf16(y, input, packed, (size_t) m, (size_t) n, (size_t) k, NULL, epilogue);
}

const TclsPackedKernel tcls_packed_bf16_plain = {
	"bf16 plain C", "bf16-plain-1", TCLS_BF16, true, always_available, bf16_weight_bytes, bf16_pack,
	fp32_input_bytes, bf16_convert, bf16_multiply
};

/* ---- int8: scales and totals, or scales and shifts, before the elements ---- */

static size_t
int8_weight_bytes(int n, int k)
{
	return tcls_packed_round_up(padded_columns(n) * (2 * sizeof(float) + (size_t) k), 64);
}

static void
int8_pack(void *packed, const float *weight, int n, int k)
{
	float	   *scales = packed;
	float	   *totals = scales + padded_columns(n);
	int8_t	   *panels = (int8_t *) (totals + padded_columns(n));
	int8_t		row[TCLS_PACKED_MAX_K];
	TclsQuantisedPlace place = {TCLS_QUANTISED_INT8, (size_t) k, 0, 0, 1};

	memset(packed, 0, int8_weight_bytes(n, k));
	for (size_t j = 0; j < (size_t) n; j++)
	{
		tcls_quantise_channel(row, &scales[j], &totals[j], weight + j * (size_t) k, (size_t) k, &place);
		for (size_t l = 0; l < (size_t) k; l++)
			panels[packed_index(j, l, (size_t) k)] = row[l];
	}
}

static size_t
int8_input_bytes(int m, int k)
{
	return tcls_quantised_rows_bytes((size_t) m) + tcls_packed_round_up((size_t) m * (size_t) k, 64);
}

static void
int8_convert(void *input, const float *x, int m, int k)
{
	TclsQuantisedPlace place = {TCLS_QUANTISED_INT8, (size_t) k, 0, (size_t) k, 1};
	TclsQuantisedRows rows = tcls_quantised_rows(input, (size_t) m);

	tcls_quantise_rows((char *) input + tcls_quantised_rows_bytes((size_t) m), &rows, x, (size_t) m,
					   (size_t) k, &place);
}

static void
int8_multiply(float *y, const void *input, const void *packed, int m, int n, int k, const TclsEpilogue *epilogue)
{
	const float *columns = packed;
	TclsScales	scales = {tcls_quantised_rows(input, (size_t) m), columns, columns + padded_columns(n), NULL};
	const int8_t *panels = (const int8_t *) (columns + 2 * padded_columns(n));

	tcls_int8(y, (const int8_t *) input + tcls_quantised_rows_bytes((size_t) m), panels, (size_t) m, (size_t) n,
			  (size_t) k, &scales, epilogue);
}

const TclsPackedKernel tcls_packed_int8_plain = {
	"int8 plain C", "int8-plain-2", TCLS_INT8, true, always_available, int8_weight_bytes, int8_pack,
	int8_input_bytes, int8_convert, int8_multiply
};
