/*
 * test_packed.c
 *		Each packed kernel that this CPU runs against its definition, computed here in another way.
 *
 * TEXTCLS_ISA=plain, avx2, avx512, avx512_vnni or amx (or the first argument) limits what is used.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/packed.h"
#include "unit.h"

/* Operands of one product; the sizes of memory are exact, so that the sanitizer sees a step beyond. */
typedef struct Trial
{
	const TclsPackedKernel *kernel;
	int			m;
	int			n;
	int			k;
	float	   *x;
	float	   *weight;
	float	   *bias;
	float	   *residual;
	float	   *y;
	double	   *product;		/* (M, N): what X W^T is by the definition of the precision */
	double	   *magnitude;		/* (M, N): |X| |W|^T, what errors are relative to */
	TclsEpilogue epilogue;
} Trial;

static void *
aligned(size_t size)
{
	void	   *data = NULL;

	CHECK(size % 64 == 0);
	return posix_memalign(&data, 64, size) == 0 ? data : NULL;
}

static void
fill(float *data, size_t count, TclsRng *rng)
{
	for (size_t i = 0; i < count; i++)
		data[i] = (float) (2 * tcls_rng_uniform(rng) - 1);
}

static Trial
trial(const TclsPackedKernel *kernel, int m, int n, int k, UnitHost *unit)
{
	Trial		t = {kernel, m, n, k, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {NULL, NULL, NULL}};
	TclsRng		rng = {(uint64_t) (m * 7 + n * 3 + k)};
	size_t		results = (size_t) m * (size_t) n;

	CHECK_OK(tcls_alloc(&t.x, (size_t) m * (size_t) k, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&t.weight, (size_t) n * (size_t) k, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&t.bias, (size_t) n, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&t.residual, results, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&t.y, results, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&t.product, results, sizeof(double), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&t.magnitude, results, sizeof(double), &unit->host), &unit->host);
	fill(t.x, (size_t) m * (size_t) k, &rng);
	fill(t.weight, (size_t) n * (size_t) k, &rng);
	fill(t.bias, (size_t) n, &rng);
	fill(t.residual, results, &rng);
	return t;
}

/* ---- the definitions ---- */

/* To 8 significant bits, ties to even. */
static double
to_bf16(float x)
{
	int			exponent;
	double		fraction = frexp((double) x, &exponent);

	return ldexp(nearbyint(ldexp(fraction, 8)), exponent - 8);
}

/* How a row is quantised: in float, as the kernels do. */
typedef struct Quantiser
{
	float		shift;
	float		half;			/* of the range, or the largest magnitude where there is no shift */
} Quantiser;

static Quantiser
quantiser_of(const float *x, int k, bool shifted)
{
	float		low = x[0];
	float		high = x[0];
	Quantiser	result = {0, 0};

	for (int i = 0; i < k; i++)
	{
		low = fminf(low, x[i]);
		high = fmaxf(high, x[i]);
	}
	result.half = shifted ? 0.5f * high - 0.5f * low : fmaxf(high, -low);
	result.shift = shifted ? 0.5f * high + 0.5f * low : 0;
	return result;
}

static double
quantised(float x, Quantiser quantiser)
{
	float		step = nearbyintf((x - quantiser.shift) * (127.0f / quantiser.half));

	return quantiser.half < 1e-30f ? 0 : (double) fmaxf(-127, fminf(127, step));
}

/* The sums of int8 are exact, only what follows is rounded. */
static void
define_int8(double *product, double *magnitude, const float *x, const float *w, int k)
{
	Quantiser	of_x = quantiser_of(x, k, true);
	Quantiser	of_w = quantiser_of(w, k, false);
	double		sum = 0;
	double		total = 0;

	for (int l = 0; l < k; l++)
	{
		sum += quantised(x[l], of_x) * quantised(w[l], of_w);
		total += quantised(w[l], of_w);
	}
	sum *= (double) of_x.half / 127 * (double) of_w.half / 127;
	total *= (double) of_w.half / 127 * (double) of_x.shift;
	*product = sum + total;
	*magnitude = fabs(sum) + fabs(total);
}

static void
define_floats(double *product, double *magnitude, const float *x, const float *w, int k, bool rounded)
{
	*product = 0;
	*magnitude = 0;
	for (int l = 0; l < k; l++)
	{
		double		term = rounded ? to_bf16(x[l]) * to_bf16(w[l]) : (double) x[l] * (double) w[l];

		*product += term;
		*magnitude += fabs(term);
	}
}

static void
define_product(Trial *t)
{
	for (int i = 0; i < t->m; i++)
		for (int j = 0; j < t->n; j++)
		{
			const float *x = t->x + i * t->k;
			const float *w = t->weight + j * t->k;
			int			at = i * t->n + j;

			if (t->kernel->precision == TCLS_INT8)
				define_int8(&t->product[at], &t->magnitude[at], x, w, t->k);
			else
				define_floats(&t->product[at], &t->magnitude[at], x, w, t->k, t->kernel->precision == TCLS_BF16);
		}
}

static double
activation_of(double x, const TclsActivation *activation)
{
	if (activation == NULL)
		return x;
	switch (*activation)
	{
		case TCLS_ACTIVATION_GELU:
			return x * 0.5 * erfc(-x * M_SQRT1_2);
		case TCLS_ACTIVATION_GELU_TANH:
			return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
		case TCLS_ACTIVATION_RELU:
			return x < 0 ? 0 : x;
		case TCLS_ACTIVATION_TANH:
			return tanh(x);
	}
	return NAN;
}

/* ---- a trial ---- */

static void
multiply(Trial *t)
{
	void	   *packed = aligned(t->kernel->weight_bytes(t->n, t->k));
	void	   *input = aligned(t->kernel->input_bytes(t->m, t->k));

	t->kernel->pack(packed, t->weight, t->n, t->k);
	t->kernel->convert(input, t->x, t->m, t->k);
	t->kernel->multiply(t->y, input, packed, t->m, t->n, t->k, &t->epilogue);
	free(packed);
	free(input);
}

/* bound: of the error of the product, relative to its magnitude. */
static void
check_result(const Trial *t, const float *residual, double bound)
{
	for (int i = 0; i < t->m * t->n; i++)
	{
		double		sum = t->product[i] + (t->epilogue.bias != NULL ? (double) t->bias[i % t->n] : 0);
		double		wanted = activation_of(sum, t->epilogue.activation) + (residual != NULL ? (double) residual[i] : 0);
		double		tolerance = bound * t->magnitude[i] + 3e-7 * (fabs(wanted) + fabs(sum) + 1);

		if (t->epilogue.activation != NULL)
			tolerance += 3e-6;
		if (!(fabs((double) t->y[i] - wanted) <= tolerance))
		{
			unit_fail(__FILE__, __LINE__, "%s: (%d, %d, %d) at (%d, %d) is %.9g, not %.9g", t->kernel->name, t->m, t->n,
					  t->k, i / t->n, i % t->n, (double) t->y[i], wanted);
			return;
		}
	}
}

static double
bound_of(const Trial *t)
{
	return t->kernel->precision == TCLS_INT8 ? 3e-7 : 3e-7 * (1 + sqrt((double) t->k) / 4);
}

static void
check_product(const TclsPackedKernel *kernel, int m, int n, int k, UnitHost *unit)
{
	Trial		t = trial(kernel, m, n, k, unit);

	define_product(&t);
	multiply(&t);
	check_result(&t, NULL, bound_of(&t));
	unit_host_reset(unit);
}

typedef void (*KernelCase) (const TclsPackedKernel *kernel, UnitHost *unit);

static void
each_kernel(KernelCase test, UnitHost *unit)
{
	for (int i = 0; i < tcls_packed_kernel_count(); i++)
		if (tcls_packed_available(tcls_packed_kernel(i)))
			test(tcls_packed_kernel(i), unit);
}

/* ---- cases ---- */

static void
tails_case(const TclsPackedKernel *kernel, UnitHost *unit)
{
	static const int others[][3] = {{1, 1, 1}, {2, 16, 64}, {4, 129, 2}, {20, 384, 384}, {5, 33, 1537}, {3, 17, 5001},
	{131, 65, 33}};

	for (int m = 1; m <= 70; m++)
		check_product(kernel, m, 37, 51, unit);
	for (int n = 1; n <= 66; n++)
		check_product(kernel, 3 + n % 5, n, 5, unit);
	for (int k = 1; k <= 70; k++)
		check_product(kernel, 1 + k % 9, 19, k, unit);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		check_product(kernel, others[i][0], others[i][1], others[i][2], unit);
}

static void
products_equal_their_definition(UnitHost *unit)
{
	each_kernel(tails_case, unit);
}

/* activation: -1 for none. */
static void
check_epilogue(Trial *t, bool bias, int activation, int residual)
{
	TclsActivation function = (TclsActivation) activation;

	t->epilogue.bias = bias ? t->bias : NULL;
	t->epilogue.activation = activation >= 0 ? &function : NULL;
	t->epilogue.residual = residual == 0 ? NULL : residual == 1 ? t->residual : t->y;
	for (int i = 0; i < t->m * t->n; i++)
		t->y[i] = residual == 2 ? t->residual[i] : NAN;
	multiply(t);
	check_result(t, residual != 0 ? t->residual : NULL, bound_of(t));
}

/* residual 1 lies elsewhere, 2 is what Y holds. */
static void
epilogue_case(const TclsPackedKernel *kernel, UnitHost *unit)
{
	static const int sizes[][3] = {{1, 70, 33}, {11, 37, 600}, {61, 32, 40}};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		Trial		t = trial(kernel, sizes[s][0], sizes[s][1], sizes[s][2], unit);

		define_product(&t);
		for (int bias = 0; bias < 2; bias++)
			for (int activation = -1; activation <= TCLS_ACTIVATION_TANH; activation++)
				for (int residual = 0; residual < 3; residual++)
					check_epilogue(&t, bias, activation, residual);
		unit_host_reset(unit);
	}
}

static void
epilogues(UnitHost *unit)
{
	each_kernel(epilogue_case, unit);
}

/* Rows of zeros, and of numbers so small that they count as such in int8. */
static void
zeros_case(const TclsPackedKernel *kernel, UnitHost *unit)
{
	Trial		t = trial(kernel, 9, 21, 45, unit);

	for (int i = 0; i < t.k; i++)
	{
		t.x[i] = 0;
		t.x[3 * t.k + i] *= 1e-40f;
		t.x[4 * t.k + i] *= 1e-20f;
		t.x[5 * t.k + i] *= 1e20f;
		t.x[6 * t.k + i] = i % 2 == 0 ? 1e6f : nextafterf(1e6f, 2e6f);
		t.weight[7 * t.k + i] = -0.0f;
		t.weight[8 * t.k + i] *= 1e-40f;
	}
	t.epilogue.bias = t.bias;
	define_product(&t);
	multiply(&t);
	check_result(&t, NULL, bound_of(&t));
}

static void
rows_of_zeros(UnitHost *unit)
{
	each_kernel(zeros_case, unit);
}

/* With 127 and -127 as ends of the range and weights of one 1 each, the results are the quantised numbers. */
static void
ties_case(const TclsPackedKernel *kernel, UnitHost *unit)
{
	Trial		t = trial(kernel, 2, 40, 40, unit);

	if (kernel->precision != TCLS_INT8)
		return;
	memset(t.weight, 0, (size_t) (t.n * t.k) * sizeof(float));
	for (int i = 0; i < t.k; i++)
	{
		t.x[i] = i == 0 ? 127 : i == 1 ? -127 : (float) (i - 20) + 0.5f;
		t.x[t.k + i] = i == 0 ? -127 : i == 1 ? 127 : (float) (i - 20) * 6 + 0.49f;
		t.weight[i * t.k + i] = 1;
	}
	multiply(&t);
	for (int i = 2; i < t.k; i++)
	{
		CHECK_CLOSE((double) t.y[i], nearbyint(i - 20 + 0.5), 1e-5);
		CHECK_CLOSE((double) t.y[t.n + i], (i - 20) * 6, 1e-4);
	}
}

static void
ties_go_to_even(UnitHost *unit)
{
	each_kernel(ties_case, unit);
}

/* The largest sums that there can be, of both signs, at the largest K. */
static void
largest_case(const TclsPackedKernel *kernel, UnitHost *unit)
{
	Trial		t = trial(kernel, 2, 3, TCLS_PACKED_MAX_K, unit);

	if (kernel->precision != TCLS_INT8)
		return;
	for (int i = 0; i < t.k; i++)
	{
		t.x[i] = 1;
		t.x[t.k + i] = -1;
		t.weight[i] = 2;
		t.weight[t.k + i] = -2;
		t.weight[2 * t.k + i] = i % 2 == 0 ? 2 : -2;
	}
	/* The last element makes the range symmetric. */
	t.x[t.k - 1] = -1;
	t.x[2 * t.k - 1] = 1;
	multiply(&t);
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 3; j++)
			CHECK_CLOSE((double) t.y[i * 3 + j], j == 2 ? (i == 0 ? 4 : -4) : (i == j ? 2.0 : -2.0) * (t.k - 2), 0.02);
}

static void
largest_sums_do_not_overflow(UnitHost *unit)
{
	each_kernel(largest_case, unit);
}

/* A bad row of X spoils its row, a bad row of W its column, and neither anything else. */
static void
not_finite_case(const TclsPackedKernel *kernel, UnitHost *unit)
{
	static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};

	for (int b = 0; b < 4; b++)
		for (int place = 0; place < 39; place += 19)
		{
			Trial		t = trial(kernel, 11, 35, 39, unit);

			t.x[4 * t.k + place] = bad[b];
			t.weight[33 * t.k + place] = bad[b];
			t.epilogue.bias = t.bias;
			multiply(&t);
			for (int i = 0; i < t.m * t.n; i++)
				if (isfinite(t.y[i]) != (i / t.n != 4 && i % t.n != 33))
				{
					unit_fail(__FILE__, __LINE__, "%s: %g at %d gives %g at (%d, %d)", kernel->name, (double) bad[b],
							  place, (double) t.y[i], i / t.n, i % t.n);
					break;
				}
			unit_host_reset(unit);
		}
}

static void
what_is_not_finite_stays_so(UnitHost *unit)
{
	each_kernel(not_finite_case, unit);
}

/* ---- the list ---- */

static void
the_list_is_sound(UnitHost *unit)
{
	int			count = tcls_packed_kernel_count();

	(void) unit;
	for (int p = 0; p < TCLS_PRECISION_COUNT; p++)
	{
		const TclsPackedKernel *best = tcls_packed_best((TclsPrecision) p);

		CHECK(best != NULL && (int) best->precision == p && tcls_packed_available(best));
		CHECK(strncmp(best->name, tcls_precision_name((TclsPrecision) p), 4) == 0);
	}
	for (int i = 0; i < count; i++)
	{
		const TclsPackedKernel *kernel = tcls_packed_kernel(i);

		CHECK(tcls_packed_by_layout(kernel->layout) == kernel);
		CHECK(!kernel->is_plain || tcls_packed_available(kernel));
		CHECK(kernel->weight_bytes(7, 9) % 64 == 0 && kernel->weight_bytes(7, 9) >= 63);
		for (int j = 0; j < i; j++)
			CHECK(strcmp(kernel->name, tcls_packed_kernel(j)->name) != 0);
	}
	CHECK(tcls_packed_by_layout("no such layout") == NULL);
}

static void
self_test_case(const TclsPackedKernel *kernel, UnitHost *unit)
{
	(void) unit;
	if (!tcls_packed_self_test(kernel))
		unit_fail(__FILE__, __LINE__, "%s fails its self-test", kernel->name);
}

static void
kernels_pass_their_self_test(UnitHost *unit)
{
	each_kernel(self_test_case, unit);
}

/* Kernels that are wrong in one thing each. */
static const TclsPackedKernel *right;

static void
forgets_the_residual(float *y, const void *input, const void *packed, int m, int n, int k,
					 const TclsEpilogue *epilogue)
{
	TclsEpilogue less = *epilogue;

	less.residual = NULL;
	right->multiply(y, input, packed, m, n, k, &less);
}

static void
wrong_last_row(float *y, const void *input, const void *packed, int m, int n, int k, const TclsEpilogue *epilogue)
{
	right->multiply(y, input, packed, m, n, k, epilogue);
	if (m == 29)
		y[28 * n + n - 1] += 5e-4f;
}

static void
not_a_number(float *y, const void *input, const void *packed, int m, int n, int k, const TclsEpilogue *epilogue)
{
	right->multiply(y, input, packed, m, n, k, epilogue);
	y[0] = NAN;
}

static void
self_test_finds_wrong_kernels(UnitHost *unit)
{
	(void) unit;
	for (int p = 0; p < TCLS_PRECISION_COUNT; p++)
	{
		TclsPackedKernel wrong;

		right = tcls_packed_best((TclsPrecision) p);
		wrong = *right;
		wrong.multiply = forgets_the_residual;
		CHECK(!tcls_packed_self_test(&wrong));
		wrong.multiply = wrong_last_row;
		CHECK(!tcls_packed_self_test(&wrong));
		wrong.multiply = not_a_number;
		CHECK(!tcls_packed_self_test(&wrong));
		wrong.multiply = right->multiply;
		CHECK(tcls_packed_self_test(&wrong));
	}
}

/* Last: a rejected kernel does not come back. */
static void
rejected_kernels_are_not_used(UnitHost *unit)
{
	(void) unit;
	for (int i = 0; i < tcls_packed_kernel_count(); i++)
		tcls_packed_reject(tcls_packed_kernel(i));
	for (int p = 0; p < TCLS_PRECISION_COUNT; p++)
		CHECK(tcls_packed_best((TclsPrecision) p)->is_plain);
}

int
main(int argc, char **argv)
{
	const char *limit = argc > 1 ? argv[1] : getenv("TEXTCLS_ISA");
	static const char *const levels[TCLS_ISA_COUNT] = {"plain", "avx2", "avx512", "avx512_vnni", "amx"};

	for (int isa = 0; limit != NULL && isa < TCLS_ISA_COUNT; isa++)
		if (strcmp(limit, levels[isa]) == 0)
			tcls_isa_select((TclsIsa) isa);
	printf("# %s\n", tcls_isa_name(tcls_isa()));
	RUN(the_list_is_sound);
	RUN(products_equal_their_definition);
	RUN(epilogues);
	RUN(rows_of_zeros);
	RUN(ties_go_to_even);
	RUN(largest_sums_do_not_overflow);
	RUN(what_is_not_finite_stays_so);
	RUN(kernels_pass_their_self_test);
	RUN(self_test_finds_wrong_kernels);
	RUN(rejected_kernels_are_not_used);
	return unit_finish();
}
