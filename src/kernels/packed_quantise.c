/*
 * packed_quantise.c
 *		Floats to int8 with a scale and a shift by row, and to bfloat16.
 */
#include <math.h>
#include <string.h>

#include "kernels/packed_parts.h"
#include "kernels/variant.h"
#include "base/pure_c.h"

#define ABSOLUTE_BITS UINT32_C(0x7fffffff)
#define INFINITY_BITS UINT32_C(0x7f800000)

static TCLS_BODY bool
is_finite(float x)
{
	uint32_t	bits;

	memcpy(&bits, &x, sizeof(bits));
	return (bits & ABSOLUTE_BITS) < INFINITY_BITS;
}

typedef struct Range
{
	float		low;
	float		high;
	bool		is_finite;
} Range;

/* x times 0 is not 0 where x is not finite, and so the sum tells. */
static TCLS_BODY Range
range_of(const float *x, size_t columns)
{
	float		low = x[0];
	float		high = low;
	float		zero = 0.0f;
	Range		range;

#pragma omp simd reduction(min:low) reduction(max:high) reduction(+:zero)
	for (size_t i = 0; i < columns; i++)
	{
		low = x[i] < low ? x[i] : low;
		high = x[i] > high ? x[i] : high;
		zero += x[i] * 0.0f;
	}
	range.low = low;
	range.high = high;
	range.is_finite = is_finite(zero);
	return range;
}

/* How a row is quantised: q = round((x - shift) * inverse).  inverse 0: zeros, whatever x is. */
typedef struct Map
{
	float		shift;
	float		inverse;
	float		scale;
} Map;

static TCLS_BODY Map
map_of(const float *x, size_t columns, bool shifted)
{
	Range		range = range_of(x, columns);
	float		half = shifted ? 0.5f * range.high - 0.5f * range.low :
		range.high > -range.low ? range.high : -range.low;
	Map			map = {shifted ? 0.5f * range.high + 0.5f * range.low : 0.0f, 0.0f, 0.0f};

	if (!range.is_finite)
		map.scale = NAN;
	else if (half >= 1e-30f)
	{
		map.inverse = 127.0f / half;
		map.scale = half / 127.0f;
	}
	return map;
}

/* Beyond 127 is only what a shift rounded to an end of the range leaves: a row of nearly equal numbers. */
static TCLS_BODY float
step_of(float x, Map map)
{
	float		step = rintf((x - map.shift) * map.inverse);

	step = step < -127.0f ? -127.0f : step;
	return step > 127.0f ? 127.0f : step;
}

#define EACH_ELEMENT(type, offset) \
	do { \
		_Pragma("omp simd") \
		for (size_t i = 0; i < columns; i++) \
			((type *) q)[i] = (type) ((int32_t) step_of(x[i], map) + (offset)); \
		for (size_t i = columns; i < filled; i++) \
			((type *) q)[i] = (type) (offset); \
	} while (0)

static TCLS_BODY void
quantise_piece(void *q, const float *x, size_t columns, size_t filled, Map map, TclsQuantised form)
{
	if (map.inverse == 0.0f)
		columns = 0;
	switch (form)
	{
		case TCLS_QUANTISED_INT8:
			EACH_ELEMENT(int8_t, 0);
			break;
		case TCLS_QUANTISED_UINT8:
			EACH_ELEMENT(uint8_t, 128);
			break;
		case TCLS_QUANTISED_INT16:
			EACH_ELEMENT(int16_t, 0);
			break;
	}
}

static TCLS_BODY Map
quantise_row(char *q, const float *x, size_t columns, bool shifted, const TclsQuantisedPlace *place)
{
	Map			map = map_of(x, columns, shifted);

	for (size_t i = 0; i < columns; i += place->piece_columns)
	{
		size_t		piece = columns - i < place->piece_columns ? columns - i : place->piece_columns;

		quantise_piece(q, x + i, piece, (piece + place->multiple - 1) / place->multiple * place->multiple, map,
					   place->form);
		q += place->piece_stride;
	}
	return map;
}

static TCLS_BODY void
quantise_rows(void *q, const TclsQuantisedRows *meaning, const float *x, size_t rows, size_t columns,
			  const TclsQuantisedPlace *place)
{
	for (size_t i = 0; i < rows; i++)
	{
		Map			map = quantise_row((char *) q + i * place->row_stride, x + i * columns, columns,
									   meaning->shifts != NULL, place);

		meaning->scales[i] = map.scale;
		if (meaning->shifts != NULL)
			meaning->shifts[i] = map.shift;
	}
}

TCLS_VARIANTS(quantise_rows,
			  (void *q, const TclsQuantisedRows *meaning, const float *x, size_t rows, size_t columns,
			   const TclsQuantisedPlace *place),
			  (q, meaning, x, rows, columns, place))

/* The elements are int8 without gaps. */
void
tcls_quantise_channel(void *q, float *scale, float *total, const float *x, size_t columns,
					  const TclsQuantisedPlace *place)
{
	TclsQuantisedRows meaning = {scale, NULL};
	int32_t		sum = 0;

	tcls_quantise_rows(q, &meaning, x, 1, columns, place);
	for (size_t i = 0; i < columns; i++)
		sum += ((const int8_t *) q)[i];
	*total = *scale * (float) sum;
}

static size_t
shifts_offset(size_t m)
{
	return tcls_packed_round_up(m * sizeof(float), 64);
}

size_t
tcls_quantised_rows_bytes(size_t m)
{
	return 2 * shifts_offset(m);
}

TclsQuantisedRows
tcls_quantised_rows(const void *input, size_t m)
{
	TclsQuantisedRows rows = {(float *) input, (float *) ((char *) input + shifts_offset(m))};

	return rows;
}

/* To nearest even; the upper half is the result. */
static TCLS_BODY uint32_t
bf16_bits(const float *x)
{
	uint32_t	bits;
	uint32_t	rounded;

	memcpy(&bits, x, sizeof(bits));
	rounded = bits + 0x7fff + (bits >> 16 & 1);
	/* A NaN must not round to infinity. */
	return (bits & ABSOLUTE_BITS) > INFINITY_BITS ? bits | UINT32_C(0x00400000) : rounded;
}

static TCLS_BODY void
round_bf16(float *y, const float *x, size_t count)
{
#pragma omp simd
	for (size_t i = 0; i < count; i++)
	{
		uint32_t	rounded = bf16_bits(&x[i]) & UINT32_C(0xffff0000);

		memcpy(&y[i], &rounded, sizeof(rounded));
	}
}

TCLS_VARIANTS(round_bf16, (float *y, const float *x, size_t count), (y, x, count))

static TCLS_BODY void
narrow_bf16(uint16_t *y, const float *x, size_t rows, size_t columns, size_t x_stride, size_t y_stride)
{
	for (size_t i = 0; i < rows; i++)
	{
		const float *from = x + i * x_stride;
		uint16_t   *to = y + i * y_stride;

#pragma omp simd
		for (size_t j = 0; j < columns; j++)
			to[j] = (uint16_t) (bf16_bits(&from[j]) >> 16);
		for (size_t j = columns; j < y_stride; j++)
			to[j] = 0;
	}
}

TCLS_VARIANTS(narrow_bf16,
			  (uint16_t *y, const float *x, size_t rows, size_t columns, size_t x_stride, size_t y_stride),
			  (y, x, rows, columns, x_stride, y_stride))
