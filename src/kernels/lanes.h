/*
 * lanes.h
 *		Vectors of eight floats for what gcc does not make of loops: transposing in registers, and
 *		sums in several chains, because one chain waits for each addition.
 */
#ifndef TEXTCLS_LANES_H
#define TEXTCLS_LANES_H

#include "kernels/variant.h"

typedef float TclsLanes8 __attribute__((vector_size(32), aligned(4), may_alias));

static TCLS_BODY float
tcls_lanes_sum(TclsLanes8 v)
{
	return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
}

/* The sum of f(x[i]), count numbers; f is of vectors and of numbers. */
#define TCLS_SUM_IN_CHAINS(f, x, count) \
	({ \
		TclsLanes8	chain[4] = {{0}}; \
		float		total = 0; \
		size_t		at = 0; \
		\
		for (; at + 32 <= (count); at += 32) \
			for (size_t c = 0; c < 4; c++) \
				chain[c] += f(*(const TclsLanes8 *) ((x) + at + c * 8)); \
		for (; at < (count); at++) \
			total += f((x)[at]); \
		total + tcls_lanes_sum((chain[0] + chain[1]) + (chain[2] + chain[3])); \
	})

/*
 * One step: what lies step apart changes places.  first and second name the places in low
 * and, from 8 on, in high.
 */
#define TCLS_SWAP_PAIRS(v, step, first, second) \
	for (int i = 0; i < 8; i++) \
		if ((i & step) == 0) \
		{ \
			TclsLanes8	low = v[i]; \
			TclsLanes8	high = v[i + step]; \
			\
			v[i] = first(low, high); \
			v[i + step] = second(low, high); \
		}

#define TCLS_EVEN_SINGLES(low, high) __builtin_shufflevector(low, high, 0, 8, 2, 10, 4, 12, 6, 14)
#define TCLS_ODD_SINGLES(low, high) __builtin_shufflevector(low, high, 1, 9, 3, 11, 5, 13, 7, 15)
#define TCLS_EVEN_PAIRS(low, high) __builtin_shufflevector(low, high, 0, 1, 8, 9, 4, 5, 12, 13)
#define TCLS_ODD_PAIRS(low, high) __builtin_shufflevector(low, high, 2, 3, 10, 11, 6, 7, 14, 15)
#define TCLS_LOW_HALVES(low, high) __builtin_shufflevector(low, high, 0, 1, 2, 3, 8, 9, 10, 11)
#define TCLS_HIGH_HALVES(low, high) __builtin_shufflevector(low, high, 4, 5, 6, 7, 12, 13, 14, 15)

/* to (8, width) = scale * the transpose of columns first..first + 7 of eight rows. */
static TCLS_BODY void
tcls_transpose_rows(float *to, size_t width, const float *const *row, size_t first, float scale)
{
	TclsLanes8	v[8];

#pragma GCC unroll 8
	for (size_t i = 0; i < 8; i++)
		v[i] = scale * *(const TclsLanes8 *) (row[i] + first);
#pragma GCC unroll 8
	TCLS_SWAP_PAIRS(v, 1, TCLS_EVEN_SINGLES, TCLS_ODD_SINGLES)
#pragma GCC unroll 8
	TCLS_SWAP_PAIRS(v, 2, TCLS_EVEN_PAIRS, TCLS_ODD_PAIRS)
#pragma GCC unroll 8
	TCLS_SWAP_PAIRS(v, 4, TCLS_LOW_HALVES, TCLS_HIGH_HALVES)
#pragma GCC unroll 8
	for (size_t i = 0; i < 8; i++)
		*(TclsLanes8 *) (to + i * width) = v[i];
}

#endif							/* TEXTCLS_LANES_H */
