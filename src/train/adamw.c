/*
 * adamw.c
 *		One step of AdamW over a run of parameters.
 */
#include <math.h>

#include "kernels/variant.h"
#include "train/adamw.h"
#include "base/pure_c.h"

TclsAdamWStep
tcls_adamw_prepare(const TclsAdamW *adamw, int64_t step, double learning_rate, double weight_decay,
				   double gradient_scale)
{
	TclsAdamWStep out;

	out.gradient_scale = (float) gradient_scale;
	out.keep = (float) (1 - learning_rate * weight_decay);
	out.beta1 = (float) adamw->beta1;
	out.beta2 = (float) adamw->beta2;
	out.one_minus_beta1 = (float) (1 - adamw->beta1);
	out.one_minus_beta2 = (float) (1 - adamw->beta2);
	out.step_size = (float) (learning_rate / (1 - pow(adamw->beta1, (double) step)));
	out.root_scale = (float) (1 / sqrt(1 - pow(adamw->beta2, (double) step)));
	out.epsilon = (float) adamw->epsilon;
	return out;
}

/* One pass over four streams: the time is that of memory, so nothing is read twice. */
static TCLS_BODY void
adamw_update(float *restrict weights, float *restrict moment1, float *restrict moment2, float *restrict gradient,
			 size_t count, const TclsAdamWStep *step)
{
	const TclsAdamWStep s = *step;

	for (size_t i = 0; i < count; i++)
	{
		float		g = gradient[i] * s.gradient_scale;
		float		m = s.beta1 * moment1[i] + s.one_minus_beta1 * g;
		float		v = s.beta2 * moment2[i] + s.one_minus_beta2 * g * g;

		moment1[i] = m;
		moment2[i] = v;
		weights[i] = weights[i] * s.keep - s.step_size * m / (sqrtf(v) * s.root_scale + s.epsilon);
		gradient[i] = 0;
	}
}

TCLS_VARIANTS(adamw_update, (float *weights, float *moment1, float *moment2, float *gradient, size_t count,
							 const TclsAdamWStep *step), (weights, moment1, moment2, gradient, count, step))
