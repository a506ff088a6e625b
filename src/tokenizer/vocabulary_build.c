/*
 * vocabulary_build.c
 *		Lays out the block of a tokenizer.
 */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/unicode_normalize.h"
#include "tokenizer/vocabulary.h"
#include "base/pure_c.h"

#define PATTERN_CHUNK 64

/* An added token whose pattern is ready. */
typedef struct Pattern
{
	const char *bytes;
	size_t		size;
	int32_t		id;
	uint32_t	flags;
} Pattern;

/* What is known before the block is laid out. */
typedef struct Plan
{
	const TclsTokenizerParts *parts;
	TclsTokenPart *by_id;		/* (vocabulary_size) size 0 and id -1 where there is no token */
	int32_t		vocabulary_size;
	Pattern    *patterns;		/* (added_count) sorted */
	TclsBytes	normalized;		/* bytes of the normalised patterns */
	size_t		text_size;
	size_t		max_token_size;
} Plan;

/* Holes are few in real vocabularies; a far id would only cost memory. */
static TclsStatus
check_ids(Plan *plan, TclsHost *host)
{
	const TclsTokenizerParts *parts = plan->parts;
	int64_t		limit = 4 * ((int64_t) parts->count + parts->added_count) + 4096;

	for (int32_t i = 0; i < parts->count + parts->added_count; i++)
	{
		const TclsTokenPart *token = i < parts->count ? &parts->tokens[i] : &parts->added[i - parts->count].token;

		if (token->id < 0 || token->id >= limit || token->id == INT32_MAX)
			return tcls_fail(host, TCLS_BAD_FILE, "token \"%.*s\" has the id %d, which is out of range for %d tokens",
							 tcls_utf8_shown(parts->pool + token->offset, token->size), parts->pool + token->offset,
							 token->id, parts->count);
		if (token->id >= plan->vocabulary_size)
			plan->vocabulary_size = token->id + 1;
	}
	return TCLS_OK;
}

static TclsStatus
place_token(Plan *plan, const TclsTokenPart *token, bool is_added, TclsHost *host)
{
	TclsTokenPart *place = &plan->by_id[token->id];
	const char *pool = plan->parts->pool;

	if (place->id >= 0)
	{
		if (is_added && place->size == token->size &&
			memcmp(pool + place->offset, pool + token->offset, token->size) == 0)
			return TCLS_OK;
		return tcls_fail(host, TCLS_BAD_FILE, "tokens \"%.*s\" and \"%.*s\" have the same id %d",
						 tcls_utf8_shown(pool + place->offset, place->size), pool + place->offset,
						 tcls_utf8_shown(pool + token->offset, token->size), pool + token->offset, token->id);
	}
	*place = *token;
	plan->text_size += token->size;
	if (token->size > plan->max_token_size)
		plan->max_token_size = token->size;
	return TCLS_OK;
}

static TclsStatus
place_tokens(Plan *plan, TclsHost *host)
{
	const TclsTokenizerParts *parts = plan->parts;

	TCLS_TRY(tcls_alloc_zero(&plan->by_id, (size_t) plan->vocabulary_size, sizeof(*plan->by_id), host));
	for (int32_t id = 0; id < plan->vocabulary_size; id++)
		plan->by_id[id].id = -1;
	for (int32_t i = 0; i < parts->count; i++)
		TCLS_TRY(place_token(plan, &parts->tokens[i], false, host));
	for (int32_t i = 0; i < parts->added_count; i++)
		TCLS_TRY(place_token(plan, &parts->added[i].token, true, host));
	return TCLS_OK;
}

/* The ids that every text gets must be those of tokens. */
static TclsStatus
check_special(const Plan *plan, const char *name, int32_t id, TclsHost *host)
{
	if (id < 0 || id >= plan->vocabulary_size || plan->by_id[id].id < 0)
		return tcls_fail(host, TCLS_BAD_FILE, "the %s token has the id %d, which no token of the vocabulary has", name,
						 id);
	return TCLS_OK;
}

/* Append the normalised content to plan->normalized. */
static TclsStatus
normalize_pattern(Plan *plan, const TclsTokenPart *token, TclsHost *host)
{
	TclsNormalizer normalizer;
	TclsCharacter characters[PATTERN_CHUNK];
	int32_t		count;

	tcls_normalizer_start(&normalizer, &plan->parts->settings, plan->parts->pool + token->offset, token->size, 0, host);
	for (;;)
	{
		TCLS_TRY(tcls_normalizer_read(characters, &count, PATTERN_CHUNK, &normalizer));
		if (count == 0)
			return TCLS_OK;
		for (int32_t i = 0; i < count; i++)
		{
			char		bytes[4];

			TCLS_TRY(tcls_bytes_append(&plan->normalized, bytes,
									   (size_t) tcls_utf8_encode(bytes, characters[i].code), host));
		}
	}
}

/* Raw patterns first, then by bytes, a prefix before what it begins. */
static int
compare_patterns(const void *left, const void *right)
{
	const Pattern *a = left;
	const Pattern *b = right;
	uint32_t	a_normalized = a->flags & TCLS_ADDED_NORMALIZED;
	uint32_t	b_normalized = b->flags & TCLS_ADDED_NORMALIZED;
	int			order;

	if (a_normalized != b_normalized)
		return a_normalized ? 1 : -1;
	order = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);
	if (order != 0)
		return order;
	return a->size < b->size ? -1 : a->size > b->size;
}

static TclsStatus
check_patterns(const Plan *plan, TclsHost *host)
{
	for (int32_t i = 0; i < plan->parts->added_count; i++)
	{
		const Pattern *pattern = &plan->patterns[i];

		if (pattern->size == 0)
			return tcls_fail(host, TCLS_BAD_FILE,
							 "nothing is left of the added token with the id %d after normalisation", pattern->id);
		if (i > 0 && compare_patterns(pattern - 1, pattern) == 0)
			return tcls_fail(host, TCLS_BAD_FILE,
							 "the added tokens with the ids %d and %d match the same text \"%.*s\"", pattern[-1].id,
							 pattern->id, tcls_utf8_shown(pattern->bytes, pattern->size), pattern->bytes);
	}
	return TCLS_OK;
}

static TclsStatus
prepare_patterns(Plan *plan, TclsHost *host)
{
	const TclsTokenizerParts *parts = plan->parts;
	size_t		normalized_at = 0;

	TCLS_TRY(tcls_alloc(&plan->patterns, (size_t) parts->added_count, sizeof(*plan->patterns), host));
	for (int32_t i = 0; i < parts->added_count; i++)
	{
		const TclsAddedPart *added = &parts->added[i];
		Pattern    *pattern = &plan->patterns[i];
		size_t		before = plan->normalized.size;

		pattern->id = added->token.id;
		pattern->flags = added->flags;
		pattern->bytes = parts->pool + added->token.offset;
		pattern->size = added->token.size;
		if ((added->flags & TCLS_ADDED_NORMALIZED) != 0)
		{
			TCLS_TRY(normalize_pattern(plan, &added->token, host));
			pattern->size = plan->normalized.size - before;
		}
		plan->text_size += pattern->size;
	}
	/* The buffer has stopped moving. */
	for (int32_t i = 0; i < parts->added_count; i++)
		if ((plan->patterns[i].flags & TCLS_ADDED_NORMALIZED) != 0)
		{
			plan->patterns[i].bytes = plan->normalized.data + normalized_at;
			normalized_at += plan->patterns[i].size;
		}
	qsort(plan->patterns, (size_t) parts->added_count, sizeof(*plan->patterns), compare_patterns);
	return check_patterns(plan, host);
}

static uint32_t
slot_count_for(int32_t tokens)
{
	uint32_t	count = 4;

	while (count < 2 * (uint32_t) tokens)
		count *= 2;
	return count;
}

static size_t
aligned(size_t size)
{
	return (size + 7) & ~(size_t) 7;
}

static TclsStatus
allocate_block(TclsTokenizerHeader **out, const Plan *plan, TclsHost *host)
{
	const TclsTokenizerParts *parts = plan->parts;
	TclsTokenizerHeader *block;
	TclsTokenizerHeader header;
	size_t		text_size = plan->text_size + parts->prefix_size;

	if (text_size > UINT32_MAX)
		return tcls_fail(host, TCLS_TOO_LARGE, "the vocabulary has %zu bytes of text, at most 4 GB are possible",
						 text_size);
	memset(&header, 0, sizeof(header));
	memcpy(header.magic, TCLS_BLOCK_MAGIC, sizeof(header.magic));
	header.settings = parts->settings;
	header.vocabulary_size = plan->vocabulary_size;
	header.unknown_id = parts->unknown_id;
	header.begin_id = parts->begin_id;
	header.end_id = parts->end_id;
	header.max_token_size = (uint32_t) plan->max_token_size;
	header.slot_count = slot_count_for(parts->count);
	header.added_count = (uint32_t) parts->added_count;
	header.prefix_size = parts->prefix_size;
	header.prefix_hash = tcls_vocabulary_hash(TCLS_HASH_SEED, parts->prefix, parts->prefix_size);
	header.text_size = (uint32_t) text_size;
	header.offsets_at = aligned(sizeof(header));
	header.slots_at = aligned(header.offsets_at + ((size_t) plan->vocabulary_size + 1) * sizeof(uint32_t));
	header.added_at = header.slots_at + header.slot_count * sizeof(TclsVocabularySlot);
	header.text_at = header.added_at + header.added_count * sizeof(TclsAddedToken);
	header.size = aligned(header.text_at + text_size);
	TCLS_TRY(tcls_alloc_zero(&block, 1, header.size, host));
	*block = header;
	*out = block;
	return TCLS_OK;
}

/* Token texts in the order of the ids; returns the size of all. */
static uint32_t
write_tokens(TclsTokenizerHeader *block, const Plan *plan)
{
	uint32_t   *offsets = (uint32_t *) tcls_block_offsets(block);
	char	   *text = (char *) tcls_block_text(block);
	uint32_t	used = 0;

	for (int32_t id = 0; id < plan->vocabulary_size; id++)
	{
		const TclsTokenPart *token = &plan->by_id[id];

		offsets[id] = used;
		memcpy(text + used, plan->parts->pool + token->offset, token->size);
		used += token->size;
	}
	offsets[plan->vocabulary_size] = used;
	return used;
}

/* Tokens of the model only: WordPiece does not know the added ones. */
static void
write_slots(TclsTokenizerHeader *block, const Plan *plan)
{
	TclsVocabularySlot *slots = (TclsVocabularySlot *) tcls_block_slots(block);
	const char *pool = plan->parts->pool;

	for (uint32_t i = 0; i < block->slot_count; i++)
		slots[i].id = -1;
	for (int32_t i = 0; i < plan->parts->count; i++)
	{
		const TclsTokenPart *token = &plan->parts->tokens[i];
		uint64_t	hash = tcls_vocabulary_hash(TCLS_HASH_SEED, pool + token->offset, token->size);
		int32_t		earlier = tcls_vocabulary_find(block, hash, false, pool + token->offset, token->size);
		uint32_t	slot = tcls_vocabulary_first_slot(block, hash);

		while (slots[slot].id >= 0 && slots[slot].id != earlier)
			slot = (slot + 1) & (block->slot_count - 1);
		slots[slot].tag = (uint32_t) (hash >> 32);
		slots[slot].id = token->id;
	}
}

static void
write_added(TclsTokenizerHeader *block, const Plan *plan, uint32_t used)
{
	TclsAddedToken *added = (TclsAddedToken *) tcls_block_added(block);
	char	   *text = (char *) tcls_block_text(block);

	block->prefix_offset = used;
	memcpy(text + used, plan->parts->prefix, block->prefix_size);
	used += block->prefix_size;
	for (uint32_t i = 0; i < block->added_count; i++)
	{
		const Pattern *pattern = &plan->patterns[i];

		added[i].id = pattern->id;
		added[i].flags = pattern->flags;
		added[i].pattern_offset = used;
		added[i].pattern_size = (uint32_t) pattern->size;
		memcpy(text + used, pattern->bytes, pattern->size);
		used += (uint32_t) pattern->size;
		block->raw_count += (pattern->flags & TCLS_ADDED_NORMALIZED) == 0;
	}
}

TclsStatus
tcls_block_build(TclsTokenizer *out, const TclsTokenizerParts *parts, TclsHost *host)
{
	Plan		plan = {0};
	TclsTokenizerHeader *block = NULL;
	uint32_t	used;

	plan.parts = parts;
	TCLS_TRY(check_ids(&plan, host));
	TCLS_TRY(place_tokens(&plan, host));
	TCLS_TRY(check_special(&plan, "unknown", parts->unknown_id, host));
	TCLS_TRY(check_special(&plan, "beginning", parts->begin_id, host));
	TCLS_TRY(check_special(&plan, "end", parts->end_id, host));
	TCLS_TRY(prepare_patterns(&plan, host));
	TCLS_TRY(allocate_block(&block, &plan, host));
	used = write_tokens(block, &plan);
	write_slots(block, &plan);
	write_added(block, &plan, used);
	tcls_free(plan.by_id, host);
	tcls_free(plan.patterns, host);
	tcls_free(plan.normalized.data, host);
	return tcls_tokenizer_open(out, block, block->size, host);
}
