/*
 * score_memo.h
 *		Results of texts that were computed ahead.
 *
 * A memo belongs to a node of a running query, which fills it with the texts of several rows at
 * a time (batch_scan.c).  The SQL functions ask all memos before they compute: a result found
 * is the same model's for the same bytes, whoever computed it, so nothing but time depends on it.
 *
 * Computing ahead must not raise what the calls themselves would not, so it is also noted which
 * names of models the calls have resolved: only those are used ahead of a call.
 */
#ifndef TEXTCLS_SCORE_MEMO_H
#define TEXTCLS_SCORE_MEMO_H

#include "classify/classifier.h"

/* What is wanted of a text: a set of these. */
#define TCLS_WANT_PROBABILITIES 1
#define TCLS_WANT_EMBEDDING 2

typedef struct TclsMemo TclsMemo;

/* In a new context of the parent; the end of that context is the end of the memo. */
extern TclsMemo *tcls_memo_create(MemoryContext parent);

/* Forget all results; their memory is given back. */
extern void tcls_memo_clear(TclsMemo *memo);

/* Bytes that the results take. */
extern Size tcls_memo_size(const TclsMemo *memo);

/* Whether the memo has what is wanted of the text. */
extern bool tcls_memo_has(const TclsMemo *memo, const TclsPrepared *model, const TclsText *text, int wanted);

/* Copy the fields of "out" for one text out of any memo; false when none has them all. */
extern bool tcls_memo_find(const TclsPredictions *out, const TclsPrepared *model, const TclsText *text);

/* Keep the result of one text: the fields that are not NULL, which point at its row. */
extern void tcls_memo_put(TclsMemo *memo, const TclsPrepared *model, const TclsText *text, const TclsPredictions *row);

typedef struct TclsResolvedName
{
	const char *name;			/* the argument of the calls, NULL included */
} TclsResolvedName;

/* Note, as long as there are memos, that a call has resolved the name. */
extern void tcls_memo_note_resolved(const char *name);

/* The note of a name, or NULL. */
extern const TclsResolvedName *tcls_memo_resolved(const char *name);

/* Whether there is any. */
extern bool tcls_memo_any_resolved(void);

#endif							/* TEXTCLS_SCORE_MEMO_H */
