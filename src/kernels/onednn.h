/*
 * onednn.h
 *		oneDNN, where it is installed: products that use AMX or AVX-512 bf16.
 *
 * The library is looked for at run time, so nothing depends on it and a process that has no use for
 * it never loads it.  Versions 2 and 3 are known, built for OpenMP or for one thread; the files
 * "packed_onednn.c" and "gemm.c" use it.
 */
#ifndef TEXTCLS_ONEDNN_H
#define TEXTCLS_ONEDNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Load the library, the first time.  False: there is none that can be used. */
extern bool tcls_onednn_open(void);

/* Is the CPU one that it is worth loading for, within tcls_isa(), and is it open?  Opens it if so. */
extern bool tcls_onednn_pays(void);

/* When it pays: does it use AMX? */
extern bool tcls_onednn_has_amx(void);

/* For people: "oneDNN 2.6.3 with AMX", or "not used: " and why. */
extern const char *tcls_onednn_status(void);

/* ---- products with packed weights ---- */

/* The library's names of element types; sums are floats, or int32 for int8. */
typedef enum TclsOnednnType
{
	TCLS_ONEDNN_BF16 = 2,
	TCLS_ONEDNN_FP32 = 3,
	TCLS_ONEDNN_INT8 = 5
} TclsOnednnType;

/* Sums (rows, n) = x (rows, k) times a panel of weights (n, k): one shape, kept by the process for good. */
typedef struct TclsOnednnProduct TclsOnednnProduct;

/* Rows of x and of sums are there in multiples of the first; no product takes more than the second. */
#define TCLS_ONEDNN_ROWS 8
#define TCLS_ONEDNN_MOST_ROWS 128

/* n and k are multiples of 64.  NULL: the library has no such product here, or no memory. */
extern TclsOnednnProduct *tcls_onednn_product(TclsOnednnType type, int n, int k);

/* Bytes of a packed panel, and what tells its form from others. */
extern size_t tcls_onednn_panel_bytes(const TclsOnednnProduct *product);
extern uint64_t tcls_onednn_panel_form(const TclsOnednnProduct *product);

/* Room for weights (n, k), to be filled; NULL: no memory.  Then pack them into a panel (64-byte aligned). */
extern void *tcls_onednn_pack_begin(TclsOnednnProduct *product);
extern bool tcls_onednn_pack_end(TclsOnednnProduct *product, void *panel);

/* The first rows of sums: how many of those wanted, rounded up to TCLS_ONEDNN_ROWS.  0: the product failed. */
extern int	tcls_onednn_multiply(TclsOnednnProduct *product, void *sums, const void *x, const void *panel,
								 int wanted);

/* The version, build and instruction set that decide the forms of panels: "2.6.3-release-3e7". */
extern const char *tcls_onednn_build(void);

/* ---- products of bfloat16 ---- */

extern bool tcls_onednn_has_gemm_bf16(void);

/* C (M, N) = op(A) op(B) + beta * C as tcls_gemm; false: nothing was computed. */
extern bool tcls_onednn_gemm_bf16(float *c, const uint16_t *a, const uint16_t *b, int m, int n, int k, int lda,
								  int ldb, int ldc, bool transpose_a, bool transpose_b, float beta);

#endif							/* TEXTCLS_ONEDNN_H */
