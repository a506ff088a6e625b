/*
 * subwords.h
 *		How else each token could have been written: as shorter pieces of the vocabulary.
 *
 *		printing -> print ##ing		##ization -> ##iz ##ation
 *
 * Training now and then on the pieces of a word teaches what they mean, so that words
 * that were never seen whole are understood by them.
 *
 * Reference: BPE-dropout (Provilkov et al. 2020), and the same for WordPiece's longest
 * match, MaxMatch-Dropout (Hiraoka 2022).
 */
#ifndef TEXTCLS_SUBWORDS_H
#define TEXTCLS_SUBWORDS_H

#include "tokenizer/tokenizer.h"

typedef struct TclsSubwords
{
	int32_t    *starts;			/* (V + 1) the pieces of token i are starts[i] .. starts[i + 1] - 1 */
	int32_t    *pieces;			/* ids */
	int32_t		vocabulary_size;	/* V */
} TclsSubwords;

/*
 * A token's pieces are the longest match that is not the token itself, and
 * longest matches after it; none where the rest cannot be written.
 */
extern TclsStatus tcls_subwords_create(TclsSubwords *out, const TclsTokenizer *tokenizer, TclsHost *host);
extern void tcls_subwords_destroy(TclsSubwords *subwords, TclsHost *host);

#endif							/* TEXTCLS_SUBWORDS_H */
