/*
 * optimizer.c
 *		AdamW over all parameters of a model that are not frozen.
 */
#include "train/gradient_clip.h"
#include "train/optimizer.h"
#include "base/pure_c.h"

#define POLL_FLOATS ((size_t) 1 << 22)	/* a few milliseconds of work between polls */
#define POLL_ROWS 2048

static void
prepare_missed(TclsAdamWMissed *missed, const TclsOptimizer *optimizer, int64_t done)
{
	int64_t		most = done < TCLS_SETTLE_STEPS ? done : TCLS_SETTLE_STEPS;

	tcls_adamw_prepare_missed(missed, &optimizer->adamw, &optimizer->rate, optimizer->weight_decay, done, most);
}

static void
catch_up(const TclsOptimizer *optimizer, int32_t row, const TclsAdamWMissed *missed, int64_t done)
{
	TclsLazyRows *lazy = optimizer->lazy;
	size_t		first = tcls_lazy_rows_offset(lazy, row);

	if (tcls_lazy_rows_owns(lazy, row) && lazy->steps[row] < done)
		tcls_adamw_catch_up(optimizer->weights + first, optimizer->moment1 + first, optimizer->moment2 + first,
							lazy->columns, &missed[done - lazy->steps[row]]);
	lazy->steps[row] = done;
}

static TclsStatus
check_ids(const TclsOptimizer *optimizer, const int32_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] < 0 || ids[i] >= optimizer->lazy->rows)
			return tcls_fail(optimizer->host, TCLS_BAD_ARGUMENT, "token id %d is not in the vocabulary of %d", ids[i],
							 optimizer->lazy->rows);
	return TCLS_OK;
}

TclsStatus
tcls_optimizer_touch(const TclsOptimizer *optimizer, const int32_t *ids, size_t count, int64_t done)
{
	TclsLazyRows *lazy = optimizer->lazy;
	TclsAdamWMissed missed[TCLS_SETTLE_STEPS + 1];

	if (lazy == NULL)
		return TCLS_OK;
	TCLS_TRY(check_ids(optimizer, ids, count));
	prepare_missed(missed, optimizer, done);
	tcls_lazy_rows_touch(lazy, ids, count);
	for (int32_t i = 0; i < lazy->touched_count; i++)
	{
		if (i % POLL_ROWS == 0)
			TCLS_TRY(tcls_poll(optimizer->host));
		catch_up(optimizer, lazy->touched[i], missed, done);
	}
	return TCLS_OK;
}

TclsStatus
tcls_optimizer_settle(const TclsOptimizer *optimizer, int64_t done)
{
	TclsAdamWMissed missed[TCLS_SETTLE_STEPS + 1];

	if (optimizer->lazy == NULL)
		return TCLS_OK;
	prepare_missed(missed, optimizer, done);
	for (int32_t row = 0; row < optimizer->lazy->rows; row++)
	{
		if (row % POLL_ROWS == 0)
			TCLS_TRY(tcls_poll(optimizer->host));
		catch_up(optimizer, row, missed, done);
	}
	return TCLS_OK;
}

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

static double
squares_of_rows(const TclsOptimizer *optimizer)
{
	const TclsLazyRows *lazy = optimizer->lazy;
	double		sum = 0;

	for (int32_t i = 0; i < lazy->touched_count; i++)
	{
		int32_t		row = lazy->touched[i];
		double		part;

		if (!tcls_lazy_rows_owns(lazy, row))
			continue;
		tcls_gradient_squares(&part, optimizer->gradient + tcls_lazy_rows_offset(lazy, row), lazy->columns);
		sum += part;
	}
	return sum;
}

TclsStatus
tcls_optimizer_squares(double *squares, const TclsOptimizer *optimizer)
{
	*squares = optimizer->lazy == NULL ? 0 : squares_of_rows(optimizer);
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

static void
update(const TclsOptimizer *optimizer, size_t first, size_t count, const TclsAdamWStep *step)
{
	tcls_adamw_update(optimizer->weights + first, optimizer->moment1 + first, optimizer->moment2 + first,
					  optimizer->gradient + first, count, step);
}

static TclsStatus
update_rows(const TclsOptimizer *optimizer, const TclsAdamWStep *step, int64_t number)
{
	const TclsLazyRows *lazy = optimizer->lazy;

	for (int32_t i = 0; i < lazy->touched_count; i++)
	{
		int32_t		row = lazy->touched[i];

		if (i % POLL_ROWS == 0)
			TCLS_TRY(tcls_poll(optimizer->host));
		if (tcls_lazy_rows_owns(lazy, row))
			update(optimizer, tcls_lazy_rows_offset(lazy, row), lazy->columns, step);
		lazy->steps[row] = number;
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
		update(optimizer, first, count, step);
	}
	return TCLS_OK;
}

TclsStatus
tcls_optimizer_step(const TclsOptimizer *optimizer, int64_t number, double gradient_scale)
{
	TclsAdamWStep prepared[2][2];	/* [is head][decays] */

	for (int head = 0; head < 2; head++)
		for (int decays = 0; decays < 2; decays++)
			prepared[head][decays] =
				tcls_adamw_prepare(&optimizer->adamw, number,
								   tcls_learning_rate(head ? &optimizer->head_rate : &optimizer->rate, number - 1),
								   decays ? optimizer->weight_decay : 0, gradient_scale);
	/* Their table is a matrix of the embeddings. */
	if (optimizer->lazy != NULL)
		TCLS_TRY(update_rows(optimizer, &prepared[0][1], number));
	/* Backwards, from what the sum of squares read last to what the next forward reads first: both are cached. */
	for (int32_t i = optimizer->plan->count - 1; i >= 0; i--)
	{
		const TclsParameter *parameter = &optimizer->plan->items[i];
		bool		is_head = parameter->layer == optimizer->head_layer;

		TCLS_TRY(update_parameter(optimizer, parameter, &prepared[is_head][parameter->decays]));
	}
	if (number % TCLS_SETTLE_STEPS == 0)
		return tcls_optimizer_settle(optimizer, number);
	return TCLS_OK;
}
