/*
 * gemm.c
 *		Matrix products by OpenBLAS, the choice of its core, plain C, and oneDNN in bfloat16.
 *
 * OpenBLAS built with DYNAMIC_ARCH holds the kernels of many cores.  Its constructor
 * takes the one for this CPU, or the one that OPENBLAS_CORETYPE names
 * (driver/others/dynamic.c).  gotoblas_dynamic_quit() forgets the choice and
 * gotoblas_dynamic_init() makes it again: so a core can be chosen in the process by
 * setting the variable around the two.  Buffers are of one size for all cores
 * (driver/others/memory.c), so they stay valid.  Both functions are weak here: a
 * library without DYNAMIC_ARCH has one core.
 */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gemm.h"
#include "kernels/onednn.h"
#include "kernels/packed_parts.h"
#include "base/pure_c.h"

extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

#define CORE_VARIABLE "OPENBLAS_CORETYPE"
#define PATH_MAX_COUNT 6

typedef struct GemmPath
{
	char		name[48];
	char		core[24];		/* value of OPENBLAS_CORETYPE; empty: as found */
	bool		plain;
} GemmPath;

static GemmPath paths[PATH_MAX_COUNT];
static int	path_count;
static int	selected_path;

static void
add_path(const char *prefix, const char *core, bool plain)
{
	GemmPath   *path = &paths[path_count++];

	snprintf(path->name, sizeof(path->name), "%s%s", prefix, core);
	snprintf(path->core, sizeof(path->core), "%s", core);
	path->plain = plain;
}

/* The detected core, then the older ones of this list that the CPU can run, newest first. */
static void
list_paths(void)
{
	char	   *detected = openblas_get_corename();

	add_path("OpenBLAS ", detected, false);
	paths[0].core[0] = '\0';
#if defined(__x86_64__)
	if (gotoblas_dynamic_init != NULL && gotoblas_dynamic_quit != NULL)
	{
		const struct
		{
			const char *core;
			bool		runs;
		}			older[] = {
			{"Haswell", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
			{"Sandybridge", __builtin_cpu_supports("avx")},
			{"Nehalem", __builtin_cpu_supports("sse4.2")},
			{"Prescott", true},
		};

		for (size_t i = 0; i < sizeof(older) / sizeof(older[0]); i++)
			if (older[i].runs && strcmp(older[i].core, detected) != 0)
				add_path("OpenBLAS ", older[i].core, false);
	}
#endif
	add_path("plain C", "", true);
}

int
tcls_gemm_path_count(void)
{
	if (path_count == 0)
		list_paths();
	return path_count;
}

const char *
tcls_gemm_path_name(int path)
{
	return path >= 0 && path < tcls_gemm_path_count() ? paths[path].name : "unknown";
}

int
tcls_gemm_path(void)
{
	return selected_path;
}

/*
 * Let OpenBLAS choose its core again, with OPENBLAS_CORETYPE as given.  putenv() puts our
 * string in the place of the variable's and later that one back, without a copy.
 */
static void
choose_core(const char *core)
{
	static char setting[sizeof(CORE_VARIABLE) + sizeof(paths[0].core)];
	char	   *value = getenv(CORE_VARIABLE);

	if (core[0] != '\0')
	{
		snprintf(setting, sizeof(setting), "%s=%s", CORE_VARIABLE, core);
		putenv(setting);
	}
	gotoblas_dynamic_quit();
	gotoblas_dynamic_init();
	if (value != NULL)
		putenv(value - strlen(CORE_VARIABLE "="));
	else
		unsetenv(CORE_VARIABLE);
}

void
tcls_gemm_select_path(int path)
{
	if (path < 0 || path >= tcls_gemm_path_count())
		return;
	selected_path = path;
	if (!paths[path].plain && gotoblas_dynamic_init != NULL && gotoblas_dynamic_quit != NULL)
		choose_core(paths[path].core);
}

const char *
tcls_gemm_library(void)
{
	return openblas_get_config();
}

static void
float_product(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
			  bool transpose_a, bool transpose_b, float alpha, float beta)
{
	if (path_count > 0 && paths[selected_path].plain)
		tcls_gemm_plain(c, a, b, m, n, k, lda, ldb, ldc, transpose_a, transpose_b, alpha, beta);
	else
		cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
					m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

/* Elements of an operand that are converted at a time, and multiply-adds below which that does not pay. */
#define BF16_OPERAND (4 << 20)
#define BF16_LEAST_WORK 1e6

static bool bf16_selected;

/* The part of an operand from this depth on: (rows, depth), or (depth, rows) if it is transposed. */
static const float *
bf16_part(uint16_t *to, const float *operand, int rows, int first, int depth, int stride, bool depth_first)
{
	const float *part = operand + (depth_first ? (size_t) first * (size_t) stride : (size_t) first);
	size_t		height = (size_t) (depth_first ? depth : rows);
	size_t		width = (size_t) (depth_first ? rows : depth);

	tcls_narrow_bf16(to, part, height, width, (size_t) stride, width);
	return part;
}

/* In pieces of the depth, so that the operands have room here. */
static void
bf16_product(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
			 bool transpose_a, bool transpose_b, float beta)
{
	static uint16_t a_part[BF16_OPERAND] __attribute__((aligned(64)));
	static uint16_t b_part[BF16_OPERAND] __attribute__((aligned(64)));
	int			most = BF16_OPERAND / (m > n ? m : n);

	for (int first = 0; first < k; first += most)
	{
		int			depth = k - first < most ? k - first : most;
		const float *a_floats = bf16_part(a_part, a, m, first, depth, lda, transpose_a);
		const float *b_floats = bf16_part(b_part, b, n, first, depth, ldb, !transpose_b);
		float		scale = first == 0 ? beta : 1.0f;

		if (!tcls_onednn_gemm_bf16(c, a_part, b_part, m, n, depth, transpose_a ? m : depth, transpose_b ? depth : n,
								   ldc, transpose_a, transpose_b, scale))
			float_product(c, a_floats, b_floats, m, n, depth, lda, ldb, ldc, transpose_a, transpose_b, 1.0f, scale);
	}
}

void
tcls_gemm(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
		  bool transpose_a, bool transpose_b, float alpha, float beta)
{
	if (bf16_selected && alpha == 1.0f && (double) m * n * k >= BF16_LEAST_WORK && m <= BF16_OPERAND &&
		n <= BF16_OPERAND)
		bf16_product(c, a, b, m, n, k, lda, ldb, ldc, transpose_a, transpose_b, beta);
	else
		float_product(c, a, b, m, n, k, lda, ldb, ldc, transpose_a, transpose_b, alpha, beta);
}

bool
tcls_gemm_bf16_available(void)
{
	return tcls_onednn_pays() && tcls_onednn_has_gemm_bf16();
}

void
tcls_gemm_select_bf16(bool on)
{
	bf16_selected = on;
}

bool
tcls_gemm_bf16(void)
{
	return bf16_selected;
}

/* Columns of C and depth of a block of the plain product: 64 KB of B. */
#define PLAIN_COLUMNS 64
#define PLAIN_DEPTH 256

/* One block: C (m, columns) += alpha * op(A) B with B packed (depth, PLAIN_COLUMNS). */
static void
plain_block(float *c, const float *a, const float *packed, int m, int columns, int depth, size_t row_step,
			size_t depth_step, int ldc, float alpha)
{
	for (int i = 0; i < m; i++)
	{
		float		sum[PLAIN_COLUMNS] = {0};
		float	   *row = c + (size_t) i * (size_t) ldc;

		for (int k = 0; k < depth; k++)
		{
			float		x = a[(size_t) i * row_step + (size_t) k * depth_step];
			const float *from = packed + k * PLAIN_COLUMNS;

			for (int j = 0; j < PLAIN_COLUMNS; j++)
				sum[j] += x * from[j];
		}
		for (int j = 0; j < columns; j++)
			row[j] += alpha * sum[j];
	}
}

/* packed (depth, PLAIN_COLUMNS) = the block of op(B), zeros behind its columns. */
static void
plain_pack(float *packed, const float *b, int columns, int depth, size_t depth_step, size_t column_step)
{
	for (int k = 0; k < depth; k++)
		for (int j = 0; j < PLAIN_COLUMNS; j++)
			packed[k * PLAIN_COLUMNS + j] =
				j < columns ? b[(size_t) k * depth_step + (size_t) j * column_step] : 0.0f;
}

static void
plain_scale(float *c, int m, int n, int ldc, float beta)
{
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++)
			c[(size_t) i * (size_t) ldc + (size_t) j] =
				beta == 0.0f ? 0.0f : beta * c[(size_t) i * (size_t) ldc + (size_t) j];
}

void
tcls_gemm_plain(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
				bool transpose_a, bool transpose_b, float alpha, float beta)
{
	size_t		a_row = transpose_a ? 1 : (size_t) lda;
	size_t		a_depth = transpose_a ? (size_t) lda : 1;
	size_t		b_depth = transpose_b ? 1 : (size_t) ldb;
	size_t		b_column = transpose_b ? (size_t) ldb : 1;
	float		packed[PLAIN_DEPTH * PLAIN_COLUMNS];

	if (beta != 1.0f)
		plain_scale(c, m, n, ldc, beta);
	for (int j = 0; j < n; j += PLAIN_COLUMNS)
		for (int d = 0; d < k; d += PLAIN_DEPTH)
		{
			int			columns = n - j < PLAIN_COLUMNS ? n - j : PLAIN_COLUMNS;
			int			depth = k - d < PLAIN_DEPTH ? k - d : PLAIN_DEPTH;

			plain_pack(packed, b + (size_t) d * b_depth + (size_t) j * b_column, columns, depth, b_depth, b_column);
			plain_block(c + j, a + (size_t) d * a_depth, packed, m, columns, depth, a_row, a_depth, ldc, alpha);
		}
}

/* The shapes of a small encoder's forward and backward, and tails of every kernel's blocks. */
typedef struct TestShape
{
	int			m;
	int			n;
	int			k;
	bool		transpose_a;
	bool		transpose_b;
	float		beta;
} TestShape;

static const TestShape test_shapes[] = {
	{1, 1, 1, false, true, 0.0f},
	{1, 2, 384, false, true, 1.0f},
	{3, 5, 7, false, false, 0.0f},
	{7, 384, 384, false, true, 1.0f},
	{16, 16, 16, true, false, 1.0f},
	{17, 33, 65, true, true, 0.0f},
	{31, 97, 129, false, false, 1.0f},
	{33, 257, 64, true, false, 1.0f},
	{50, 200, 384, false, true, 1.0f},
	{65, 47, 31, false, true, 0.5f},
	{97, 128, 50, true, false, 1.0f},
	{128, 384, 96, false, true, 1.0f},
	{24, 96, 1536, false, true, 1.0f},
	{48, 384, 200, false, false, 0.0f},
	{384, 24, 48, true, false, 1.0f},
	{384, 96, 200, true, false, 1.0f},
};

/* The largest operand above, and the largest result. */
#define TEST_OPERAND (384 * 384)
#define TEST_RESULT (128 * 384)

static float test_a[TEST_OPERAND];
static float test_b[TEST_OPERAND];
static float test_actual[TEST_RESULT];
static float test_wanted[TEST_RESULT];

void
tcls_self_test_fill(float *data, size_t count, unsigned int seed)
{
	for (size_t i = 0; i < count; i++)
	{
		seed = seed * 1664525u + 1013904223u;
		data[i] = (float) (seed >> 8) * 0x1.0p-23f - 1.0f;
	}
}

static bool
test_shape(const TestShape *shape, TclsGemm gemm)
{
	size_t		size = (size_t) shape->m * (size_t) shape->n;
	int			lda = shape->transpose_a ? shape->m : shape->k;
	int			ldb = shape->transpose_b ? shape->k : shape->n;
	float		tolerance = 1e-6f * (float) (shape->k + 16);

	tcls_self_test_fill(test_actual, size, 3);
	memcpy(test_wanted, test_actual, size * sizeof(float));
	gemm(test_actual, test_a, test_b, shape->m, shape->n, shape->k, lda, ldb, shape->n, shape->transpose_a,
		 shape->transpose_b, 1.0f, shape->beta);
	tcls_gemm_plain(test_wanted, test_a, test_b, shape->m, shape->n, shape->k, lda, ldb, shape->n,
					shape->transpose_a, shape->transpose_b, 1.0f, shape->beta);
	for (size_t i = 0; i < size; i++)
		if (!(fabsf(test_actual[i] - test_wanted[i]) <= tolerance))
			return false;
	return true;
}

/* rounded: with operands that are numbers of bfloat16, whose products need no other tolerance. */
static bool
test_shapes_with(TclsGemm gemm, bool rounded)
{
	tcls_self_test_fill(test_a, TEST_OPERAND, 1);
	tcls_self_test_fill(test_b, TEST_OPERAND, 2);
	if (rounded)
	{
		tcls_round_bf16(test_a, test_a, TEST_OPERAND);
		tcls_round_bf16(test_b, test_b, TEST_OPERAND);
	}
	for (size_t i = 0; i < sizeof(test_shapes) / sizeof(test_shapes[0]); i++)
		if (!test_shape(&test_shapes[i], gemm))
			return false;
	return true;
}

bool
tcls_gemm_test(TclsGemm gemm)
{
	return test_shapes_with(gemm, false);
}

bool
tcls_gemm_self_test(void)
{
	return tcls_gemm_test(tcls_gemm);
}

bool
tcls_gemm_bf16_self_test(void)
{
	bool		before = bf16_selected;
	bool		passed;

	bf16_selected = true;
	passed = test_shapes_with(tcls_gemm, true);
	bf16_selected = before;
	return passed;
}
