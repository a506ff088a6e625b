/*
 * vocabulary.c
 *		Look-up in a block, and the check of a block that comes from outside.
 */
#include <string.h>

#include "tokenizer/vocabulary.h"
#include "base/pure_c.h"

const uint32_t *
tcls_block_offsets(const TclsTokenizerHeader *block)
{
	return (const uint32_t *) ((const char *) block + block->offsets_at);
}

const TclsVocabularySlot *
tcls_block_slots(const TclsTokenizerHeader *block)
{
	return (const TclsVocabularySlot *) ((const char *) block + block->slots_at);
}

const TclsAddedToken *
tcls_block_added(const TclsTokenizerHeader *block)
{
	return (const TclsAddedToken *) ((const char *) block + block->added_at);
}

const char *
tcls_block_text(const TclsTokenizerHeader *block)
{
	return (const char *) block + block->text_at;
}

uint64_t
tcls_vocabulary_hash(uint64_t hash, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char) bytes[i]) * UINT64_C(0x100000001B3);
	return hash;
}

uint32_t
tcls_vocabulary_first_slot(const TclsTokenizerHeader *block, uint64_t hash)
{
	return (uint32_t) (hash ^ hash >> 29) & (block->slot_count - 1);
}

static bool
token_equals(const TclsTokenizerHeader *block, int32_t id, bool is_continuing, const char *bytes, size_t size)
{
	const char *text = tcls_block_text(block);
	const uint32_t *offsets = tcls_block_offsets(block);
	const char *token = text + offsets[id];
	size_t		prefix_size = is_continuing ? block->prefix_size : 0;

	return offsets[id + 1] - offsets[id] == prefix_size + size &&
		memcmp(token + prefix_size, bytes, size) == 0 &&
		memcmp(token, text + block->prefix_offset, prefix_size) == 0;
}

int32_t
tcls_vocabulary_find(const TclsTokenizerHeader *block, uint64_t hash, bool is_continuing,
					 const char *bytes, size_t size)
{
	const TclsVocabularySlot *slots = tcls_block_slots(block);
	uint32_t	tag = (uint32_t) (hash >> 32);

	for (uint32_t i = tcls_vocabulary_first_slot(block, hash); slots[i].id >= 0; i = (i + 1) & (block->slot_count - 1))
		if (slots[i].tag == tag && token_equals(block, slots[i].id, is_continuing, bytes, size))
			return slots[i].id;
	return -1;
}

/* Whether count things of the size lie in the block from at on, aligned. */
static bool
part_fits(const TclsTokenizerHeader *block, uint64_t at, uint64_t count, uint64_t size)
{
	return at >= sizeof(*block) && at % 8 == 0 && at <= block->size && count <= (block->size - at) / size;
}

/* Truth values are read as bytes, since a bool that holds anything but 0 and 1 may not be loaded. */
static bool
settings_are_valid(const TclsTokenizerSettings *settings)
{
	unsigned char flags[3];

	memcpy(&flags[0], &settings->clean_text, 1);
	memcpy(&flags[1], &settings->handle_chinese_chars, 1);
	memcpy(&flags[2], &settings->lowercase, 1);
	return flags[0] <= 1 && flags[1] <= 1 && flags[2] <= 1 &&
		settings->strip_accents >= -1 && settings->strip_accents <= 1 &&
		settings->max_word_chars >= 1 && settings->max_word_chars <= TCLS_MAX_WORD_CHARS;
}

static TclsStatus
check_header(const TclsTokenizerHeader *block, size_t size, TclsHost *host)
{
	if (size < sizeof(*block) || memcmp(block->magic, TCLS_BLOCK_MAGIC, sizeof(block->magic)) != 0)
		return tcls_fail(host, TCLS_BAD_FILE, "this is not a tokenizer block");
	if (block->size != size)
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer block has %zu bytes, its header says %llu", size,
						 (unsigned long long) block->size);
	if (block->vocabulary_size < 1 || block->vocabulary_size == INT32_MAX ||
		!part_fits(block, block->offsets_at, (uint64_t) block->vocabulary_size + 1, sizeof(uint32_t)) ||
		block->slot_count == 0 || (block->slot_count & (block->slot_count - 1)) != 0 ||
		!part_fits(block, block->slots_at, block->slot_count, sizeof(TclsVocabularySlot)) ||
		!part_fits(block, block->added_at, block->added_count, sizeof(TclsAddedToken)) ||
		!part_fits(block, block->text_at, block->text_size, 1) ||
		block->raw_count > block->added_count ||
		block->prefix_offset > block->text_size || block->prefix_size > block->text_size - block->prefix_offset)
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer block: a part lies outside the block");
	if (!settings_are_valid(&block->settings) ||
		block->unknown_id < 0 || block->unknown_id >= block->vocabulary_size ||
		block->begin_id < 0 || block->begin_id >= block->vocabulary_size ||
		block->end_id < 0 || block->end_id >= block->vocabulary_size)
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer block: a setting is out of range");
	return TCLS_OK;
}

static TclsStatus
check_tokens(const TclsTokenizerHeader *block, TclsHost *host)
{
	const uint32_t *offsets = tcls_block_offsets(block);
	const TclsVocabularySlot *slots = tcls_block_slots(block);
	uint32_t	empty = 0;

	for (int32_t id = 0; id < block->vocabulary_size; id++)
		if (offsets[id] > offsets[id + 1] || offsets[id + 1] - offsets[id] > block->max_token_size)
			return tcls_fail(host, TCLS_BAD_FILE, "tokenizer block: the length of token %d is out of range", id);
	if (offsets[block->vocabulary_size] > block->text_size)
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer block: the tokens are longer than their text");
	for (uint32_t i = 0; i < block->slot_count; i++)
	{
		if (slots[i].id >= block->vocabulary_size)
			return tcls_fail(host, TCLS_BAD_FILE, "tokenizer block: slot %u holds no token", i);
		empty += slots[i].id < 0;
	}
	if (empty == 0)
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer block: the table is full");
	return TCLS_OK;
}

static TclsStatus
check_added(const TclsTokenizerHeader *block, TclsHost *host)
{
	const TclsAddedToken *added = tcls_block_added(block);

	for (uint32_t i = 0; i < block->added_count; i++)
		if (added[i].id < 0 || added[i].id >= block->vocabulary_size || added[i].pattern_size == 0 ||
			added[i].pattern_offset > block->text_size ||
			added[i].pattern_size > block->text_size - added[i].pattern_offset)
			return tcls_fail(host, TCLS_BAD_FILE, "tokenizer block: added token %u is damaged", i);
	return TCLS_OK;
}

TclsStatus
tcls_tokenizer_open(TclsTokenizer *out, const void *block, size_t size, TclsHost *host)
{
	TCLS_TRY(check_header(block, size, host));
	TCLS_TRY(check_tokens(block, host));
	TCLS_TRY(check_added(block, host));
	out->block = block;
	out->size = size;
	return TCLS_OK;
}

int32_t
tcls_tokenizer_vocabulary_size(const TclsTokenizer *tokenizer)
{
	return tokenizer->block->vocabulary_size;
}

const char *
tcls_tokenizer_token(size_t *size, const TclsTokenizer *tokenizer, int32_t id)
{
	const uint32_t *offsets = tcls_block_offsets(tokenizer->block);

	if (id < 0 || id >= tokenizer->block->vocabulary_size)
	{
		*size = 0;
		return "";
	}
	*size = offsets[id + 1] - offsets[id];
	return tcls_block_text(tokenizer->block) + offsets[id];
}
