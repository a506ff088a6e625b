/*
 * optimizer.c
 *		AdamW over all parameters of a model that are not frozen.
 */
#include "train/gradient_clip.h"
#include "train/optimizer.h"
#include "base/pure_c.h"

#define POLL_FLOATS ((size_t) 1 << 22)	/* a few milliseconds of work between polls */

/* The floats *first..*end of a parameter that are this process's; none when it is frozen. */
static void
own_floats(size_t *first, size_t *end, const TclsOptimizer *optimizer, const TclsParameter *parameter)
{
	*first = parameter->offset > optimizer->first ? parameter->offset : optimizer->first;
	*end = parameter->offset + parameter->count;
	if (*end > optimizer->end)
		*end = optimizer->end;
	if (*end < *first || parameter->layer < optimizer->first_layer)
		*end = *first;
}

TclsStatus
tcls_optimizer_squares(double *squares, const TclsOptimizer *optimizer)
{
	*squares = 0;

	for (int32_t i = 0; i < optimizer->plan->count; i++)
	{
		double		part;
		size_t		first;
		size_t		end;

		own_floats(&first, &end, optimizer, &optimizer->plan->items[i]);
		tcls_gradient_squares(&part, optimizer->gradient + first, end - first);
		*squares += part;
		TCLS_TRY(tcls_poll(optimizer->host));
	}
	return TCLS_OK;
}

static TclsStatus
update_parameter(const TclsOptimizer *optimizer, const TclsParameter *parameter, const TclsAdamWStep *step)
{
	size_t		first;
	size_t		end;

	own_floats(&first, &end, optimizer, parameter);
	for (size_t count; first < end; first += count)
	{
		count = end - first < POLL_FLOATS ? end - first : POLL_FLOATS;
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

		TCLS_TRY(update_parameter(optimizer, parameter, &prepared[is_head][parameter->decays]));
	}
	return TCLS_OK;
}
