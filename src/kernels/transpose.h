/*
 * transpose.h
 *		Eight rows of eight floats, transposed in registers.
 */
#ifndef TEXTCLS_TRANSPOSE_H
#define TEXTCLS_TRANSPOSE_H

#include "kernels/variant.h"

typedef float TclsLanes8 __attribute__((vector_size(32), aligned(4), may_alias));

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

#endif							/* TEXTCLS_TRANSPOSE_H */
