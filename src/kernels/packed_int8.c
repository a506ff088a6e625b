/*
 * packed_int8.c
 *		Packed products of int8 by AVX2, AVX-512 and VNNI, all of them exact.
 *
 *		AVX2, AVX-512	steps of two: inputs are int16, weights become so when they are loaded, and
 *						vpmaddwd adds two products in 32 bits.  (vpmaddubsw takes bytes, but its
 *						sums in 16 bits need a second multiplication to go on, and its operands
 *						a third to be unsigned and signed: slower where it was measured.)
 *		VNNI			steps of four: vpdpbusd wants one operand unsigned, so the inputs have 128
 *						added, and 128 times the sum of its weights is taken from each channel
 *
 * Sums fit 32 bits for K <= TCLS_PACKED_MAX_K: 127 * 127 * 65536 = 1.06e9, and for VNNI, before
 * the excess is taken away, 255 * 127 * 65536 = 2.12e9 < 2^31.
 *
 * Packed weights are the channels' scales and totals, for VNNI the excess of each channel, and the
 * panels; inputs are the rows' scales and shifts and the steps.
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
#define ISA_VNNI "avx512vnni," ISA_AVX512

#define BROADCAST_8(p) _mm256_set1_epi32(*(const int32_t *) (p))
#define LOAD_8(p) _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *) (p)))
#define ADD_8(sum, x, w) _mm256_add_epi32(sum, _mm256_madd_epi16(x, w))
#define BROADCAST_16(p) _mm512_set1_epi32(*(const int32_t *) (p))
#define LOAD_16(p) _mm512_cvtepi8_epi16(_mm256_load_si256((const __m256i *) (p)))
#define ADD_16(sum, x, w) _mm512_add_epi32(sum, _mm512_madd_epi16(x, w))
#define LOAD_VNNI(p) _mm512_load_si512((const void *) (p))
#define ADD_VNNI(sum, x, w) _mm512_dpbusd_epi32(sum, x, w)

TCLS_TILE_BODY(avx2, ISA_AVX2, __m256i, 16, LOAD_8, BROADCAST_8, ADD_8)
TCLS_TILES_6(avx2, ISA_AVX2)
TCLS_TILE_BODY(avx512, ISA_AVX512, __m512i, 32, LOAD_16, BROADCAST_16, ADD_16)
TCLS_TILES_12(avx512, ISA_AVX512)
TCLS_TILE_BODY(vnni, ISA_VNNI, __m512i, 64, LOAD_VNNI, BROADCAST_16, ADD_VNNI)
TCLS_TILES_14(vnni, ISA_VNNI)

static const TclsTiling tiling_avx2 = {
	16, 32, 2, 6, {TCLS_TILE_LIST_6(avx2)}, {TCLS_TILE_LIST_WIDE(avx2)}
};
static const TclsTiling tiling_avx512 = {
	32, 64, 2, 12, {TCLS_TILE_LIST_12(avx512)}, {TCLS_TILE_LIST_WIDE(avx512)}
};
static const TclsTiling tiling_vnni = {
	32, 128, 4, 14, {TCLS_TILE_LIST_14(vnni)}, {TCLS_TILE_LIST_WIDE(vnni)}
};

/* Bytes of a number for each channel, filled up to whole panels. */
static size_t
channel_bytes(int n, const TclsTiling *tiling)
{
	return tcls_packed_round_up((size_t) n, tiling->columns) * 4;
}

static bool
has_excess(const TclsTiling *tiling)
{
	return tiling->step_depth == 4;
}

/* Where the parts of a packed matrix lie. */
typedef struct Parts
{
	float	   *scales;
	float	   *totals;
	int32_t    *excess;			/* or NULL */
	char	   *panels;
} Parts;

static Parts
parts_of(const void *packed, int n, const TclsTiling *tiling)
{
	char	   *bytes = (char *) packed;
	size_t		channels = channel_bytes(n, tiling);
	Parts		parts = {(float *) bytes, (float *) (bytes + channels), NULL, bytes + 2 * channels};

	if (has_excess(tiling))
	{
		parts.excess = (int32_t *) parts.panels;
		parts.panels += channels;
	}
	return parts;
}

static size_t
weight_bytes(int n, int k, const TclsTiling *tiling)
{
	return channel_bytes(n, tiling) * (has_excess(tiling) ? 3 : 2) + tcls_tiling_panel_bytes(n, k, tiling);
}

static void
pack(void *packed, const float *weight, int n, int k, const TclsTiling *tiling)
{
	Parts		parts = parts_of(packed, n, tiling);
	TclsQuantisedPlace place = {TCLS_QUANTISED_INT8, (size_t) k, 0, 0, tiling->step_depth};
	int8_t		row[TCLS_PACKED_MAX_K + 4];

	memset(packed, 0, weight_bytes(n, k, tiling));
	for (size_t j = 0; j < (size_t) n; j++)
	{
		tcls_quantise_channel(row, &parts.scales[j], &parts.totals[j], weight + j * (size_t) k, (size_t) k, &place);
		for (size_t l = 0; l < (size_t) k; l += tiling->step_depth)
			memcpy(parts.panels + tcls_tiling_place(j, l / tiling->step_depth, k, tiling), row + l,
				   tiling->step_depth);
		if (parts.excess != NULL)
			for (size_t l = 0; l < (size_t) k; l++)
				parts.excess[j] += 128 * row[l];
	}
}

static size_t
input_bytes(int m, int k, const TclsTiling *tiling)
{
	return tcls_quantised_rows_bytes((size_t) m) + tcls_tiling_input_bytes(m, k, tiling);
}

static void
convert(void *input, const float *x, int m, int k, TclsQuantised form, const TclsTiling *tiling)
{
	TclsQuantisedPlace place = {form, TCLS_TILE_DEPTH * tiling->step_depth, (size_t) m * TCLS_TILE_ROW, TCLS_TILE_ROW,
		tiling->step_depth};
	TclsQuantisedRows rows = tcls_quantised_rows(input, (size_t) m);

	tcls_quantise_rows((char *) input + tcls_quantised_rows_bytes((size_t) m), &rows, x, (size_t) m,
					   (size_t) k, &place);
}

static void
multiply(float *y, const void *input, const void *packed, int m, int n, int k, const TclsTiling *tiling,
		 const TclsEpilogue *epilogue)
{
	Parts		parts = parts_of(packed, n, tiling);
	TclsScales	scales = {tcls_quantised_rows(input, (size_t) m), parts.scales, parts.totals, parts.excess};

	tcls_tiling_multiply(y, (const char *) input + tcls_quantised_rows_bytes((size_t) m), parts.panels, m, n, k,
						 &scales, tiling, epilogue);
}

#define KERNEL(isa, level, form, name, layout) \
	static bool isa##_available(void) { return tcls_isa() >= level; } \
	static size_t isa##_weight_bytes(int n, int k) { return weight_bytes(n, k, &tiling_##isa); } \
	static void isa##_pack(void *packed, const float *weight, int n, int k) \
	{ \
		pack(packed, weight, n, k, &tiling_##isa); \
	} \
	static size_t isa##_input_bytes(int m, int k) { return input_bytes(m, k, &tiling_##isa); } \
	static void isa##_convert(void *input, const float *x, int m, int k) \
	{ \
		convert(input, x, m, k, form, &tiling_##isa); \
	} \
	static void isa##_multiply(float *y, const void *input, const void *packed, int m, int n, int k, \
							   const TclsEpilogue *epilogue) \
	{ \
		multiply(y, input, packed, m, n, k, &tiling_##isa, epilogue); \
	} \
	const TclsPackedKernel tcls_packed_int8_##isa = { \
		name, layout, TCLS_INT8, false, isa##_available, isa##_weight_bytes, isa##_pack, isa##_input_bytes, \
		isa##_convert, isa##_multiply \
	};

KERNEL(avx2, TCLS_ISA_AVX2, TCLS_QUANTISED_INT16, "int8 AVX2", "int8-avx2-2")
KERNEL(avx512, TCLS_ISA_AVX512, TCLS_QUANTISED_INT16, "int8 AVX-512", "int8-avx512-2")
KERNEL(vnni, TCLS_ISA_AVX512_VNNI, TCLS_QUANTISED_UINT8, "int8 AVX-512 VNNI", "int8-vnni-2")
#endif
