/*
 * scoring.h
 *		What every function that uses a model does: find it, take texts, run it.
 *
 * Nothing is kept from call to call: which version is meant and whether the user may use
 * it is asked of the catalog under the active snapshot each time (microseconds),
 * and the store keeps the ready model.
 */
#ifndef TEXTCLS_SCORING_H
#define TEXTCLS_SCORING_H

#include "fmgr.h"

#include "classify/classifier.h"
#include "store/model_cache.h"

typedef struct TclsScoring
{
	MemoryContext memory;		/* current between begin and end, which frees it */
	MemoryContext caller;		/* was current before; results belong here */
	TclsHost   *host;
	TclsVersion *version;
	const TclsPrepared *model;
} TclsScoring;

/*
 * Resolve as the role, InvalidOid for the current user; model NULL and number 0 are as in
 * tcls_catalog_resolve.  After an ERROR the surrounding (sub)transaction cleans up.
 */
extern void tcls_scoring_begin(TclsScoring *scoring, const char *model, int32 number, Oid role);

/* The same for the current user and the deployed version, with the model out of an argument. */
extern void tcls_scoring_begin_call(TclsScoring *scoring, FunctionCallInfo fcinfo, int model_argument);

extern void tcls_scoring_end(TclsScoring *scoring);

extern bool tcls_scoring_is_encoder(const TclsScoring *scoring);

/* Raise unless the model is of a kind that the caller can serve. */
extern void tcls_scoring_require_encoder(const TclsScoring *scoring);
extern void tcls_scoring_require_labels(const TclsScoring *scoring);
extern void tcls_scoring_require_one_label(const TclsScoring *scoring);

/*
 * A text datum for the core, in the current context or borrowed.  *is_cut says that it is
 * longer than textcls.max_text and only its beginning is looked at.
 */
extern TclsText tcls_scoring_text(bool *is_cut, Datum value);

/* The same without an ERROR: false when the text has no equivalent in UTF-8. */
extern bool tcls_scoring_try_text(TclsText *out, Datum value);

/* Predict, and raise what fails or is not finite.  The result of a single text may have been computed ahead. */
extern void tcls_scoring_run(const TclsPredictions *out, const TclsScoring *scoring, const TclsText *texts,
							 int32 count);

/* (count, columns) probabilities of the texts, in the current context. */
extern float *tcls_scoring_probabilities(const TclsScoring *scoring, const TclsText *texts, int32 count);

/* Index of the label that classify() answers, given the probabilities of one text. */
extern int32 tcls_scoring_best(const TclsScoring *scoring, const float *probabilities);

/* The label as the user's text, in the current context. */
extern text *tcls_scoring_label(const TclsScoring *scoring, int32 index);

/* Index of the label of one text; the model must have passed tcls_scoring_require_one_label. */
extern int32 tcls_scoring_classify(const TclsScoring *scoring, Datum value);

#endif							/* TEXTCLS_SCORING_H */
