/*
 * packed.c
 *		Which packed kernels there are, which one is best here, and their self-test.
 */
#include <math.h>
#include <string.h>

#include "kernels/gemm.h"
#include "kernels/packed_parts.h"
#include "base/pure_c.h"

static const TclsPackedKernel *const kernels[] = {
#if defined(__x86_64__)
	&tcls_packed_fp32_avx512,
	&tcls_packed_fp32_avx2,
#endif
	&tcls_packed_fp32_plain,
	&tcls_packed_bf16_onednn,
	&tcls_packed_bf16_plain,
	&tcls_packed_int8_onednn,
#if defined(__x86_64__)
	&tcls_packed_int8_vnni,
	&tcls_packed_int8_avx512,
	&tcls_packed_int8_avx2,
#endif
	&tcls_packed_int8_plain,
};

#define KERNEL_COUNT ((int) (sizeof(kernels) / sizeof(kernels[0])))

static bool rejected[KERNEL_COUNT];

int
tcls_packed_kernel_count(void)
{
	return KERNEL_COUNT;
}

const TclsPackedKernel *
tcls_packed_kernel(int index)
{
	return kernels[index];
}

bool
tcls_packed_available(const TclsPackedKernel *kernel)
{
	for (int i = 0; i < KERNEL_COUNT; i++)
		if (kernels[i] == kernel && rejected[i])
			return false;
	return kernel->available();
}

void
tcls_packed_reject(const TclsPackedKernel *kernel)
{
	for (int i = 0; i < KERNEL_COUNT; i++)
		if (kernels[i] == kernel && !kernel->is_plain)
			rejected[i] = true;
}

static const TclsPackedKernel *
plain_kernel(TclsPrecision precision)
{
	int			i = 0;

	while (!(kernels[i]->precision == precision && kernels[i]->is_plain))
		i++;
	return kernels[i];
}

const TclsPackedKernel *
tcls_packed_best(TclsPrecision precision)
{
	for (int i = 0; i < KERNEL_COUNT; i++)
		if (kernels[i]->precision == precision && tcls_packed_available(kernels[i]))
			return kernels[i];
	return plain_kernel(precision);
}

const TclsPackedKernel *
tcls_packed_by_layout(const char *layout)
{
	for (int i = 0; i < KERNEL_COUNT; i++)
		if (strcmp(kernels[i]->layout, layout) == 0)
			return kernels[i];
	return NULL;
}

const char *
tcls_precision_name(TclsPrecision precision)
{
	static const char *const names[TCLS_PRECISION_COUNT] = {"fp32", "bf16", "int8"};

	return names[precision];
}

/* ---- the self-test ---- */

typedef struct TestShape
{
	int			m;
	int			n;
	int			k;
	bool		bias;
	bool		activation;
	bool		residual;
} TestShape;

/* Tails of rows, columns and depth; one depth of several blocks. */
static const TestShape test_shapes[] = {
	{1, 1, 1, false, false, false},
	{1, 100, 384, true, false, false},
	{2, 33, 65, true, true, false},
	{3, 64, 31, true, false, true},
	{5, 17, 129, false, false, true},
	{7, 96, 1536, true, false, false},
	{20, 200, 384, true, true, false},
	{29, 47, 100, true, true, true},
	{67, 49, 70, true, false, false},
};

/* The largest of each operand above. */
#define TEST_WEIGHT (96 * 1536)
#define TEST_RESULT (67 * 200)
#define TEST_BYTES ((size_t) 1 << 20)

static float test_weight[TEST_WEIGHT];
static float test_x[TEST_RESULT];
static float test_bias[256];
static float test_residual[TEST_RESULT];
static float test_results[2][TEST_RESULT];
static char test_packed[TEST_BYTES] __attribute__((aligned(64)));
static char test_input[TEST_BYTES] __attribute__((aligned(64)));

static bool
test_multiply(float *y, const TclsPackedKernel *kernel, const TestShape *shape)
{
	static const TclsActivation relu = TCLS_ACTIVATION_RELU;
	TclsEpilogue epilogue = {shape->bias ? test_bias : NULL, shape->activation ? &relu : NULL,
		shape->residual ? y : NULL};

	if (kernel->weight_bytes(shape->n, shape->k) > TEST_BYTES || kernel->input_bytes(shape->m, shape->k) > TEST_BYTES)
		return false;
	memcpy(y, test_residual, sizeof(test_residual));
	kernel->pack(test_packed, test_weight, shape->n, shape->k);
	kernel->convert(test_input, test_x, shape->m, shape->k);
	kernel->multiply(y, test_input, test_packed, shape->m, shape->n, shape->k, &epilogue);
	return true;
}

/* The sums of int8 are exact, and one that is wrong by 1 is wrong by 6e-5 in the result. */
bool
tcls_packed_self_test(const TclsPackedKernel *kernel)
{
	const TclsPackedKernel *plain = plain_kernel(kernel->precision);

	tcls_self_test_fill(test_weight, TEST_WEIGHT, 1);
	tcls_self_test_fill(test_x, TEST_RESULT, 2);
	tcls_self_test_fill(test_bias, sizeof(test_bias) / sizeof(float), 3);
	tcls_self_test_fill(test_residual, TEST_RESULT, 4);
	for (size_t s = 0; s < sizeof(test_shapes) / sizeof(test_shapes[0]); s++)
	{
		const TestShape *shape = &test_shapes[s];
		float		tolerance = kernel->precision == TCLS_INT8 ? 1e-5f : 1e-6f * (float) (shape->k + 16);

		if (!test_multiply(test_results[0], kernel, shape) || !test_multiply(test_results[1], plain, shape))
			return false;
		for (size_t i = 0; i < (size_t) shape->m * (size_t) shape->n; i++)
			if (!(fabsf(test_results[0][i] - test_results[1][i]) <= tolerance))
				return false;
	}
	return true;
}
