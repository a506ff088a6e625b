/*
 * wordpiece_trainer.h
 *		Learns a WordPiece vocabulary from texts, in bounded memory.
 *
 * Words are counted after the normalisation and pre-tokenisation of the settings;
 * then the pair of symbols that occurs most often is merged until the vocabulary
 * has its size (as Hugging Face's WordPieceTrainer does).  Deterministic: ties go
 * to the smaller pair.
 */
#ifndef TEXTCLS_WORDPIECE_TRAINER_H
#define TEXTCLS_WORDPIECE_TRAINER_H

#include "tokenizer/tokenizer.h"

typedef struct TclsWordPieceTrainer TclsWordPieceTrainer;

typedef struct TclsVocabularyOptions
{
	int32_t		vocab_size;		/* special tokens included */
	int32_t		min_frequency;	/* of a pair to be merged, and of a word to be kept when pruning */
	int32_t		limit_alphabet; /* most frequent characters kept */
	TclsTokenizerSettings settings;
} TclsVocabularyOptions;

/* Memory stays below about max_bytes and 20 MB: the rarest words are dropped when it is full. */
extern TclsStatus tcls_wordpiece_trainer_create(TclsWordPieceTrainer **out, const TclsVocabularyOptions *options,
												size_t max_bytes, TclsHost *host);

extern TclsStatus tcls_wordpiece_trainer_add(TclsWordPieceTrainer *trainer, const char *text, size_t size,
											 TclsHost *host);

/* The special tokens [PAD] [UNK] [CLS] [SEP] [MASK] get the ids 0 to 4. */
extern TclsStatus tcls_wordpiece_trainer_finish(TclsTokenizer *out, TclsWordPieceTrainer *trainer, TclsHost *host);

extern void tcls_wordpiece_trainer_destroy(TclsWordPieceTrainer *trainer, TclsHost *host);

#endif							/* TEXTCLS_WORDPIECE_TRAINER_H */
