/*
 * split.h
 *		Deals a stream of labelled rows into training and validation rows.
 *
 * The rows come in a seeded random order in which rows of equal text follow each
 * other: equal texts stay on one side, or the validation would measure memory.
 * The first rows of a class go to the training set until it is full, the rest to the
 * validation set.  Without duplicates the counts are exact: round(fraction * n) of a class of
 * n rows, at least 1 if n is 2 or more, and never all of them.  Where equal texts straddle
 * the boundary, they are training rows.
 */
#ifndef TEXTCLS_SPLIT_H
#define TEXTCLS_SPLIT_H

#include <stdbool.h>

#include "base/host.h"

typedef struct TclsSplit TclsSplit;

/*
 * counts (classes) rows of each class; not stratified: the fraction is taken of
 * all rows together, so that pass {n} and 1 class where rows have no single class.
 * 0 <= fraction < 1.  At least one row of each class is a training row in both ways.
 */
extern TclsStatus tcls_split_create(TclsSplit **out, const int64_t *counts, int32_t classes, double fraction,
									bool stratified, TclsHost *host);

/* Whether the next row of the stream is a validation row. */
extern bool tcls_split_next(TclsSplit *split, int32_t label, uint64_t text_hash);

extern void tcls_split_destroy(TclsSplit *split, TclsHost *host);

#endif							/* TEXTCLS_SPLIT_H */
