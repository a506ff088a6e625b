/*
 * packed.h
 *		The matrix product of inference: activations times weights that were packed once.
 *
 *		Y (M, N) = f(X (M, K) W (N, K)^T + bias) + residual
 *
 * A kernel is one way to compute it: a precision, an instruction set, a layout of the packed
 * weights.  All kernels of a precision compute the same function:
 *
 *		fp32	as tcls_gemm, up to the order of the sums
 *		bf16	X and W rounded to bfloat16 (to nearest even), sums in fp32
 *		int8	q = round((x - shift) / scale), ties to even, in -127..127.  A row of X (a token) has the
 *				middle of its range as shift and half of it as 127 scales, a row of W (an output
 *				channel) no shift.  The sums of the products of q are exact integers, so every int8
 *				kernel gives the same bits before the epilogue
 *
 * A row of X with a NaN or an infinity gives no finite number in its row of Y (before f), a row
 * of W none in its column.  K is at most TCLS_PACKED_MAX_K, so that no sum of int8 products
 * overflows 32 bits.
 *
 * References for int8: Dettmers et al., LLM.int8(), 2022 (scales by row and channel); Jacob et
 * al., 2018 (the shift: what comes out of GELU lies nearly all on one side).
 */
#ifndef TEXTCLS_PACKED_H
#define TEXTCLS_PACKED_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/kernels.h"

typedef enum TclsPrecision
{
	TCLS_FP32,
	TCLS_BF16,
	TCLS_INT8
} TclsPrecision;

#define TCLS_PRECISION_COUNT 3
#define TCLS_PACKED_MAX_K 65536

/* What is done with the product before it is stored: y = f(xw + bias) + residual. */
typedef struct TclsEpilogue
{
	const float *bias;			/* (N) */
	const TclsActivation *activation;	/* f, or NULL: none */
	const float *residual;		/* (M, N) without gaps, may be y itself; or NULL */
} TclsEpilogue;

typedef struct TclsPackedKernel
{
	const char *name;			/* "int8 AVX2", "bf16 oneDNN": for people */
	const char *layout;			/* of the packed bytes; part of a prepared file's name, changes when they do */
	TclsPrecision precision;
	bool		is_plain;		/* plain C: the reference, many times slower */

	/* Does this process have the CPU and the library for it, within tcls_isa()?  Callers ask tcls_packed_available. */
	bool		(*available) (void);

	/* Bytes of a packed matrix, a multiple of 64; and pack W (N, K) row-major into them (64-byte aligned). */
	size_t		(*weight_bytes) (int n, int k);
	void		(*pack) (void *packed, const float *weight, int n, int k);

	/* Bytes of M rows of activations in the kernel's form, and X (M, K) into that form (64-byte aligned). */
	size_t		(*input_bytes) (int m, int k);
	void		(*convert) (void *input, const float *x, int m, int k);

	/* y (M, N) without gaps. */
	void		(*multiply) (float *y, const void *input, const void *packed, int m, int n, int k,
							 const TclsEpilogue *epilogue);
} TclsPackedKernel;

/* All kernels that were built in, best first within a precision; the plain C one of each precision is always there. */
extern int	tcls_packed_kernel_count(void);
extern const TclsPackedKernel *tcls_packed_kernel(int index);

/* Available, and not rejected. */
extern bool tcls_packed_available(const TclsPackedKernel *kernel);

/* The best available kernel of a precision (never NULL). */
extern const TclsPackedKernel *tcls_packed_best(TclsPrecision precision);

/* The kernel whose layout has this name, or NULL. */
extern const TclsPackedKernel *tcls_packed_by_layout(const char *layout);

/*
 * Compare a kernel with the plain C one of its precision over tails and depths.  May crash where a
 * library does: the caller runs it where that harms nobody.  A few milliseconds.
 */
extern bool tcls_packed_self_test(const TclsPackedKernel *kernel);

/* From now on this process takes such a kernel for not available; the plain C ones stay. */
extern void tcls_packed_reject(const TclsPackedKernel *kernel);

extern const char *tcls_precision_name(TclsPrecision precision);	/* "fp32", "bf16", "int8" */

#endif							/* TEXTCLS_PACKED_H */
