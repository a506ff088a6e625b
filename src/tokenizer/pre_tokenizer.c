/*
 * pre_tokenizer.c
 *		Collects the characters of a word and gives it out.
 */
#include <string.h>

#include "tokenizer/pre_tokenizer.h"
#include "base/pure_c.h"

void
tcls_word_init(TclsWord *word, int32_t max_chars, TclsStatus (*emit) (void *context, const TclsWord *word),
			   void *context, TclsHost *host)
{
	word->count = 0;
	word->capacity = TCLS_WORD_INLINE;
	word->max_chars = max_chars;
	word->is_too_long = false;
	word->bytes = word->inline_bytes;
	word->ends = word->inline_ends;
	word->sources = word->inline_sources;
	word->hashes = word->inline_hashes;
	word->emit = emit;
	word->context = context;
	word->host = host;
}

void
tcls_word_free(TclsWord *word)
{
	if (word->bytes == word->inline_bytes)
		return;
	tcls_free(word->bytes, word->host);
	tcls_free(word->ends, word->host);
	tcls_free(word->sources, word->host);
	tcls_free(word->hashes, word->host);
}

/* Twice the room; only a model with a limit beyond the usual 100 characters gets here. */
static TclsStatus
word_grow(TclsWord *word)
{
	size_t		capacity = 2 * (size_t) word->capacity;
	char	   *bytes;
	int32_t    *ends;
	int32_t    *sources;
	uint64_t   *hashes;

	TCLS_TRY(tcls_alloc(&bytes, capacity, 4, word->host));
	TCLS_TRY(tcls_alloc(&ends, capacity, sizeof(*ends), word->host));
	TCLS_TRY(tcls_alloc(&sources, capacity, sizeof(*sources), word->host));
	TCLS_TRY(tcls_alloc(&hashes, capacity, sizeof(*hashes), word->host));
	memcpy(bytes, word->bytes, (size_t) word->ends[word->count - 1]);
	memcpy(ends, word->ends, (size_t) word->count * sizeof(*ends));
	memcpy(sources, word->sources, (size_t) word->count * sizeof(*sources));
	tcls_word_free(word);
	word->bytes = bytes;
	word->ends = ends;
	word->sources = sources;
	word->hashes = hashes;
	word->capacity = (int32_t) capacity;
	return TCLS_OK;
}

static TclsStatus
word_append(TclsWord *word, const TclsCharacter *character)
{
	int32_t		end = word->count == 0 ? 0 : word->ends[word->count - 1];

	if (word->count == 0)
		word->start = character->source;
	word->last = character->source;
	word->is_too_long = word->count == word->max_chars;
	if (word->is_too_long)
		return TCLS_OK;
	if (word->count == word->capacity)
		TCLS_TRY(word_grow(word));
	word->ends[word->count] = end + tcls_utf8_encode(word->bytes + end, character->code);
	word->sources[word->count] = character->source;
	word->count++;
	return TCLS_OK;
}

TclsStatus
tcls_word_add(TclsWord *word, const TclsCharacter *character)
{
	if (character->kind == TCLS_CHARACTER_WORD)
		return word_append(word, character);
	TCLS_TRY(tcls_word_end(word));
	if (character->kind == TCLS_CHARACTER_SPACE)
		return TCLS_OK;
	TCLS_TRY(word_append(word, character));
	return tcls_word_end(word);
}

TclsStatus
tcls_word_end(TclsWord *word)
{
	if (word->count == 0)
		return TCLS_OK;
	TCLS_TRY(word->emit(word->context, word));
	word->count = 0;
	word->is_too_long = false;
	return TCLS_OK;
}
