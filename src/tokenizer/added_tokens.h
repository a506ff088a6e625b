/*
 * added_tokens.h
 *		Finds added tokens in a text: at each place the longest one, from left to
 *		right, without overlap.
 *
 * Reference: Hugging Face tokenizers 0.23, tokenizer/added_vocabulary.rs.
 */
#ifndef TEXTCLS_ADDED_TOKENS_H
#define TEXTCLS_ADDED_TOKENS_H

#include "tokenizer/vocabulary.h"

/* The raw or the normalised part of a block's added tokens; borrowed. */
typedef struct TclsAddedSet
{
	const TclsAddedToken *tokens;	/* (count) sorted by pattern */
	uint32_t	count;
	uint32_t	max_size;		/* bytes of the longest pattern */
	const char *text;			/* of the block */
	int			only_first;		/* the byte that all patterns begin with, or -1 */
	bool		firsts[256];	/* whether some pattern begins with the byte */
} TclsAddedSet;

extern void tcls_added_set_init(TclsAddedSet *set, const TclsTokenizerHeader *block, bool is_normalized);

/* The longest pattern that bytes begin with, or NULL. */
extern const TclsAddedToken *tcls_added_set_match(const TclsAddedSet *set, const char *bytes, size_t size);

/* The first place from position on where some pattern may begin, or size. */
extern size_t tcls_added_set_candidate(const TclsAddedSet *set, const char *bytes, size_t position, size_t size);

#endif							/* TEXTCLS_ADDED_TOKENS_H */
