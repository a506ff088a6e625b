/*
 * packed_fp32.c
 *		Packed products of floats by AVX2 and AVX-512.
 *
 * Tiles of 6 rows by 16 columns and of 14 by 32: all registers but those of the weights and the
 * broadcast hold sums, and each step loads far less than the two multiply-adds a cycle would bear.
 */
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <string.h>

#include "kernels/packed_tile.h"
#include "base/pure_c.h"

#if defined(__x86_64__)
#define ISA_AVX2 "avx2,fma"
#define ISA_AVX512 "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"

#define LOAD_8(p) _mm256_load_ps((const float *) (p))
#define BROADCAST_8(p) _mm256_broadcast_ss((const float *) (p))
#define ADD_8(sum, x, w) _mm256_fmadd_ps(x, w, sum)
#define LOAD_16(p) _mm512_load_ps((const float *) (p))
#define BROADCAST_16(p) _mm512_set1_ps(*(const float *) (p))
#define ADD_16(sum, x, w) _mm512_fmadd_ps(x, w, sum)

TCLS_TILE_BODY(avx2, ISA_AVX2, __m256, 32, LOAD_8, BROADCAST_8, ADD_8)
TCLS_TILES_6(avx2, ISA_AVX2)
TCLS_TILE_BODY(avx512, ISA_AVX512, __m512, 64, LOAD_16, BROADCAST_16, ADD_16)
TCLS_TILES_14(avx512, ISA_AVX512)

static const TclsTiling tiling_avx2 = {
	16, 64, 1, 6, {TCLS_TILE_LIST_6(avx2)}, {TCLS_TILE_LIST_WIDE(avx2)}
};
static const TclsTiling tiling_avx512 = {
	32, 128, 1, 14, {TCLS_TILE_LIST_14(avx512)}, {TCLS_TILE_LIST_WIDE(avx512)}
};

static void
pack(void *packed, const float *weight, int n, int k, const TclsTiling *tiling)
{
	memset(packed, 0, tcls_tiling_panel_bytes(n, k, tiling));
	for (size_t j = 0; j < (size_t) n; j++)
		for (size_t l = 0; l < (size_t) k; l++)
			memcpy((char *) packed + tcls_tiling_place(j, l, k, tiling), weight + j * (size_t) k + l, sizeof(float));
}

static void
convert(void *input, const float *x, int m, int k)
{
	char	   *to = input;

	for (int l = 0; l < k; l += TCLS_TILE_DEPTH)
	{
		size_t		bytes = (size_t) (k - l < TCLS_TILE_DEPTH ? k - l : TCLS_TILE_DEPTH) * sizeof(float);

		for (int i = 0; i < m; i++, to += TCLS_TILE_ROW)
			memcpy(to, x + (size_t) i * (size_t) k + l, bytes);
	}
}

#define KERNEL(isa, level, name, layout) \
	static bool isa##_available(void) { return tcls_isa() >= level; } \
	static size_t isa##_weight_bytes(int n, int k) { return tcls_tiling_panel_bytes(n, k, &tiling_##isa); } \
	static void isa##_pack(void *packed, const float *weight, int n, int k) \
	{ \
		pack(packed, weight, n, k, &tiling_##isa); \
	} \
	static size_t isa##_input_bytes(int m, int k) { return tcls_tiling_input_bytes(m, k, &tiling_##isa); } \
	static void isa##_multiply(float *y, const void *input, const void *packed, int m, int n, int k, \
							   const TclsEpilogue *epilogue) \
	{ \
		tcls_tiling_multiply(y, input, packed, m, n, k, NULL, &tiling_##isa, epilogue); \
	} \
	const TclsPackedKernel tcls_packed_fp32_##isa = { \
		name, layout, TCLS_FP32, false, isa##_available, isa##_weight_bytes, isa##_pack, isa##_input_bytes, convert, \
		isa##_multiply \
	};

KERNEL(avx2, TCLS_ISA_AVX2, "fp32 AVX2", "fp32-avx2-1")
KERNEL(avx512, TCLS_ISA_AVX512, "fp32 AVX-512", "fp32-avx512-1")
#endif
