/*
 * classifier.h
 *		Texts to probabilities or embeddings, batched by length inside.
 */
#ifndef TEXTCLS_CLASSIFIER_H
#define TEXTCLS_CLASSIFIER_H

#include "model/prepared.h"

typedef struct TclsText
{
	const char *data;			/* UTF-8 */
	size_t		size;
} TclsText;

/* What a caller may want of each text; NULL fields are not computed. */
typedef struct TclsPredictions
{
	float	   *probabilities;	/* (n, K); for TCLS_BINARY (n, 2): both labels */
	float	   *embeddings;		/* (n, H), of unit length where the model normalizes */
	int32_t    *n_tokens;		/* (n) tokens used, special ones included */
	bool	   *is_truncated;	/* (n) */
} TclsPredictions;

/* Columns of TclsPredictions.probabilities: the number of labels. */
extern int32_t tcls_classifier_columns(const TclsPrepared *model);

/*
 * Results in the order of the texts.  Texts are tokenised, sorted by length and
 * run in batches of at most about batch_tokens tokens (0: a good default).  max_length 0: the
 * model's own.  A TCLS_BAD_TEXT failure says which text.
 */
extern TclsStatus tcls_classifier_predict(const TclsPredictions *out, const TclsPrepared *model,
										  const TclsText *texts, int32_t count, int32_t max_length,
										  int32_t batch_tokens, TclsHost *host);

#endif							/* TEXTCLS_CLASSIFIER_H */
