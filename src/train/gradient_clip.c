/*
 * gradient_clip.c
 *		The global norm of a gradient.
 */
#include "kernels/variant.h"
#include "train/gradient_clip.h"
#include "base/pure_c.h"

/* Independent partial sums, so that the compiler may vectorise without changing the order. */
#define LANES 16

static TCLS_BODY void
gradient_squares(double *squares, const float *gradient, size_t count)
{
	double		sums[LANES] = {0};
	double		total = 0;
	size_t		i = 0;

	for (; i + LANES <= count; i += LANES)
		for (size_t lane = 0; lane < LANES; lane++)
			sums[lane] += (double) gradient[i + lane] * (double) gradient[i + lane];
	for (; i < count; i++)
		total += (double) gradient[i] * (double) gradient[i];
	for (size_t lane = 0; lane < LANES; lane++)
		total += sums[lane];
	*squares = total;
}

TCLS_VARIANTS(gradient_squares, (double *squares, const float *gradient, size_t count), (squares, gradient, count))

double
tcls_gradient_clip_factor(double norm, double max_norm)
{
	double		factor = max_norm / (norm + 1e-6);

	return max_norm > 0 && factor < 1 ? factor : 1;
}
