/*
 * packed_quantise.c
 *		Floats to int8 with a scale by row, and to bfloat16.
 */
#include <math.h>
#include <string.h>

#include "kernels/packed_parts.h"
#include "kernels/variant.h"
#include "base/pure_c.h"

#define ABSOLUTE_BITS UINT32_C(0x7fffffff)
#define INFINITY_BITS UINT32_C(0x7f800000)

/* The bits of max |x|, which order as the numbers do; infinity and NaN are above all others. */
static TCLS_BODY uint32_t
largest_bits(const float *x, size_t columns)
{
	uint32_t	largest = 0;

#pragma omp simd reduction(max:largest)
	for (size_t i = 0; i < columns; i++)
	{
		uint32_t	bits;

		memcpy(&bits, &x[i], sizeof(bits));
		bits &= ABSOLUTE_BITS;
		largest = bits > largest ? bits : largest;
	}
	return largest;
}

#define EACH_ELEMENT(type, offset) \
	do { \
		_Pragma("omp simd") \
		for (size_t i = 0; i < columns; i++) \
			((type *) q)[i] = (type) ((int32_t) rintf(x[i] * inverse) + (offset)); \
		for (size_t i = columns; i < filled; i++) \
			((type *) q)[i] = (type) (offset); \
	} while (0)

/* inverse 0: zeros, whatever x is. */
static TCLS_BODY void
quantise_piece(void *q, const float *x, size_t columns, size_t filled, float inverse, TclsQuantised form)
{
	if (inverse == 0.0f)
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

static TCLS_BODY float
quantise_row(char *q, const float *x, size_t columns, const TclsQuantisedPlace *place)
{
	uint32_t	bits = largest_bits(x, columns);
	float		largest;
	float		inverse;

	memcpy(&largest, &bits, sizeof(largest));
	inverse = bits >= INFINITY_BITS || largest < 1e-30f ? 0.0f : 127.0f / largest;
	for (size_t i = 0; i < columns; i += place->piece_columns)
	{
		size_t		piece = columns - i < place->piece_columns ? columns - i : place->piece_columns;

		quantise_piece(q, x + i, piece, (piece + place->multiple - 1) / place->multiple * place->multiple, inverse,
					   place->form);
		q += place->piece_stride;
	}
	return bits >= INFINITY_BITS ? NAN : inverse == 0.0f ? 0.0f : largest / 127.0f;
}

static TCLS_BODY void
quantise_rows(void *q, float *scales, const float *x, size_t rows, size_t columns, const TclsQuantisedPlace *place)
{
	for (size_t i = 0; i < rows; i++)
		scales[i] = quantise_row((char *) q + i * place->row_stride, x + i * columns, columns, place);
}

TCLS_VARIANTS(quantise_rows,
			  (void *q, float *scales, const float *x, size_t rows, size_t columns, const TclsQuantisedPlace *place),
			  (q, scales, x, rows, columns, place))

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
