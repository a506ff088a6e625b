/*
 * sequences.h
 *		The tokens of a batch of texts, end to end without padding.
 */
#ifndef TEXTCLS_SEQUENCES_H
#define TEXTCLS_SEQUENCES_H

#include "encoder/config.h"

typedef struct TclsSequences
{
	const int32_t *ids;			/* (T) token ids, each in 0..V-1 */
	const int32_t *starts;		/* (B + 1) first token of each text, starts[B] = T */
	int32_t		count;			/* B */
} TclsSequences;

/* Sizes of a batch. */
typedef struct TclsExtent
{
	size_t		tokens;			/* T */
	size_t		texts;			/* B */
	size_t		longest;		/* tokens of the longest text */
} TclsExtent;

/* Every text needs 1..P tokens, and ids must be in range: else TCLS_BAD_ARGUMENT. */
extern TclsStatus tcls_sequences_check(TclsExtent *extent, const TclsSequences *sequences, const TclsConfig *config,
									   TclsHost *host);

#endif							/* TEXTCLS_SEQUENCES_H */
