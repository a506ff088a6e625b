/*
 * score_ahead.h
 *		Texts that calls will ask for, computed together into a memo.
 *
 * Never raises what the calls would not: a text or model that is not fit is left to its call.
 */
#ifndef TEXTCLS_SCORE_AHEAD_H
#define TEXTCLS_SCORE_AHEAD_H

#include "nodes/pg_list.h"

#include "query/score_memo.h"

typedef struct TclsAheadCounts
{
	uint64		batches;		/* runs of the model */
	uint64		texts;			/* different ones */
	uint64		tokens;
	uint64		microseconds;
} TclsAheadCounts;

typedef struct TclsAhead
{
	MemoryContext memory;		/* of the texts that wait; reset by each run */
	TclsMemo   *memo;
	List	   *waiting;		/* of texts, in their order */
	Size		bytes;			/* of the texts that wait */
	TclsAheadCounts counts;
} TclsAhead;

/* Both contexts become children of the parent. */
extern TclsAhead *tcls_ahead_create(MemoryContext parent);

/*
 * Take what is wanted of a text (not NULL), with the model's name or NULL.  The datum must live
 * until the run; memory of the context "memory" does.
 */
extern void tcls_ahead_add(TclsAhead *ahead, int wanted, const char *name, Datum value);

/* Compute the texts that wait. */
extern void tcls_ahead_run(TclsAhead *ahead);

#endif							/* TEXTCLS_SCORE_AHEAD_H */
