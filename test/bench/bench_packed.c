/*
 * bench_packed.c
 *		Rates of the packed products: each kernel that runs here, and OpenBLAS, over the shapes of encoders.
 *
 * A line a shape: 10^9 operations (2 M N K) a second, with the conversion of the inputs (what a
 * layer pays) and without it.  A kernel's best of ROUNDS is taken; the kernels take turns within a
 * round, so that all of them meet the same disturbances.  The first line is the rate of
 * multiply-adds alone: the limit of fp32.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/gemm.h"
#include "kernels/packed.h"

#define ROUNDS 7
#define OPERATIONS 4e8			/* about so many a measurement */
#define KERNELS_MAX 16

typedef struct Shape
{
	int			m;
	int			n;
	int			k;
} Shape;

/* MiniLM's and BERT-base's layers: projection, feed-forward up and down; single texts and batches. */
static const Shape shapes[] = {
	{1, 384, 384}, {1, 1536, 384}, {8, 384, 384}, {16, 384, 384}, {16, 1536, 384}, {20, 1536, 384},
	{20, 384, 1536}, {32, 1536, 384}, {64, 1536, 384}, {128, 1536, 384}, {512, 1536, 384}, {512, 384, 1536},
	{16, 3072, 768}, {64, 3072, 768}, {128, 3072, 768}, {512, 3072, 768}, {512, 768, 3072},
};

#define M_MAX 512
#define NK_MAX (3072 * 768)

/* One way to multiply; kernel NULL: OpenBLAS. */
typedef struct Runner
{
	const TclsPackedKernel *kernel;
	void	   *packed;
	void	   *input;
	double		best;			/* seconds with conversion */
	double		best_multiply;	/* without */
} Runner;

static float *x;
static float *weight;
static float *y;

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

static float *
random_floats(size_t count)
{
	float	   *data = aligned_alloc(64, count * sizeof(float));

	for (size_t i = 0; i < count; i++)
		data[i] = (float) rand() / (float) RAND_MAX - 0.5f;
	return data;
}

/* Ten independent chains of multiply-adds in registers: more than hide the latency anywhere. */
#define CHAINS 10
#define PEAK(name, isa, lanes) \
	typedef float Lanes##lanes __attribute__((vector_size(lanes * 4))); \
	static __attribute__((target(isa))) double \
	name(void) \
	{ \
		Lanes##lanes a = {0}, s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a; \
		double		start = seconds(); \
		\
		for (int i = 0; i < 2000000; i++) \
			__asm__ volatile ( \
				"vfmadd231ps %10,%10,%0\n vfmadd231ps %10,%10,%1\n vfmadd231ps %10,%10,%2\n" \
				"vfmadd231ps %10,%10,%3\n vfmadd231ps %10,%10,%4\n vfmadd231ps %10,%10,%5\n" \
				"vfmadd231ps %10,%10,%6\n vfmadd231ps %10,%10,%7\n vfmadd231ps %10,%10,%8\n" \
				"vfmadd231ps %10,%10,%9\n" \
				: "+v" (s0), "+v" (s1), "+v" (s2), "+v" (s3), "+v" (s4), "+v" (s5), "+v" (s6), "+v" (s7), "+v" (s8), \
				"+v" (s9) : "v" (a)); \
		return 2.0 * lanes * CHAINS * 2e6 / (seconds() - start) * 1e-9; \
	}

#if defined(__x86_64__)
PEAK(peak_avx2, "avx2,fma", 8)
PEAK(peak_avx512, "avx512f", 16)
#endif

static double
peak(void)
{
	double		best = 0;

#if defined(__x86_64__)
	for (int i = 0; i < ROUNDS; i++)
	{
		double		rate = 0;

		if (tcls_isa() >= TCLS_ISA_AVX512)
			rate = peak_avx512();
		else if (tcls_isa() == TCLS_ISA_AVX2)
			rate = peak_avx2();
		best = rate > best ? rate : best;
	}
#endif
	return best;
}

static void
multiply(const Runner *runner, const Shape *shape)
{
	static const TclsEpilogue nothing;

	if (runner->kernel == NULL)
		tcls_gemm(y, x, weight, shape->m, shape->n, shape->k, shape->k, shape->k, shape->n, false, true, 1, 0);
	else
		runner->kernel->multiply(y, runner->input, runner->packed, shape->m, shape->n, shape->k, &nothing);
}

static double
time_of(const Runner *runner, const Shape *shape, bool convert)
{
	int			count = 1 + (int) (OPERATIONS / (2.0 * shape->m * shape->n * shape->k));
	double		start = seconds();

	for (int i = 0; i < count; i++)
	{
		if (convert && runner->kernel != NULL)
			runner->kernel->convert(runner->input, x, shape->m, shape->k);
		multiply(runner, shape);
	}
	return (seconds() - start) / count;
}

static void
measure(Runner *runners, int count, const Shape *shape)
{
	for (int i = 0; i < count; i++)
	{
		runners[i].best = runners[i].best_multiply = 1e9;
		if (runners[i].kernel != NULL)
			runners[i].kernel->pack(runners[i].packed, weight, shape->n, shape->k);
	}
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < count; i++)
		{
			double		whole = time_of(&runners[i], shape, true);
			double		part = time_of(&runners[i], shape, false);

			runners[i].best = whole < runners[i].best ? whole : runners[i].best;
			runners[i].best_multiply = part < runners[i].best_multiply ? part : runners[i].best_multiply;
		}
}

/* OpenBLAS and the kernels; plain ones only where their precision has nothing else, or if all are asked for. */
static int
list_runners(Runner *runners, bool all)
{
	int			count = 1;

	runners[0] = (Runner) {NULL, NULL, NULL, 0, 0};
	for (int i = 0; i < tcls_packed_kernel_count() && count < KERNELS_MAX; i++)
	{
		const TclsPackedKernel *kernel = tcls_packed_kernel(i);
		size_t		packed = 0;
		size_t		input = 0;

		if (!tcls_packed_available(kernel) ||
			(kernel->is_plain && !all && tcls_packed_best(kernel->precision) != kernel))
			continue;
		for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		{
			size_t		weight_bytes = kernel->weight_bytes(shapes[s].n, shapes[s].k);
			size_t		input_bytes = kernel->input_bytes(shapes[s].m, shapes[s].k);

			packed = weight_bytes > packed ? weight_bytes : packed;
			input = input_bytes > input ? input_bytes : input;
		}
		input = (input + 63) / 64 * 64;
		runners[count++] = (Runner) {kernel, aligned_alloc(64, packed), aligned_alloc(64, input), 0, 0};
	}
	return count;
}

/* Any argument: the plain C kernels, too. */
int
main(int argc, char **argv)
{
	Runner		runners[KERNELS_MAX];
	int			count = list_runners(runners, argc > 1);

	(void) argv;
	x = random_floats((size_t) M_MAX * 3072);
	weight = random_floats(NK_MAX);
	y = random_floats((size_t) M_MAX * 3072);
	printf("multiply-adds alone: %.1f GFLOP/s (%s), one thread\n", peak(), tcls_isa_name(tcls_isa()));
	printf("GOP/s with conversion / without\n%-18s", "M x N x K");
	for (int i = 0; i < count; i++)
		printf(" %18s", runners[i].kernel == NULL ? tcls_gemm_path_name(0) : runners[i].kernel->name);
	printf("\n");
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
	{
		double		operations = 2.0 * shapes[s].m * shapes[s].n * shapes[s].k;

		measure(runners, count, &shapes[s]);
		printf("%4d x %4d x %4d ", shapes[s].m, shapes[s].n, shapes[s].k);
		for (int i = 0; i < count; i++)
			printf("    %7.1f/%7.1f", operations / runners[i].best * 1e-9,
				   operations / runners[i].best_multiply * 1e-9);
		printf("\n");
		fflush(stdout);
	}
	return 0;
}
