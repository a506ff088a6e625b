/*
 * gemm.h
 *		The one matrix product interface, and which library stands behind it.
 *
 * Row-major throughout: C (M, N) = alpha * op(A) op(B) + beta * C.
 * gemm.c is the only file that includes cblas.h.
 */
#ifndef TEXTCLS_GEMM_H
#define TEXTCLS_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

extern void tcls_gemm(float *c, const float *a, const float *b, int m, int n, int k,
					  int lda, int ldb, int ldc, bool transpose_a, bool transpose_b,
					  float alpha, float beta);

/* Any function that does the same: what the self-test tests. */
typedef void (*TclsGemm) (float *c, const float *a, const float *b, int m, int n, int k,
						  int lda, int ldb, int ldc, bool transpose_a, bool transpose_b,
						  float alpha, float beta);

/* The plain C product, same arguments: the reference, and the path of last resort. */
extern void tcls_gemm_plain(float *c, const float *a, const float *b, int m, int n, int k,
							int lda, int ldb, int ldc, bool transpose_a, bool transpose_b,
							float alpha, float beta);

/*
 * Paths in order of preference: 0 is OpenBLAS with the core it chose itself
 * (or that OPENBLAS_CORETYPE names), then OpenBLAS with older cores that this
 * CPU can run, the last is plain C.  Selecting is for the whole process and
 * only valid before the first product or in the self-test.
 */
extern int	tcls_gemm_path_count(void);
extern const char *tcls_gemm_path_name(int path);	/* "OpenBLAS Zen", ..., "plain C" */
extern void tcls_gemm_select_path(int path);
extern int	tcls_gemm_path(void);	/* the selected one */

/*
 * Compare the selected path with plain C over the shapes in use (tails,
 * transposes, small and large K).  May crash where the library does: the caller
 * runs it where that harms nobody.  Takes below 20 ms on a current CPU.
 */
extern bool tcls_gemm_self_test(void);

/* Values in -1..1 that differ from place to place, for self-tests. */
extern void tcls_self_test_fill(float *data, size_t count, unsigned int seed);

/* The same test of a given product. */
extern bool tcls_gemm_test(TclsGemm gemm);

/*
 * Mixed precision, for training: while it is on, large products round A and B to bfloat16 and sum in
 * floats, by oneDNN.  To be switched on where it is available and passes its self-test, which, as the
 * other one, may crash.  Where the library fails, the product is one of floats.
 */
extern bool tcls_gemm_bf16_available(void);
extern bool tcls_gemm_bf16_self_test(void);
extern void tcls_gemm_select_bf16(bool on);
extern bool tcls_gemm_bf16(void);	/* is it on? */

/* "OpenBLAS 0.3.21 ...", as the library says. */
extern const char *tcls_gemm_library(void);

#endif							/* TEXTCLS_GEMM_H */
