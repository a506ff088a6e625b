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
	_Pragma("omp simd") \
	for (size_t i = 0; i < columns; i++) \
		((type *) q)[i] = (type) ((int32_t) rintf(x[i] * inverse) + (offset)); \
	for (size_t i = columns; i < stride / sizeof(type); i++) \
		((type *) q)[i] = (type) (offset)

static TCLS_BODY float
quantise_row(void *q, const float *x, size_t columns, size_t stride, TclsQuantised form)
{
	uint32_t	bits = largest_bits(x, columns);
	float		largest;
	float		inverse;

	memcpy(&largest, &bits, sizeof(largest));
	if (bits >= INFINITY_BITS || largest < 1e-30f)
	{
		memset(q, form == TCLS_QUANTISED_UINT8 ? 128 : 0, stride);
		return bits >= INFINITY_BITS ? NAN : 0.0f;
	}
	inverse = 127.0f / largest;
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
	return largest / 127.0f;
}

static TCLS_BODY void
quantise_rows(void *q, float *scales, const float *x, size_t rows, size_t columns, size_t stride, TclsQuantised form)
{
	for (size_t i = 0; i < rows; i++)
		scales[i] = quantise_row((char *) q + i * stride, x + i * columns, columns, stride, form);
}

TCLS_VARIANTS(quantise_rows,
			  (void *q, float *scales, const float *x, size_t rows, size_t columns, size_t stride,
			   TclsQuantised form),
			  (q, scales, x, rows, columns, stride, form))

static TCLS_BODY void
round_bf16(float *y, const float *x, size_t count)
{
#pragma omp simd
	for (size_t i = 0; i < count; i++)
	{
		uint32_t	bits;
		uint32_t	rounded;

		memcpy(&bits, &x[i], sizeof(bits));
		rounded = (bits + 0x7fff + (bits >> 16 & 1)) & UINT32_C(0xffff0000);
		/* A NaN must not round to infinity. */
		rounded = (bits & ABSOLUTE_BITS) > INFINITY_BITS ? bits | UINT32_C(0x00400000) : rounded;
		rounded &= UINT32_C(0xffff0000);
		memcpy(&y[i], &rounded, sizeof(rounded));
	}
}

TCLS_VARIANTS(round_bf16, (float *y, const float *x, size_t count), (y, x, count))
