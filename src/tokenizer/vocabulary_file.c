/*
 * vocabulary_file.c
 *		vocab.txt: one token a line, the line's number is its id.
 */
#include <stdio.h>
#include <string.h>

#include "tokenizer/unicode_normalize.h"
#include "tokenizer/vocabulary.h"
#include "base/pure_c.h"

/* BERT's own special tokens; the first three must be there. */
static const char *const special_names[] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};

#define SPECIAL_COUNT 5
#define SPECIAL_NEEDED 3

static TclsStatus
check_text(const char *text, size_t size, const TclsTokenizerSettings *settings, TclsHost *host)
{
	const char *nul = memchr(text, '\0', size);
	TclsStatus	status;

	if (size > UINT32_MAX)
		return tcls_fail(host, TCLS_TOO_LARGE, "vocab.txt has %zu bytes, at most 4 GB are possible", size);
	status = tcls_utf8_check(text, size, host);
	if (status == TCLS_BAD_TEXT)
		return tcls_fail(host, TCLS_BAD_FILE, "vocab.txt is not valid UTF-8");
	TCLS_TRY(status);
	if (nul != NULL)
		return tcls_fail(host, TCLS_BAD_FILE, "vocab.txt has a zero byte at position %zu", (size_t) (nul - text));
	if (settings->max_word_chars < 1 || settings->max_word_chars > TCLS_MAX_WORD_CHARS)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "the longest word may have 1 to %d characters, not %d",
						 TCLS_MAX_WORD_CHARS, settings->max_word_chars);
	return TCLS_OK;
}

/* Behind the last line feed nothing more is a line. */
static TclsStatus
read_lines(TclsTokenizerParts *parts, const char *text, size_t size, TclsHost *host)
{
	size_t		lines = size > 0 && text[size - 1] != '\n';
	size_t		position = 0;

	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	if (lines >= INT32_MAX)
		return tcls_fail(host, TCLS_TOO_LARGE, "vocab.txt has %zu lines, too many", lines);
	TCLS_TRY(tcls_alloc(&parts->tokens, lines, sizeof(*parts->tokens), host));
	while (position < size)
	{
		const char *feed = memchr(text + position, '\n', size - position);
		size_t		end = feed == NULL ? size : (size_t) (feed - text);
		TclsTokenPart *token = &parts->tokens[parts->count];

		token->offset = (uint32_t) position;
		token->size = (uint32_t) (end - position);
		if (token->size > 0 && text[end - 1] == '\r')
			token->size--;
		token->id = parts->count++;
		position = end + 1;
	}
	return TCLS_OK;
}

static TclsStatus
find_special(TclsTokenizerParts *parts, TclsHost *host)
{
	int32_t    *ids[SPECIAL_NEEDED] = {&parts->unknown_id, &parts->begin_id, &parts->end_id};

	TCLS_TRY(tcls_alloc(&parts->added, SPECIAL_COUNT, sizeof(*parts->added), host));
	for (int i = 0; i < SPECIAL_COUNT; i++)
	{
		size_t		size = strlen(special_names[i]);
		int32_t		id = parts->count - 1;

		while (id >= 0 && (parts->tokens[id].size != size ||
						   memcmp(parts->pool + parts->tokens[id].offset, special_names[i], size) != 0))
			id--;
		if (id < 0 && i < SPECIAL_NEEDED)
			return tcls_fail(host, TCLS_BAD_FILE, "vocab.txt has no token \"%s\"", special_names[i]);
		if (i < SPECIAL_NEEDED)
			*ids[i] = id;
		if (id >= 0)
		{
			parts->added[parts->added_count].token = parts->tokens[id];
			parts->added[parts->added_count].flags = TCLS_ADDED_SPECIAL;
			parts->added_count++;
		}
	}
	return TCLS_OK;
}

TclsStatus
tcls_tokenizer_from_vocabulary(TclsTokenizer *out, const char *text, size_t size,
							   const TclsTokenizerSettings *settings, TclsHost *host)
{
	TclsTokenizerParts parts = {0};

	TCLS_TRY(check_text(text, size, settings, host));
	parts.pool = text;
	parts.prefix = "##";
	parts.prefix_size = 2;
	parts.settings = *settings;
	TCLS_TRY(read_lines(&parts, text, size, host));
	TCLS_TRY(find_special(&parts, host));
	TCLS_TRY(tcls_block_build(out, &parts, host));
	tcls_free(parts.tokens, host);
	tcls_free(parts.added, host);
	return TCLS_OK;
}

/* An id without a token still takes its line. */
TclsStatus
tcls_tokenizer_to_vocabulary(TclsBytes *out, const TclsTokenizer *tokenizer, TclsHost *host)
{
	for (int32_t id = 0; id < tokenizer->block->vocabulary_size; id++)
	{
		size_t		size;
		const char *token = tcls_tokenizer_token(&size, tokenizer, id);
		char		placeholder[24];

		if (memchr(token, '\n', size) != NULL)
			return tcls_fail(host, TCLS_UNSUPPORTED, "token %d holds a line break, which vocab.txt cannot", id);
		if (size == 0)
		{
			size = (size_t) snprintf(placeholder, sizeof(placeholder), "[unused%d]", id);
			token = placeholder;
		}
		TCLS_TRY(tcls_bytes_append(out, token, size, host));
		TCLS_TRY(tcls_bytes_append(out, "\n", 1, host));
	}
	return TCLS_OK;
}
