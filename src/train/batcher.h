/*
 * batcher.h
 *		Which examples each step of an epoch takes.
 *
 * An epoch is a random permutation of all examples, named by (seed, epoch) and
 * cut into batches.  Any batch is found from (seed, epoch, position) alone: there
 * is no table and no state to save.  Batches are not made of texts of similar length:
 * without padding that saves no time, and batches of like texts train worse.
 */
#ifndef TEXTCLS_BATCHER_H
#define TEXTCLS_BATCHER_H

#include <stdint.h>

typedef struct TclsBatcher
{
	int64_t		examples;		/* at least 1 */
	int32_t		batch_size;
	uint64_t	seed;
} TclsBatcher;

/* Batches of an epoch: ceil(examples / batch_size). */
extern int64_t tcls_batcher_count(const TclsBatcher *batcher);

/* indexes (batch_size) gets the examples of a batch; returns how many (the last batch may be smaller). */
extern int32_t tcls_batcher_get(int64_t *indexes, const TclsBatcher *batcher, int64_t epoch, int64_t position);

#endif							/* TEXTCLS_BATCHER_H */
