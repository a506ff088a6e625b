/*
 * test_gemm.c
 *		The product on every path, and that the self-test finds wrong ones.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "kernels/gemm.h"
#include "unit.h"

/* C = alpha op(A) op(B) + beta C in double precision. */
static void
reference(double *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
		  bool ta, bool tb, float alpha, float beta)
{
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++)
		{
			double		sum = 0;

			for (int l = 0; l < k; l++)
				sum += (double) (ta ? a[l * lda + i] : a[i * lda + l]) * (tb ? b[j * ldb + l] : b[l * ldb + j]);
			c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
		}
}

static void
check_product(TclsGemm gemm, int m, int n, int k, bool ta, bool tb, float alpha, float beta, UnitHost *unit)
{
	int			lda = (ta ? m : k) + 3;
	int			ldb = (tb ? k : n) + 1;
	int			ldc = n + 2;
	size_t		a_size = (size_t) (ta ? k : m) * (size_t) lda;
	size_t		b_size = (size_t) (tb ? n : k) * (size_t) ldb;
	size_t		c_size = (size_t) m * (size_t) ldc;
	TclsRng		rng = {(uint64_t) (m * 7 + n * 3 + k)};
	float	   *a;
	float	   *b;
	float	   *c;
	double	   *wanted;

	CHECK_OK(tcls_alloc(&a, a_size, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&b, b_size, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&c, c_size, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&wanted, c_size, sizeof(double), &unit->host), &unit->host);
	for (size_t i = 0; i < a_size; i++)
		a[i] = (float) (2 * tcls_rng_uniform(&rng) - 1);
	for (size_t i = 0; i < b_size; i++)
		b[i] = (float) (2 * tcls_rng_uniform(&rng) - 1);
	/* With beta 0 what was there does not count, NaN included. */
	for (size_t i = 0; i < c_size; i++)
		wanted[i] = c[i] = beta == 0 && (int) (i % (size_t) ldc) < n ? NAN : (float) tcls_rng_uniform(&rng);
	gemm(c, a, b, m, n, k, lda, ldb, ldc, ta, tb, alpha, beta);
	reference(wanted, a, b, m, n, k, lda, ldb, ldc, ta, tb, alpha, beta);
	for (size_t i = 0; i < c_size; i++)
		if (!(fabs(c[i] - wanted[i]) <= 1e-6 * (k + 4)))
		{
			unit_fail(__FILE__, __LINE__, "%s: (%d, %d, %d) transposed %d %d beta %g: element %zu is %.9g, not %.9g",
					  tcls_gemm_path_name(tcls_gemm_path()), m, n, k, ta, tb, (double) beta, i, (double) c[i],
					  wanted[i]);
			return;
		}
}

static void
check_products(TclsGemm gemm, UnitHost *unit)
{
	static const int sizes[][3] = {{1, 1, 1}, {1, 5, 300}, {3, 2, 9}, {17, 65, 33}, {64, 64, 257}, {70, 130, 40}};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		for (int transposes = 0; transposes < 4; transposes++)
			for (int scale = 0; scale < 3; scale++)
				check_product(gemm, sizes[s][0], sizes[s][1], sizes[s][2], transposes & 1, transposes & 2,
							  scale == 2 ? 0.5f : 1, (float) scale, unit);
}

static void
plain_product_is_right(UnitHost *unit)
{
	check_products(tcls_gemm_plain, unit);
}

/* Path 0 comes back at the end, whatever was selected between. */
static void
every_path_is_right(UnitHost *unit)
{
	int			count = tcls_gemm_path_count();

	CHECK(count >= 2);
	for (int path = 0; path < count; path++)
	{
		tcls_gemm_select_path(path);
		CHECK(tcls_gemm_path() == path);
		CHECK(tcls_gemm_self_test());
		check_products(tcls_gemm, unit);
	}
	tcls_gemm_select_path(0);
	CHECK(tcls_gemm_path() == 0);
	CHECK(tcls_gemm_self_test());
}

static void
paths_have_names(UnitHost *unit)
{
	int			count = tcls_gemm_path_count();

	(void) unit;
	CHECK(strncmp(tcls_gemm_path_name(0), "OpenBLAS ", 9) == 0);
	CHECK(strcmp(tcls_gemm_path_name(count - 1), "plain C") == 0);
	CHECK(strcmp(tcls_gemm_path_name(count), "unknown") == 0);
	CHECK(strcmp(tcls_gemm_path_name(-1), "unknown") == 0);
	for (int a = 0; a < count; a++)
		for (int b = 0; b < a; b++)
			CHECK(strcmp(tcls_gemm_path_name(a), tcls_gemm_path_name(b)) != 0);
	CHECK(strstr(tcls_gemm_library(), "OpenBLAS") != NULL);
}

/* The library really runs another core, and the environment is as it was. */
static void
selecting_changes_the_core(UnitHost *unit)
{
	int			count = tcls_gemm_path_count();

	(void) unit;
	unsetenv("OPENBLAS_CORETYPE");
	for (int path = 1; path < count - 1; path++)
	{
		tcls_gemm_select_path(path);
		CHECK(strstr(tcls_gemm_library(), tcls_gemm_path_name(path) + strlen("OpenBLAS ")) != NULL);
		CHECK(getenv("OPENBLAS_CORETYPE") == NULL);
	}
	setenv("OPENBLAS_CORETYPE", "Prescott", 1);
	tcls_gemm_select_path(0);
	CHECK(strstr(tcls_gemm_library(), "Prescott") != NULL);
	CHECK(strcmp(getenv("OPENBLAS_CORETYPE"), "Prescott") == 0);
	unsetenv("OPENBLAS_CORETYPE");
	tcls_gemm_select_path(0);
	CHECK(strstr(tcls_gemm_library(), tcls_gemm_path_name(0) + strlen("OpenBLAS ")) != NULL);
}

/* ---- wrong products ---- */

static void
wrong_last_column(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
				  bool ta, bool tb, float alpha, float beta)
{
	tcls_gemm_plain(c, a, b, m, n, k, lda, ldb, ldc, ta, tb, alpha, beta);
	if (n % 4 == 1 && n > 1)
		c[(m - 1) * ldc + n - 1] *= 1.001f;
}

static void
wrong_transpose(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
				bool ta, bool tb, float alpha, float beta)
{
	tcls_gemm_plain(c, a, b, m, n, k, lda, ldb, ldc, ta && tb ? false : ta, tb, alpha, beta);
}

static void
wrong_beta(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
		   bool ta, bool tb, float alpha, float beta)
{
	tcls_gemm_plain(c, a, b, m, n, k, lda, ldb, ldc, ta, tb, alpha, beta == 0 ? 1 : beta);
}

static void
wrong_depth(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
			bool ta, bool tb, float alpha, float beta)
{
	tcls_gemm_plain(c, a, b, m, n, k > 1000 ? k - 1 : k, lda, ldb, ldc, ta, tb, alpha, beta);
}

static void
not_a_number(float *c, const float *a, const float *b, int m, int n, int k, int lda, int ldb, int ldc,
			 bool ta, bool tb, float alpha, float beta)
{
	tcls_gemm_plain(c, a, b, m, n, k, lda, ldb, ldc, ta, tb, alpha, beta);
	if (m == 128)
		c[77] = NAN;
}

static void
self_test_finds_wrong_products(UnitHost *unit)
{
	(void) unit;
	CHECK(tcls_gemm_test(tcls_gemm_plain));
	CHECK(!tcls_gemm_test(wrong_last_column));
	CHECK(!tcls_gemm_test(wrong_transpose));
	CHECK(!tcls_gemm_test(wrong_beta));
	CHECK(!tcls_gemm_test(wrong_depth));
	CHECK(!tcls_gemm_test(not_a_number));
}

int
main(void)
{
	RUN(paths_have_names);
	RUN(plain_product_is_right);
	RUN(every_path_is_right);
	RUN(selecting_changes_the_core);
	RUN(self_test_finds_wrong_products);
	return unit_finish();
}
