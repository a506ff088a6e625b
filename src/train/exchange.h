/*
 * exchange.h
 *		What processes that train one model together share, and how they meet.
 *
 * All ranks run the same trainer with the same options and state on the same
 * examples, so that each takes every decision by itself.  The gradient of a step is made and
 * used like this:
 *
 *		meet		(rank 0 has saved the step before, if it did)
 *		touch		its rows of the word embedding that the batch needs (optimizer.h)
 *		meet
 *		compute		the rank's texts of the batch -> its own gradient
 *		meet
 *		reduce		its slice and its touched rows of all gradients, added in the order of the ranks
 *		sum			loss and squares of the slices (meets)
 *		update		its slice and its rows of weights and moments
 *		meet
 *
 * The weights are shared, so that nothing is sent round after the update.  All sums are taken in the
 * order of the ranks: with the same number of ranks the weights are the same, bit for bit.
 */
#ifndef TEXTCLS_EXCHANGE_H
#define TEXTCLS_EXCHANGE_H

#include "train/lazy_rows.h"

/* Doubles of a rank that a sum takes at a time. */
#define TCLS_EXCHANGE_BOARD 4096

/* block and board are memory that all ranks share, filled with zero bytes at first. */
typedef struct TclsExchange
{
	int32_t		rank;			/* 0 is the leader */
	int32_t		count;
	float	   *block;			/* weights, moment1, moment2, best, then a gradient a rank: see tcls_exchange_block */
	double	   *board;			/* (2, count, TCLS_EXCHANGE_BOARD) */
	/* Returns when all ranks are here; what each wrote before is then seen by all. */
	TclsStatus	(*meet) (void *context);
	void	   *context;
	int32_t		turn;			/* half of the board that the next sum takes; 0 at first */
} TclsExchange;

/* The blocks of total floats each; gradients of rank r: TCLS_SHARED_GRADIENTS + r. */
typedef enum TclsSharedBlock
{
	TCLS_SHARED_WEIGHTS,
	TCLS_SHARED_MOMENT1,
	TCLS_SHARED_MOMENT2,
	TCLS_SHARED_BEST,
	TCLS_SHARED_GRADIENTS
} TclsSharedBlock;

/* Floats of all blocks of so many ranks together, and of the board. */
extern size_t tcls_exchange_block_floats(size_t total, int32_t count);
extern size_t tcls_exchange_board_doubles(int32_t count);

extern float *tcls_exchange_block(const TclsExchange *exchange, int32_t which, size_t total);

/* The rank's slice of the floats from..to of a block: *first..*end, which begins at a multiple of 16 floats. */
extern void tcls_exchange_slice(size_t *first, size_t *end, const TclsExchange *exchange, size_t from, size_t to);

/* Own gradient[first..end) += those of all others, which become zero; to be called after a meeting. */
extern TclsStatus tcls_exchange_reduce(const TclsExchange *exchange, size_t total, size_t first, size_t end,
									   TclsHost *host);

/* The same of the touched rows that are the rank's own; of the others nothing. */
extern TclsStatus tcls_exchange_reduce_rows(const TclsExchange *exchange, size_t total, const TclsLazyRows *lazy,
											TclsHost *host);

/* Each value becomes the sum of all ranks' values.  All ranks call it with the same count. */
extern TclsStatus tcls_exchange_sum(double *values, size_t count, TclsExchange *exchange);
extern TclsStatus tcls_exchange_sum_counts(int64_t *values, size_t count, TclsExchange *exchange);

/*
 * owners (count) gets the rank of each item, so that the ranks' costs are about equal: the costliest
 * item first, each to the rank that has least.
 */
extern TclsStatus tcls_exchange_deal(int32_t *owners, const int64_t *costs, int32_t count, int32_t ranks,
									 TclsHost *host);

#endif							/* TEXTCLS_EXCHANGE_H */
