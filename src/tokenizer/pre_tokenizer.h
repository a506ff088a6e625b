/*
 * pre_tokenizer.h
 *		Normalised characters to words: white space parts them, and every
 *		punctuation character is a word.
 */
#ifndef TEXTCLS_PRE_TOKENIZER_H
#define TEXTCLS_PRE_TOKENIZER_H

#include "tokenizer/unicode_normalize.h"

#define TCLS_WORD_INLINE 256	/* characters that need no allocation */

typedef struct TclsWord TclsWord;

/*
 * The word being read.  What is longer than the limit is counted as too long and
 * not kept: it is one unknown token whatever it holds.
 */
struct TclsWord
{
	int32_t		count;			/* characters kept */
	int32_t		capacity;
	int32_t		max_chars;
	bool		is_too_long;
	int32_t		start;			/* first and last character of the original */
	int32_t		last;
	char	   *bytes;			/* UTF-8 */
	int32_t    *ends;			/* (count) byte behind each character */
	int32_t    *sources;		/* (count) its character of the original */
	uint64_t   *hashes;			/* (count) scratch of the splitter */
	char		inline_bytes[4 * TCLS_WORD_INLINE];
	int32_t		inline_ends[TCLS_WORD_INLINE];
	int32_t		inline_sources[TCLS_WORD_INLINE];
	uint64_t	inline_hashes[TCLS_WORD_INLINE];
	TclsStatus	(*emit) (void *context, const TclsWord *word);
	void	   *context;
	TclsHost   *host;
};

/* emit is called for every word; the word is valid during the call. */
extern void tcls_word_init(TclsWord *word, int32_t max_chars, TclsStatus (*emit) (void *context, const TclsWord *word),
						   void *context, TclsHost *host);
extern void tcls_word_free(TclsWord *word);

extern TclsStatus tcls_word_add(TclsWord *word, const TclsCharacter *character);

/* Give out the word that is being read, if any. */
extern TclsStatus tcls_word_end(TclsWord *word);

#endif							/* TEXTCLS_PRE_TOKENIZER_H */
