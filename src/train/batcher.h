/*
 * batcher.h
 *		Which examples each step of an epoch takes.
 *
 *		epoch order   | random permutation of all examples, named by (seed, epoch) |
 *		windows       | 50 batches | 50 batches | ...                       | rest |
 *		in a window   sorted by length, cut into batches, the batches shuffled
 *
 * So the texts of a batch are about equally long, while every epoch takes each example
 * once in an order that is random but for 50 batches.  Any batch is found from
 * (seed, epoch, position) alone: there is no state to save.
 */
#ifndef TEXTCLS_BATCHER_H
#define TEXTCLS_BATCHER_H

#include "train/example.h"

typedef struct TclsBatcher TclsBatcher;

/* The source is borrowed.  Memory is that of one window. */
extern TclsStatus tcls_batcher_create(TclsBatcher **out, const TclsExampleSource *source, int32_t batch_size,
									  uint64_t seed, TclsHost *host);

/* Batches of an epoch: ceil(examples / batch_size). */
extern int64_t tcls_batcher_count(const TclsBatcher *batcher);

/* *indexes (*count) are borrowed until the next call. */
extern TclsStatus tcls_batcher_get(const int64_t **indexes, int32_t *count, TclsBatcher *batcher, int64_t epoch,
								   int64_t position);

extern void tcls_batcher_destroy(TclsBatcher *batcher);

#endif							/* TEXTCLS_BATCHER_H */
