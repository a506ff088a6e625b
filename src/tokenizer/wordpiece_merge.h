/*
 * wordpiece_merge.h
 *		Grows a vocabulary by merging the pair of symbols that occurs most often.
 *
 * The counts of pairs are kept up to date by what a merge changes in the words
 * that hold the pair; a heap gives the next pair.
 *
 * Reference: Hugging Face tokenizers 0.23, models/bpe/trainer.rs.
 */
#ifndef TEXTCLS_WORDPIECE_MERGE_H
#define TEXTCLS_WORDPIECE_MERGE_H

#include <stdbool.h>

#include "tokenizer/string_table.h"

/* A word as symbols, which are numbers of tokens. */
typedef struct TclsSymbolWord
{
	int64_t		weight;			/* occurrences */
	uint32_t	begin;			/* first symbol */
	int32_t		count;
} TclsSymbolWord;

/* Merge until tokens has vocab_size entries or no pair occurs min_frequency times; symbols and words are used up. */
extern TclsStatus tcls_wordpiece_merge(TclsStringTable *tokens, uint32_t *symbols, TclsSymbolWord *words,
									   uint32_t n_words, const char *prefix, int32_t vocab_size,
									   int32_t min_frequency, TclsHost *host);

#endif							/* TEXTCLS_WORDPIECE_MERGE_H */
