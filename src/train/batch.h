/*
 * batch.h
 *		The texts and targets of one step, copied together, and its pieces.
 */
#ifndef TEXTCLS_BATCH_H
#define TEXTCLS_BATCH_H

#include "encoder/network.h"
#include "train/example.h"
#include "train/subwords.h"

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
} TclsBatch;

/* Consecutive texts of a batch, borrowed from it until the next piece is taken. */
typedef struct TclsPiece
{
	TclsSequences sequences;
	TclsTargets targets;
	int32_t		next;			/* first text of the next piece */
} TclsPiece;

/*
 * Noise on the tokens of a training text, but the first and the last, which are the
 * tokenizer's marks.  Which tokens it hits is a function of the key.
 */
typedef struct TclsTokenNoise
{
	double		token_dropout;	/* probability with which a token is left out */
	double		subword_dropout;	/* and with which one is written in pieces, and these again */
	const TclsSubwords *subwords;	/* may be NULL when subword_dropout is 0 */
	int32_t		max_tokens;		/* a text that would get longer loses its end */
	uint64_t	key;
} TclsTokenNoise;

extern TclsStatus tcls_batch_create(TclsBatch *out, int32_t capacity, const TclsConfig *config, int32_t num_labels,
									TclsHost *host);

/*
 * Copy the examples in; labels are checked (TCLS_BAD_ARGUMENT).  indexes NULL:
 * the count examples from first on.  noise NULL: none.
 */
extern TclsStatus tcls_batch_load(TclsBatch *batch, const TclsExampleSource *source, const int64_t *indexes,
								  int64_t first, int32_t count, const TclsTokenNoise *noise, TclsHost *host);

/* Leave only the texts i with owners[i] == owner, in their order; possibly none. */
extern void tcls_batch_keep(TclsBatch *batch, const int32_t *owners, int32_t owner);

extern int64_t tcls_batch_tokens(const TclsBatch *batch);
extern const int32_t *tcls_batch_ids(const TclsBatch *batch);

/* All of the batch's targets; class weights and smoothing are left at none. */
extern TclsTargets tcls_batch_targets(const TclsBatch *batch);

/* As many texts from first on as fit into max_tokens, at least one. */
extern TclsPiece tcls_batch_piece(TclsBatch *batch, int32_t first, int32_t max_tokens);

extern void tcls_batch_destroy(TclsBatch *batch, TclsHost *host);

#endif							/* TEXTCLS_BATCH_H */
