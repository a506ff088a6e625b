/*
 * tokenizer.h
 *		Text to token ids and back to places in the text.
 *
 * The only header of this room that other rooms include (beside
 * wordpiece_trainer.h).  Today it knows BERT's WordPiece; a further kind
 * (byte-level BPE, Unigram) is a further branch behind these calls.
 *
 * A tokenizer is one flat block without pointers (offsets only), so that the
 * block can lie in a file that all processes map:
 *
 *		[header + settings | token offsets | token text | hash table | special tokens]
 *
 * Reference: Hugging Face tokenizers 0.23, BertTokenizerFast.
 */
#ifndef TEXTCLS_TOKENIZER_H
#define TEXTCLS_TOKENIZER_H

#include <stdbool.h>

#include "base/host.h"

/* What tokenizer.json / tokenizer_config.json say of BERT's normaliser and model. */
typedef struct TclsTokenizerSettings
{
	bool		clean_text;		/* drop control characters, white space to ' ' */
	bool		handle_chinese_chars;	/* each CJK ideograph is a word */
	bool		lowercase;
	int8_t		strip_accents;	/* 1, 0, or -1: as lowercase says */
	int32_t		max_word_chars; /* a longer word is one unknown token */
} TclsTokenizerSettings;

typedef struct TclsTokenizerHeader TclsTokenizerHeader;

/* Borrowed view of a block; copy it freely. */
typedef struct TclsTokenizer
{
	const TclsTokenizerHeader *block;
	size_t		size;			/* bytes */
} TclsTokenizer;

/*
 * The tokens of one text, [CLS] and [SEP] included.  The arrays grow and are
 * reused from text to text; zero the struct to begin.
 */
typedef struct TclsTokens
{
	int32_t    *ids;			/* (count) */
	int32_t    *starts;			/* (count) first character, or NULL when not asked for */
	int32_t    *ends;			/* (count) one past the last; both 0 for added special tokens */
	int32_t		count;
	int32_t		capacity;
	bool		is_truncated;	/* the text had more tokens than max_length */
} TclsTokens;

extern const TclsTokenizerSettings tcls_tokenizer_uncased;	/* BERT's defaults */

/*
 * Build a block from tokenizer.json (WordPiece with BertNormalizer and
 * BertPreTokenizer; added_tokens; the template or BertProcessing; truncation,
 * padding and decoder are ignored) or from vocab.txt (which needs [UNK], [CLS] and
 * [SEP]; of two equal lines the later one is found).  The block comes from the host
 * and is the caller's.  TCLS_BAD_FILE names what is wrong, TCLS_UNSUPPORTED names
 * the component we do not have.
 */
extern TclsStatus tcls_tokenizer_from_json(TclsTokenizer *out, const char *json, size_t size, TclsHost *host);
extern TclsStatus tcls_tokenizer_from_vocabulary(TclsTokenizer *out, const char *text, size_t size,
												 const TclsTokenizerSettings *settings, TclsHost *host);

/*
 * Settings out of tokenizer_config.json (do_lower_case, strip_accents,
 * tokenize_chinese_chars), where there is no tokenizer.json; missing keys keep
 * what *settings holds.
 */
extern TclsStatus tcls_tokenizer_read_settings(TclsTokenizerSettings *settings, const char *json, size_t size,
											   TclsHost *host);

/* tokenizer.json that Hugging Face tokenizers load to equal ids; vocab.txt. */
extern TclsStatus tcls_tokenizer_to_json(TclsBytes *out, const TclsTokenizer *tokenizer, TclsHost *host);
extern TclsStatus tcls_tokenizer_to_vocabulary(TclsBytes *out, const TclsTokenizer *tokenizer, TclsHost *host);

/*
 * Borrow a block that lies in memory (aligned to 8).  Every offset is checked,
 * so that a damaged file is TCLS_BAD_FILE and not a crash.
 */
extern TclsStatus tcls_tokenizer_open(TclsTokenizer *out, const void *block, size_t size, TclsHost *host);

/*
 * Tokenise size bytes of UTF-8 to at most max_length tokens, [CLS] and [SEP]
 * included (max_length >= 2; INT32_MAX for no limit; the work stops once the
 * limit is reached).  Character positions count code points of the text given,
 * which may have at most 1 GB.  TCLS_BAD_TEXT names the byte position of a byte
 * that is not UTF-8, wherever it lies.
 */
extern TclsStatus tcls_tokenizer_encode(TclsTokens *out, const TclsTokenizer *tokenizer, const char *text,
										size_t size, int32_t max_length, bool with_offsets, TclsHost *host);

extern int32_t tcls_tokenizer_vocabulary_size(const TclsTokenizer *tokenizer);	/* highest id + 1 */

/* The token's bytes, not terminated; *size 0 for an id that has no token. */
extern const char *tcls_tokenizer_token(size_t *size, const TclsTokenizer *tokenizer, int32_t id);

#endif							/* TEXTCLS_TOKENIZER_H */
