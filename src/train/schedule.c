/*
 * schedule.c
 *		Warm-up, then linear, cosine or no decay.
 */
#include <math.h>

#include "train/schedule.h"
#include "base/pure_c.h"

int64_t
tcls_schedule_warmup_steps(int64_t total_steps, double warmup_ratio)
{
	return (int64_t) ceil((double) total_steps * warmup_ratio);
}

double
tcls_schedule_factor(TclsSchedule schedule, int64_t step, int64_t warmup_steps, int64_t total_steps)
{
	double		progress;

	if (step < warmup_steps)
		return (double) step / (double) warmup_steps;
	if (schedule == TCLS_CONSTANT)
		return 1;
	if (step >= total_steps)
		return 0;
	progress = (double) (step - warmup_steps) / (double) (total_steps - warmup_steps);
	return schedule == TCLS_LINEAR ? 1 - progress : 0.5 * (1 + cos(M_PI * progress));
}

double
tcls_learning_rate(const TclsLearningRate *rate, int64_t step)
{
	return rate->peak * tcls_schedule_factor(rate->schedule, step, rate->warmup_steps, rate->total_steps);
}
