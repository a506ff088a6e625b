/*
 * vocabulary.h
 *		The block that a tokenizer is: layout, check, look-up.
 *
 *		[header | token offsets | slots | added tokens | text]
 *
 *		offsets	(vocabulary_size + 1) uint32 into text: token id lies at [offsets[id], offsets[id + 1])
 *		slots	(slot_count) open addressing over a hash of the token's text
 *		added	first those matched on the raw text, then those matched on the
 *				normalised text, each part sorted by the bytes of its patterns
 *		text	tokens in the order of their ids, then the prefix and the patterns
 *
 * Places are bytes from the beginning of the block; the parts before text are
 * aligned to 8.
 */
#ifndef TEXTCLS_VOCABULARY_H
#define TEXTCLS_VOCABULARY_H

#include "tokenizer/tokenizer.h"

#define TCLS_MAX_WORD_CHARS (1 << 28)	/* so that a word's bytes can be counted in an int32 */

#define TCLS_BLOCK_MAGIC "tclstok1"	/* 8 bytes, the last one is the version of the layout */

struct TclsTokenizerHeader
{
	char		magic[8];
	uint64_t	size;			/* of the block */
	TclsTokenizerSettings settings;
	int32_t		vocabulary_size;	/* highest id + 1 */
	int32_t		unknown_id;
	int32_t		begin_id;		/* [CLS] */
	int32_t		end_id;			/* [SEP] */
	uint32_t	max_token_size; /* bytes of the longest token */
	uint32_t	slot_count;		/* a power of two */
	uint32_t	raw_count;		/* added tokens matched on the raw text */
	uint32_t	added_count;	/* all added tokens */
	uint32_t	prefix_offset;	/* of continuing pieces, into text */
	uint32_t	prefix_size;
	uint32_t	text_size;
	uint64_t	prefix_hash;
	uint64_t	offsets_at;
	uint64_t	slots_at;
	uint64_t	added_at;
	uint64_t	text_at;
};

typedef struct TclsVocabularySlot
{
	uint32_t	tag;			/* upper half of the hash */
	int32_t		id;				/* -1: empty */
} TclsVocabularySlot;

#define TCLS_ADDED_SINGLE_WORD 1
#define TCLS_ADDED_LSTRIP 2
#define TCLS_ADDED_RSTRIP 4
#define TCLS_ADDED_NORMALIZED 8
#define TCLS_ADDED_SPECIAL 16

/* A token that is found in the text before words are. */
typedef struct TclsAddedToken
{
	int32_t		id;
	uint32_t	flags;
	uint32_t	pattern_offset; /* what is searched: the content, normalised if flagged so */
	uint32_t	pattern_size;
} TclsAddedToken;

extern const uint32_t *tcls_block_offsets(const TclsTokenizerHeader *block);
extern const TclsVocabularySlot *tcls_block_slots(const TclsTokenizerHeader *block);
extern const TclsAddedToken *tcls_block_added(const TclsTokenizerHeader *block);
extern const char *tcls_block_text(const TclsTokenizerHeader *block);

/* FNV-1a, so that the hash of a longer text goes on from that of a shorter one. */
#define TCLS_HASH_SEED UINT64_C(0xCBF29CE484222325)
extern uint64_t tcls_vocabulary_hash(uint64_t hash, const char *bytes, size_t size);

extern uint32_t tcls_vocabulary_first_slot(const TclsTokenizerHeader *block, uint64_t hash);

/* The id of the token that is the block's prefix (if continuing) and then bytes, or -1; hash is that of the whole. */
extern int32_t tcls_vocabulary_find(const TclsTokenizerHeader *block, uint64_t hash, bool is_continuing,
									const char *bytes, size_t size);

/* What a block is built from; the pool holds all texts and is borrowed. */
typedef struct TclsTokenPart
{
	uint32_t	offset;			/* into pool */
	uint32_t	size;
	int32_t		id;
} TclsTokenPart;

typedef struct TclsAddedPart
{
	TclsTokenPart token;
	uint32_t	flags;
} TclsAddedPart;

typedef struct TclsTokenizerParts
{
	const char *pool;
	TclsTokenPart *tokens;		/* (count) of two with the same text the later is found */
	int32_t		count;
	TclsAddedPart *added;		/* (added_count) in any order */
	int32_t		added_count;
	const char *prefix;
	uint32_t	prefix_size;
	TclsTokenizerSettings settings;
	int32_t		unknown_id;
	int32_t		begin_id;
	int32_t		end_id;
} TclsTokenizerParts;

/* Checks the parts against each other (TCLS_BAD_FILE) and lays out the block. */
extern TclsStatus tcls_block_build(TclsTokenizer *out, const TclsTokenizerParts *parts, TclsHost *host);

#endif							/* TEXTCLS_VOCABULARY_H */
