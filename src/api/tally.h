/*
 * tally.h
 *		Counts of what a model answered against what a table says.
 *
 * Memory grows with the labels, never with the rows.  Strings are UTF-8.
 */
#ifndef TEXTCLS_TALLY_H
#define TEXTCLS_TALLY_H

#include "utils/hsearch.h"

#include "evaluate/metrics.h"
#include "query/scoring.h"

/* Rows of one expected and one predicted label. */
typedef struct TclsCell
{
	int32		expected;		/* the two are the key */
	int32		predicted;
	int64		rows;
} TclsCell;

typedef struct TclsTally
{
	const TclsScoring *scoring;
	MemoryContext memory;
	bool		multi_label;
	char	  **labels;			/* (num_labels) the model's, then those only the table knows */
	int32		num_labels;
	int32		num_known;		/* labels of the model */
	HTAB	   *by_name;
	HTAB	   *cells;			/* of TclsCell; one label a text */
	TclsMultiLabelCounts counts;	/* any number of labels a text */
	double		loss;			/* sum over loss_rows */
	int64		loss_rows;		/* rows whose expected label the model knows */
	int64		rows;
	int64		truncated;
	int64		skipped;		/* without a text or a label */
} TclsTally;

extern void tcls_tally_create(TclsTally *tally, const TclsScoring *scoring);

/* Index of a label, which becomes a new one when the model does not know it. */
extern int32 tcls_tally_label(TclsTally *tally, const char *name, size_t size);

/* One row: its expected labels (exactly one unless multi-label) and the probabilities. */
extern void tcls_tally_add(TclsTally *tally, const int32 *expected, int32 count, const float *probabilities);

/* The cells in the order of the labels. */
extern TclsCell **tcls_tally_cells(const TclsTally *tally, int64 *count);

/* The cells as the matrix that metrics are computed from. */
extern void tcls_tally_confusion(TclsConfusion *out, const TclsTally *tally);

#endif							/* TEXTCLS_TALLY_H */
