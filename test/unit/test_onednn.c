/*
 * test_onednn.c
 *		oneDNN behind our interfaces, on any x86-64 CPU: where its products are not chosen they still run.
 *
 * The library is looked for as in the server (LD_LIBRARY_PATH may name another version); without one
 * most cases are skipped.
 */
#include <dirent.h>
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "base/rng.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/onednn.h"
#include "kernels/packed_parts.h"
#include "unit.h"

static void *
aligned(size_t size)
{
	void	   *data = NULL;

	return posix_memalign(&data, 64, tcls_packed_round_up(size, 64)) == 0 ? data : NULL;
}

static void
fill(float *data, size_t count, uint64_t seed)
{
	TclsRng		rng = {seed};

	for (size_t i = 0; i < count; i++)
		data[i] = (float) (2 * tcls_rng_uniform(&rng) - 1);
}

/*
 * Weights whose int8 form is 127 once in a row, 0 beside it and at most 63 elsewhere: without VNNI the
 * library adds products of int8 in pairs in 16 bits, and saturates.
 */
static void
fill_small_weights(float *weight, int n, int k)
{
	fill(weight, (size_t) n * (size_t) k, 77);
	for (int j = 0; j < n; j++)
		for (int l = 0; l < k; l++)
			weight[j * k + l] *= l == 0 ? 0 : 0.49f;
	for (int j = 0; j < n; j++)
	{
		weight[j * k] = 1;
		for (int l = 1; l < 4 && l < k; l++)
			weight[j * k + l] = 0;
	}
}

/* ---- with or without the library ---- */

static void
status_says_what_is_used(UnitHost *unit)
{
	const char *status;

	(void) unit;
	tcls_isa_select(TCLS_ISA_AVX2);
	CHECK(!tcls_onednn_pays());
	status = tcls_onednn_status();
	CHECK(strncmp(status, "not used: ", 10) == 0);
	CHECK(!tcls_packed_available(&tcls_packed_bf16_onednn));
	CHECK(!tcls_packed_available(&tcls_packed_int8_onednn));
	CHECK(!tcls_gemm_bf16_available());
	tcls_isa_select(TCLS_ISA_BEST);
	status = tcls_onednn_status();
	CHECK(strncmp(status, tcls_onednn_pays() ? "oneDNN " : "not used: ", 7) == 0);
}

/* What a product that cannot be had looks like: no memory is enough for it, and its results are no numbers. */
static void
check_poison(const TclsPackedKernel *kernel)
{
	float		x[64] = {1};
	float		weight[64] = {1};
	float		y[1] = {0};
	void	   *input = aligned(kernel->input_bytes(1, 64));
	void	   *packed = aligned(4096);
	TclsEpilogue epilogue = {NULL, NULL, NULL};

	CHECK(kernel->weight_bytes(1, 64) > ((size_t) 1 << 50));
	kernel->pack(packed, weight, 1, 64);
	kernel->convert(input, x, 1, 64);
	kernel->multiply(y, input, packed, 1, 1, 64, &epilogue);
	CHECK(isnan(y[0]));
	free(input);
	free(packed);
}

static void
absent_products_give_no_numbers(UnitHost *unit)
{
	(void) unit;
	if (!tcls_onednn_open())
		check_poison(&tcls_packed_int8_onednn);
	if (tcls_onednn_product(TCLS_ONEDNN_BF16, 64, 64) == NULL)
		check_poison(&tcls_packed_bf16_onednn);
}

/* ---- with the library ---- */

static int
task_count(void)
{
	DIR		   *directory = opendir("/proc/self/task");
	int			count = 0;

	while (directory != NULL && readdir(directory) != NULL)
		count++;
	if (directory != NULL)
		closedir(directory);
	return count - 2;
}

/* All that a process may be changed in, before the library is loaded. */
static sigset_t mask_before;
static unsigned int float_mode_before;

static unsigned int
float_mode(void)
{
#if defined(__x86_64__)
	return _mm_getcsr() & ~0x3fu;	/* without the flags of what happened */
#else
	return (unsigned int) fegetround();
#endif
}

static void
no_thread_is_started(UnitHost *unit)
{
	sigset_t	mask;
	volatile double denormal = 1e-310;

	(void) unit;
	CHECK(tcls_packed_self_test(&tcls_packed_fp32_onednn));
	CHECK(task_count() == 1);
	CHECK(float_mode() == float_mode_before);
	CHECK(denormal / 2 > 0);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int i = 1; i < NSIG; i++)
		CHECK(sigismember(&mask, i) == sigismember(&mask_before, i));
}

/* The sums of a kernel of the library and of the plain one, as they come. */
static void
check_equal(const TclsPackedKernel *kernel, const TclsPackedKernel *plain, int m, int n, int k, double tolerance)
{
	float	   *x = aligned((size_t) m * (size_t) k * sizeof(float));
	float	   *weight = aligned((size_t) n * (size_t) k * sizeof(float));
	float	   *y[2];
	TclsEpilogue epilogue = {NULL, NULL, NULL};
	const TclsPackedKernel *kernels[] = {kernel, plain};

	fill(x, (size_t) m * (size_t) k, (uint64_t) (m + n + k));
	fill_small_weights(weight, n, k);
	for (int i = 0; i < 2; i++)
	{
		void	   *packed = aligned(kernels[i]->weight_bytes(n, k));
		void	   *input = aligned(kernels[i]->input_bytes(m, k));

		y[i] = aligned((size_t) m * (size_t) n * sizeof(float));
		kernels[i]->pack(packed, weight, n, k);
		kernels[i]->convert(input, x, m, k);
		kernels[i]->multiply(y[i], input, packed, m, n, k, &epilogue);
		free(packed);
		free(input);
	}
	for (int i = 0; i < m * n; i++)
		if (!(fabs((double) y[0][i] - (double) y[1][i]) <= tolerance))
		{
			unit_fail(__FILE__, __LINE__, "%s (%d, %d, %d) at %d: %.9g, not %.9g", kernel->name, m, n, k, i,
					  (double) y[0][i], (double) y[1][i]);
			break;
		}
	free(x);
	free(weight);
	free(y[0]);
	free(y[1]);
}

/* Each class of rows alone and with others, one panel and several, tails of each size; the tolerance grows with K. */
static void
check_sizes(const TclsPackedKernel *kernel, const TclsPackedKernel *plain, double tolerance)
{
	static const int sizes[][3] = {{1, 2, 384}, {7, 384, 384}, {8, 64, 64}, {9, 385, 65}, {32, 448, 128},
	{33, 100, 100}, {128, 384, 64}, {173, 900, 70}, {300, 65, 1537}};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_equal(kernel, plain, sizes[i][0], sizes[i][1], sizes[i][2],
					tolerance * (sizes[i][2] + 16));
}

static void
int8_sums_are_those_of_plain_c(UnitHost *unit)
{
	(void) unit;
	check_sizes(&tcls_packed_int8_onednn, &tcls_packed_int8_plain, 0);
}

static void
fp32_products_are_right(UnitHost *unit)
{
	(void) unit;
	check_sizes(&tcls_packed_fp32_onednn, &tcls_packed_fp32_plain, 1e-6);
}

static void
bf16_products_are_right(UnitHost *unit)
{
	(void) unit;
	if (tcls_onednn_product(TCLS_ONEDNN_BF16, 64, 64) == NULL)
		return;
	check_sizes(&tcls_packed_bf16_onednn, &tcls_packed_bf16_plain, 1e-6);
	CHECK(tcls_packed_self_test(&tcls_packed_bf16_onednn));
}

/* A child process packs the same bytes, and they serve at another address. */
static void
packed_weights_serve_all_processes(UnitHost *unit)
{
	const TclsPackedKernel *kernel = &tcls_packed_int8_onednn;
	static float weight[100 * 96];
	static float x[3 * 96];
	float		y[2][3 * 100];
	size_t		size = kernel->weight_bytes(100, 96);
	char	   *packed[2] = {aligned(size), aligned(size)};
	void	   *input = aligned(kernel->input_bytes(3, 96));
	TclsEpilogue epilogue = {NULL, NULL, NULL};
	int			ends[2];
	pid_t		child;
	size_t		got = 0;
	ssize_t		part;

	(void) unit;
	fill_small_weights(weight, 100, 96);
	fill(x, 3 * 96, 5);
	CHECK(pipe(ends) == 0);
	child = fork();
	if (child == 0)
	{
		kernel->pack(packed[0], weight, 100, 96);
		_exit(write(ends[1], packed[0], size) == (ssize_t) size ? 0 : 1);
	}
	close(ends[1]);
	while ((part = read(ends[0], packed[1] + got, size - got)) > 0)
		got += (size_t) part;
	close(ends[0]);
	waitpid(child, NULL, 0);
	CHECK(got == size);
	kernel->pack(packed[0], weight, 100, 96);
	CHECK(memcmp(packed[0], packed[1], size) == 0);
	kernel->convert(input, x, 3, 96);
	for (int i = 0; i < 2; i++)
		kernel->multiply(y[i], input, packed[i], 3, 100, 96, &epilogue);
	CHECK(memcmp(y[0], y[1], sizeof(y[0])) == 0);
	CHECK(isfinite(y[0][0]));

	/* Those of another form do not. */
	packed[1][0] ^= 1;
	kernel->multiply(y[1], input, packed[1], 3, 100, 96, &epilogue);
	CHECK(isnan(y[1][0]) && isnan(y[1][299]));
	free(packed[0]);
	free(packed[1]);
	free(input);
}

/* ---- products of bfloat16, with or without the library ---- */

/* Small whole numbers, which bfloat16 has and whose sums floats have. */
static float *
whole_numbers(size_t count, uint64_t seed)
{
	float	   *data = aligned(count * sizeof(float));

	fill(data, count, seed);
	for (size_t i = 0; i < count; i++)
		data[i] = rintf(3 * data[i]);
	return data;
}

static void
check_gemm(int m, int n, int k, bool transpose_a, bool transpose_b, float beta)
{
	int			lda = (transpose_a ? m : k) + 3;
	int			ldb = (transpose_b ? k : n) + 1;
	int			ldc = n + 2;
	float	   *a = whole_numbers((size_t) (lda * (transpose_a ? k : m)), 1);
	float	   *b = whole_numbers((size_t) (ldb * (transpose_b ? n : k)), 2);
	float	   *c[2] = {whole_numbers((size_t) (ldc * m), 3), whole_numbers((size_t) (ldc * m), 3)};

	tcls_gemm_select_bf16(true);
	CHECK(tcls_gemm_bf16());
	tcls_gemm(c[0], a, b, m, n, k, lda, ldb, ldc, transpose_a, transpose_b, 1, beta);
	tcls_gemm_select_bf16(false);
	CHECK(!tcls_gemm_bf16());
	tcls_gemm_plain(c[1], a, b, m, n, k, lda, ldb, ldc, transpose_a, transpose_b, 1, beta);
	for (int i = 0; i < ldc * m; i++)
		if (c[0][i] != c[1][i])
		{
			unit_fail(__FILE__, __LINE__, "(%d, %d, %d) transposed %d %d: %g at %d, not %g", m, n, k, transpose_a,
					  transpose_b, (double) c[0][i], i, (double) c[1][i]);
			break;
		}
	free(a);
	free(b);
	free(c[0]);
	free(c[1]);
}

/* The last two are converted in pieces. */
static void
bf16_gemm_is_right(UnitHost *unit)
{
	(void) unit;
	for (int transposes = 0; transposes < 4; transposes++)
		for (int beta = 0; beta < 2; beta++)
			check_gemm(65, 97, 170, transposes & 1, transposes & 2, (float) beta);
	check_gemm(2, 3, 1500000, false, true, 1);
	check_gemm(3, 2, 1500000, true, false, 0);
	CHECK(tcls_gemm_bf16_self_test());
	CHECK(!tcls_gemm_bf16());
}

/* Operands that bfloat16 has not: near the product of floats, but not that. */
static void
bf16_gemm_rounds_operands(UnitHost *unit)
{
	static float a[128 * 128];
	static float b[128 * 128];
	static float c[2][128 * 128];
	static uint16_t narrow[128 * 128];
	double		error = 0;

	(void) unit;
	if (!tcls_onednn_gemm_bf16(c[0], narrow, narrow, 8, 8, 8, 8, 8, 8, false, true, 0))
		return;
	fill(a, 128 * 128, 1);
	fill(b, 128 * 128, 2);
	for (int i = 0; i < 2; i++)
	{
		tcls_gemm_select_bf16(i == 1);
		tcls_gemm(c[i], a, b, 128, 128, 128, 128, 128, 128, false, true, 1, 0);
	}
	tcls_gemm_select_bf16(false);
	for (int i = 0; i < 128 * 128; i++)
		error = fmax(error, fabs((double) c[0][i] - (double) c[1][i]));
	CHECK(error > 1e-3 && error < 0.1);
}

static void
build_names_the_library(UnitHost *unit)
{
	int			major = 0;

	(void) unit;
	CHECK(sscanf(tcls_onednn_build(), "%d.", &major) == 1);
	CHECK(major == 2 || major == 3);
	CHECK(strchr(tcls_onednn_build(), ' ') == NULL);
	printf("# oneDNN %s\n", tcls_onednn_build());
}

int
main(void)
{
	sigprocmask(SIG_SETMASK, NULL, &mask_before);
	float_mode_before = float_mode();
	RUN(status_says_what_is_used);
	RUN(absent_products_give_no_numbers);
	RUN(bf16_gemm_is_right);
	if (!tcls_onednn_open())
		printf("# most cases are skipped: there is no oneDNN, or none that can be used\n");
	else
	{
		RUN(no_thread_is_started);
		RUN(fp32_products_are_right);
		RUN(int8_sums_are_those_of_plain_c);
		RUN(bf16_products_are_right);
		RUN(bf16_gemm_rounds_operands);
		RUN(packed_weights_serve_all_processes);
		RUN(build_names_the_library);
		RUN(status_says_what_is_used);
	}
	return unit_finish();
}
