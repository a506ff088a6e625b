/*
 * adamw.c
 *		Steps of AdamW over a run of parameters, with a gradient and without.
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

bool
tcls_adamw_may_miss(const TclsAdamW *adamw)
{
	return adamw->beta1 < adamw->beta2;
}

/* From the last step backwards: each step more comes before those counted already. */
void
tcls_adamw_prepare_missed(TclsAdamWMissed *missed, const TclsAdamW *adamw, const TclsLearningRate *rate,
						  double weight_decay, int64_t done, int64_t most)
{
	double		ratio = adamw->beta1 / sqrt(adamw->beta2);
	double		weighed = 0;	/* the terms of the mean of epsilon */

	missed[0] = (TclsAdamWMissed) {.keep = 1, .beta1 = 1, .beta2 = 1, .epsilon = adamw->epsilon};
	for (int64_t k = 1; k <= most; k++)
	{
		const TclsAdamWMissed *later = &missed[k - 1];
		double		step = (double) (done - k + 1);
		double		learning_rate = tcls_learning_rate(rate, done - k);
		double		root = sqrt(1 - pow(adamw->beta2, step));
		double		move = learning_rate * root / (1 - pow(adamw->beta1, step)) * later->keep;

		missed[k].move = ratio * (move + later->move);
		weighed = adamw->beta1 / adamw->beta2 * (move * adamw->epsilon * root + weighed);
		missed[k].keep = later->keep * (1 - learning_rate * weight_decay);
		missed[k].beta1 = later->beta1 * adamw->beta1;
		missed[k].beta2 = later->beta2 * adamw->beta2;
		missed[k].epsilon = missed[k].move > 0 ? weighed / missed[k].move : adamw->epsilon;
	}
}

static TCLS_BODY void
adamw_catch_up(float *restrict weights, float *restrict moment1, float *restrict moment2, size_t count,
			   const TclsAdamWMissed *missed)
{
	float		keep = (float) missed->keep;
	float		beta1 = (float) missed->beta1;
	float		beta2 = (float) missed->beta2;
	float		move = (float) missed->move;
	float		epsilon = (float) missed->epsilon;

	for (size_t i = 0; i < count; i++)
	{
		weights[i] = weights[i] * keep - move * moment1[i] / (sqrtf(moment2[i]) + epsilon);
		moment1[i] *= beta1;
		moment2[i] *= beta2;
	}
}

TCLS_VARIANTS(adamw_catch_up, (float *weights, float *moment1, float *moment2, size_t count,
							   const TclsAdamWMissed *missed), (weights, moment1, moment2, count, missed))
