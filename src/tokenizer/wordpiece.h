/*
 * wordpiece.h
 *		Greedy longest-match subword splitting, as BERT was trained with.
 *
 * Reference: Hugging Face tokenizers 0.23, models/wordpiece.
 */
#ifndef TEXTCLS_WORDPIECE_H
#define TEXTCLS_WORDPIECE_H

#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/vocabulary.h"

/*
 * Split the word; returns the number of pieces.  ids and ends have room for
 * word->count elements, ends (characters of the word behind each piece) may be
 * NULL.  A word that has no such split is one unknown token.
 */
extern int32_t tcls_wordpiece_split(int32_t *ids, int32_t *ends, const TclsTokenizerHeader *block,
									const TclsWord *word);

#endif							/* TEXTCLS_WORDPIECE_H */
