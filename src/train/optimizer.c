/*
 * optimizer.c
 *		AdamW over all parameters of a model that are not frozen.
 */
#include <math.h>

#include "train/gradient_clip.h"
#include "train/optimizer.h"
#include "base/pure_c.h"

#define POLL_FLOATS ((size_t) 1 << 22)	/* a few milliseconds of work between polls */

TclsStatus
tcls_optimizer_norm(double *norm, const TclsOptimizer *optimizer)
{
	double		sum = 0;

	for (int32_t i = 0; i < optimizer->plan->count; i++)
	{
		const TclsParameter *parameter = &optimizer->plan->items[i];
		double		squares;

		if (parameter->layer < optimizer->first_layer)
			continue;
		tcls_gradient_squares(&squares, optimizer->gradient + parameter->offset, parameter->count);
		sum += squares;
		TCLS_TRY(tcls_poll(optimizer->host));
	}
	*norm = sqrt(sum);
	return TCLS_OK;
}

static TclsStatus
update_parameter(const TclsOptimizer *optimizer, const TclsParameter *parameter, const TclsAdamWStep *step)
{
	for (size_t done = 0; done < parameter->count; done += POLL_FLOATS)
	{
		size_t		first = parameter->offset + done;
		size_t		count = parameter->count - done < POLL_FLOATS ? parameter->count - done : POLL_FLOATS;

		TCLS_TRY(tcls_poll(optimizer->host));
		tcls_adamw_update(optimizer->weights + first, optimizer->moment1 + first, optimizer->moment2 + first,
						  optimizer->gradient + first, count, step);
	}
	return TCLS_OK;
}

TclsStatus
tcls_optimizer_step(const TclsOptimizer *optimizer, const TclsOptimizerStep *step)
{
	TclsAdamWStep prepared[2][2];	/* [is head][decays] */

	for (int head = 0; head < 2; head++)
		for (int decays = 0; decays < 2; decays++)
			prepared[head][decays] =
				tcls_adamw_prepare(&optimizer->adamw, step->number,
								   head ? step->head_learning_rate : step->learning_rate,
								   decays ? optimizer->weight_decay : 0, step->gradient_scale);
	for (int32_t i = 0; i < optimizer->plan->count; i++)
	{
		const TclsParameter *parameter = &optimizer->plan->items[i];
		bool		is_head = parameter->layer == optimizer->head_layer;

		if (parameter->layer >= optimizer->first_layer)
			TCLS_TRY(update_parameter(optimizer, parameter, &prepared[is_head][parameter->decays]));
	}
	return TCLS_OK;
}
