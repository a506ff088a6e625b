/*
 * exchange.c
 *		Slices, sums in the order of the ranks, and dealing of a batch.
 */
#include <stdlib.h>
#include <string.h>

#include "train/exchange.h"
#include "base/pure_c.h"

#define SLICE_FLOATS 16			/* slices begin on a cache line of their own */
#define PART_FLOATS 2048		/* added up at a time, so that they stay in the cache */
#define POLL_PARTS 512			/* a few milliseconds between polls */

/* An item of tcls_exchange_deal. */
typedef struct Dealt
{
	int64_t		cost;
	int32_t		item;
} Dealt;

static size_t
round_up(size_t floats)
{
	return (floats + SLICE_FLOATS - 1) / SLICE_FLOATS * SLICE_FLOATS;
}

size_t
tcls_exchange_block_floats(size_t total, int32_t count)
{
	return (TCLS_SHARED_GRADIENTS + (size_t) count) * round_up(total);
}

size_t
tcls_exchange_board_doubles(int32_t count)
{
	return 2 * (size_t) count * TCLS_EXCHANGE_BOARD;
}

float *
tcls_exchange_block(const TclsExchange *exchange, int32_t which, size_t total)
{
	return exchange->block + (size_t) which * round_up(total);
}

static size_t
boundary(int32_t rank, const TclsExchange *exchange, size_t from, size_t to)
{
	size_t		at = from + (to - from) / (size_t) exchange->count * (size_t) rank;

	if (rank == exchange->count)
		return to;
	return rank == 0 ? from : at / SLICE_FLOATS * SLICE_FLOATS;
}

void
tcls_exchange_slice(size_t *first, size_t *end, const TclsExchange *exchange, size_t from, size_t to)
{
	*first = boundary(exchange->rank, exchange, from, to);
	*end = boundary(exchange->rank + 1, exchange, from, to);
	if (*first < from)
		*first = from;
	if (*end < *first)
		*end = *first;
}

/* One part of the slice: the sum is made aside, because the rank's own addend may be any of them. */
static void
reduce_part(const TclsExchange *exchange, size_t total, size_t first, size_t count)
{
	float		sum[PART_FLOATS] = {0};

	for (int32_t rank = 0; rank < exchange->count; rank++)
	{
		float	   *gradient = tcls_exchange_block(exchange, TCLS_SHARED_GRADIENTS + rank, total) + first;

		for (size_t i = 0; i < count; i++)
			sum[i] += gradient[i];
		if (rank != exchange->rank)
			memset(gradient, 0, count * sizeof(float));
	}
	memcpy(tcls_exchange_block(exchange, TCLS_SHARED_GRADIENTS + exchange->rank, total) + first, sum,
		   count * sizeof(float));
}

TclsStatus
tcls_exchange_reduce(const TclsExchange *exchange, size_t total, size_t first, size_t end, TclsHost *host)
{
	for (size_t done = first, part = 0; done < end; done += PART_FLOATS, part++)
	{
		if (part % POLL_PARTS == 0)
			TCLS_TRY(tcls_poll(host));
		reduce_part(exchange, total, done, end - done < PART_FLOATS ? end - done : PART_FLOATS);
	}
	return TCLS_OK;
}

TclsStatus
tcls_exchange_reduce_rows(const TclsExchange *exchange, size_t total, const TclsLazyRows *lazy, TclsHost *host)
{
	for (int32_t i = 0; i < lazy->touched_count; i++)
	{
		size_t		first = tcls_lazy_rows_offset(lazy, lazy->touched[i]);

		if (tcls_lazy_rows_owns(lazy, lazy->touched[i]))
			TCLS_TRY(tcls_exchange_reduce(exchange, total, first, first + lazy->columns, host));
	}
	return TCLS_OK;
}

/*
 * A rank that writes to a half of the board again has been to the meeting of the sum between, and
 * who came there had read this half: so one meeting a sum is enough.
 */
static const double *
take_turn(double **own, TclsExchange *exchange)
{
	double	   *half = exchange->board + (size_t) exchange->turn * (size_t) exchange->count * TCLS_EXCHANGE_BOARD;

	exchange->turn = 1 - exchange->turn;
	*own = half + (size_t) exchange->rank * TCLS_EXCHANGE_BOARD;
	return half;
}

static double
sum_of_ranks(const double *half, size_t place, int32_t count)
{
	double		sum = 0;

	for (int32_t rank = 0; rank < count; rank++)
		sum += half[(size_t) rank * TCLS_EXCHANGE_BOARD + place];
	return sum;
}

TclsStatus
tcls_exchange_sum(double *values, size_t count, TclsExchange *exchange)
{
	for (size_t done = 0; done < count; done += TCLS_EXCHANGE_BOARD)
	{
		size_t		part = count - done < TCLS_EXCHANGE_BOARD ? count - done : TCLS_EXCHANGE_BOARD;
		double	   *own;
		const double *half = take_turn(&own, exchange);

		memcpy(own, values + done, part * sizeof(double));
		TCLS_TRY(exchange->meet(exchange->context));
		for (size_t i = 0; i < part; i++)
			values[done + i] = sum_of_ranks(half, i, exchange->count);
	}
	return TCLS_OK;
}

/* Counts of rows are exact as doubles. */
TclsStatus
tcls_exchange_sum_counts(int64_t *values, size_t count, TclsExchange *exchange)
{
	double		part[TCLS_EXCHANGE_BOARD];

	for (size_t done = 0; done < count; done += TCLS_EXCHANGE_BOARD)
	{
		size_t		size = count - done < TCLS_EXCHANGE_BOARD ? count - done : TCLS_EXCHANGE_BOARD;

		for (size_t i = 0; i < size; i++)
			part[i] = (double) values[done + i];
		TCLS_TRY(tcls_exchange_sum(part, size, exchange));
		for (size_t i = 0; i < size; i++)
			values[done + i] = (int64_t) part[i];
	}
	return TCLS_OK;
}

static int
compare_costs(const void *a, const void *b)
{
	const Dealt *left = a;
	const Dealt *right = b;

	if (left->cost != right->cost)
		return left->cost > right->cost ? -1 : 1;
	return left->item < right->item ? -1 : left->item > right->item;
}

TclsStatus
tcls_exchange_deal(int32_t *owners, const int64_t *costs, int32_t count, int32_t ranks, TclsHost *host)
{
	Dealt	   *order;
	int64_t    *loads;

	TCLS_TRY(tcls_alloc(&order, (size_t) count, sizeof(Dealt), host));
	TCLS_TRY(tcls_alloc_zero(&loads, (size_t) ranks, sizeof(int64_t), host));
	for (int32_t i = 0; i < count; i++)
		order[i] = (Dealt) {costs[i], i};
	qsort(order, (size_t) count, sizeof(Dealt), compare_costs);
	for (int32_t i = 0; i < count; i++)
	{
		int32_t		least = 0;

		for (int32_t rank = 1; rank < ranks; rank++)
			if (loads[rank] < loads[least])
				least = rank;
		owners[order[i].item] = least;
		loads[least] += order[i].cost;
	}
	tcls_free(order, host);
	tcls_free(loads, host);
	return TCLS_OK;
}
