/*
 * lazy_rows.h
 *		The rows of a table of which each step needs few: the word embedding.
 *
 * A step touches the rows of its batch.  Only they have a gradient, so only they are cleared, counted
 * into its norm and updated; what the others miss is made up for when they are touched next,
 * before the forward, or all at once (adamw.h says how).  The step a row has
 * come to is part of the state of a training.
 *
 * Where several processes train together, each keeps these books for all rows, and works on its own rows.
 */
#ifndef TEXTCLS_LAZY_ROWS_H
#define TEXTCLS_LAZY_ROWS_H

#include "encoder/weights.h"

typedef struct TclsLazyRows
{
	size_t		offset;			/* of the table in the blocks, floats */
	size_t		columns;		/* H */
	int32_t		rows;			/* V */
	int64_t    *steps;			/* (V) steps that a row has been through */
	int32_t    *touched;		/* (V), touched_count used: rows of the present step, each once */
	int32_t		touched_count;
	bool	   *is_touched;		/* (V) */
	int32_t		rank;			/* of this process; row r belongs to rank r % ranks */
	int32_t		ranks;
} TclsLazyRows;

/* The rows of a process that trains alone. */
extern TclsStatus tcls_lazy_rows_create(TclsLazyRows *out, const TclsParameter *table, TclsHost *host);

/* The rows of a step, in the order in which they occur first, instead of those of the step before. */
extern void tcls_lazy_rows_touch(TclsLazyRows *lazy, const int32_t *rows, size_t count);

/* Does the row belong to this process? */
extern bool tcls_lazy_rows_owns(const TclsLazyRows *lazy, int32_t row);

/* Floats from the start of a block to the row. */
extern size_t tcls_lazy_rows_offset(const TclsLazyRows *lazy, int32_t row);

extern void tcls_lazy_rows_destroy(TclsLazyRows *lazy, TclsHost *host);

#endif							/* TEXTCLS_LAZY_ROWS_H */
