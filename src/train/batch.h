/*
 * batch.h
 *		The texts and targets of one step, copied together, and its pieces.
 */
#ifndef TEXTCLS_BATCH_H
#define TEXTCLS_BATCH_H

#include "encoder/network.h"
#include "train/example.h"

typedef struct TclsBatch
{
	TclsBytes	ids;			/* int32_t (T): the texts end to end */
	int32_t    *starts;			/* (capacity + 1) */
	int32_t    *piece_starts;	/* (capacity + 1) the same, from 0, of the piece taken last */
	int32_t    *labels;			/* (capacity), or NULL for multi-label */
	float	   *multi;			/* (capacity, K) or NULL */
	int32_t		count;			/* B */
	int32_t		capacity;
	int32_t		outputs;		/* K */
	int32_t		num_labels;
	double		token_dropout;	/* probability with which a token is left out when loaded; 0 at first */
	uint64_t	token_dropout_key;	/* which ones is a function of it */
} TclsBatch;

/* Consecutive texts of a batch, borrowed from it until the next piece is taken. */
typedef struct TclsPiece
{
	TclsSequences sequences;
	TclsTargets targets;
	int32_t		next;			/* first text of the next piece */
} TclsPiece;

extern TclsStatus tcls_batch_create(TclsBatch *out, int32_t capacity, const TclsConfig *config, int32_t num_labels,
									TclsHost *host);

/*
 * Copy the examples in; labels are checked (TCLS_BAD_ARGUMENT).  indexes NULL:
 * the count examples from first on.  Token dropout spares the first and the last token
 * of a text, which are the tokenizer's marks.
 */
extern TclsStatus tcls_batch_load(TclsBatch *batch, const TclsExampleSource *source, const int64_t *indexes,
								  int64_t first, int32_t count, TclsHost *host);

extern int64_t tcls_batch_tokens(const TclsBatch *batch);

/* All of the batch's targets; class weights and smoothing are left at none. */
extern TclsTargets tcls_batch_targets(const TclsBatch *batch);

/* As many texts from first on as fit into max_tokens, at least one. */
extern TclsPiece tcls_batch_piece(TclsBatch *batch, int32_t first, int32_t max_tokens);

extern void tcls_batch_destroy(TclsBatch *batch, TclsHost *host);

#endif							/* TEXTCLS_BATCH_H */
