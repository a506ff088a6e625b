/*
 * element.h
 *		Functions of one element that several ops share, written so that a loop over
 *		them vectorises: no branch, no call, no table.
 */
#ifndef TEXTCLS_ELEMENT_H
#define TEXTCLS_ELEMENT_H

#include <string.h>

#include "base/rng.h"
#include "kernels/variant.h"

/*
 * e^x for x <= 0 (or a little above) to about 2 units in the last place; below -86 it stays
 * at e^-86 = 4.5e-38; NaN stays NaN.  Polynomial of Cephes' expf on [-ln 2 / 2, ln 2 / 2].
 * Adding 1.5 * 2^23 rounds x / ln 2 to an integer that then lies in the low bits.
 */
static TCLS_BODY float
tcls_exp_negative(float x)
{
	float		shifted;
	float		n;
	float		p;
	uint32_t	exponent;
	uint32_t	bits;

	x = x < -86.0f ? -86.0f : x;
	shifted = x * 1.44269504f + 12582912.0f;
	n = shifted - 12582912.0f;
	x = x - n * 0.693359375f;
	x = x + n * 2.12194440e-4f;
	p = 1.9875691500e-4f;
	p = p * x + 1.3981999507e-3f;
	p = p * x + 8.3334519073e-3f;
	p = p * x + 4.1665795894e-2f;
	p = p * x + 1.6666665459e-1f;
	p = p * x + 5.0000001201e-1f;
	p = p * x * x + x + 1.0f;
	memcpy(&exponent, &shifted, sizeof(exponent));
	memcpy(&bits, &p, sizeof(bits));
	bits += exponent << 23;
	memcpy(&p, &bits, sizeof(p));
	return p;
}

/* The same for all x; above 88 it stays at e^88. */
static TCLS_BODY float
tcls_exp(float x)
{
	return tcls_exp_negative(x > 88.0f ? 88.0f : x);
}

/* A row of a dropout mask, ready for its columns. */
typedef struct TclsDropoutRow
{
	uint32_t	key1;
	uint32_t	key2;
	int32_t		threshold;		/* of 24 random bits: dropped below */
	float		scale;			/* of what is kept */
} TclsDropoutRow;

static TCLS_BODY TclsDropoutRow
tcls_dropout_row(const TclsDropout *dropout, uint64_t row)
{
	uint64_t	mixed = tcls_rng_mix(dropout->key, row);
	TclsDropoutRow result;

	result.key1 = (uint32_t) mixed;
	result.key2 = (uint32_t) (mixed >> 32);
	result.threshold = (int32_t) (dropout->probability * 16777216.0f);
	result.scale = 1.0f / (1.0f - dropout->probability);
	return result;
}

/*
 * 0 or scale.  The mixing is lowbias32 (Wellons, "Prospecting for hash functions", 2018)
 * with a second key before its second round.
 */
static TCLS_BODY float
tcls_dropout_factor(TclsDropoutRow row, uint32_t column)
{
	uint32_t	h = column + row.key1;

	h ^= h >> 16;
	h *= UINT32_C(0x7feb352d);
	h ^= (h >> 15) ^ row.key2;
	h *= UINT32_C(0x846ca68b);
	h ^= h >> 16;
	return (int32_t) (h >> 8) >= row.threshold ? row.scale : 0.0f;
}

#endif							/* TEXTCLS_ELEMENT_H */
