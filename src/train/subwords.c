/*
 * subwords.c
 *		Tokens as shorter pieces of the vocabulary.
 */
#include <stdlib.h>
#include <string.h>

#include "train/subwords.h"
#include "base/pure_c.h"

#define CONTINUES "##"
#define CONTINUES_SIZE 2

/* A token without its prefix, ordered for bsearch. */
typedef struct Entry
{
	const char *text;
	size_t		size;
	bool		continues;		/* had the prefix */
	int32_t		id;
} Entry;

typedef struct Dictionary
{
	Entry	   *entries;
	size_t		count;
} Dictionary;

static int
compare_entries(const void *left, const void *right)
{
	const Entry *a = left;
	const Entry *b = right;
	int			order;

	if (a->continues != b->continues)
		return a->continues ? 1 : -1;
	order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
	if (order != 0 || a->size == b->size)
		return order;
	return a->size < b->size ? -1 : 1;
}

static Entry
entry_of(const TclsTokenizer *tokenizer, int32_t id)
{
	Entry		entry = {.id = id};

	entry.text = tcls_tokenizer_token(&entry.size, tokenizer, id);
	if (entry.size > CONTINUES_SIZE && memcmp(entry.text, CONTINUES, CONTINUES_SIZE) == 0)
	{
		entry.continues = true;
		entry.text += CONTINUES_SIZE;
		entry.size -= CONTINUES_SIZE;
	}
	return entry;
}

static TclsStatus
dictionary_create(Dictionary *out, const TclsTokenizer *tokenizer, int32_t vocabulary_size, TclsHost *host)
{
	out->count = 0;
	TCLS_TRY(tcls_alloc(&out->entries, (size_t) vocabulary_size, sizeof(Entry), host));
	for (int32_t id = 0; id < vocabulary_size; id++)
	{
		Entry		entry = entry_of(tokenizer, id);

		if (entry.size > 0)
			out->entries[out->count++] = entry;
	}
	qsort(out->entries, out->count, sizeof(Entry), compare_entries);
	return TCLS_OK;
}

/* The longest token that text begins with, of at most limit bytes, or NULL. */
static const Entry *
longest_match(const Dictionary *dictionary, const char *text, size_t limit, bool continues)
{
	for (size_t size = limit; size > 0; size--)
	{
		Entry		wanted = {.text = text, .size = size, .continues = continues};
		const Entry *found = bsearch(&wanted, dictionary->entries, dictionary->count, sizeof(Entry), compare_entries);

		if (found != NULL)
			return found;
	}
	return NULL;
}

/* Append the pieces of the token; nothing if it cannot be written in pieces. */
static TclsStatus
append_pieces(TclsBytes *pieces, const Dictionary *dictionary, const Entry *token, TclsHost *host)
{
	size_t		before = pieces->size;
	size_t		done = 0;
	bool		continues = token->continues;

	while (done < token->size)
	{
		size_t		limit = done == 0 ? token->size - 1 : token->size - done;
		const Entry *piece = longest_match(dictionary, token->text + done, limit, continues);

		if (piece == NULL)
		{
			pieces->size = before;
			return TCLS_OK;
		}
		TCLS_TRY(tcls_bytes_append(pieces, &piece->id, sizeof(piece->id), host));
		done += piece->size;
		continues = true;
	}
	return TCLS_OK;
}

TclsStatus
tcls_subwords_create(TclsSubwords *out, const TclsTokenizer *tokenizer, TclsHost *host)
{
	int32_t		vocabulary_size = tcls_tokenizer_vocabulary_size(tokenizer);
	Dictionary	dictionary;
	TclsBytes	pieces = {0};

	out->vocabulary_size = vocabulary_size;
	TCLS_TRY(dictionary_create(&dictionary, tokenizer, vocabulary_size, host));
	TCLS_TRY(tcls_alloc(&out->starts, (size_t) vocabulary_size + 1, sizeof(int32_t), host));
	for (int32_t id = 0; id < vocabulary_size; id++)
	{
		Entry		token = entry_of(tokenizer, id);

		out->starts[id] = (int32_t) (pieces.size / sizeof(int32_t));
		TCLS_TRY(append_pieces(&pieces, &dictionary, &token, host));
		if (id % 256 == 0)
			TCLS_TRY(tcls_poll(host));
	}
	out->starts[vocabulary_size] = (int32_t) (pieces.size / sizeof(int32_t));
	out->pieces = (int32_t *) pieces.data;
	tcls_free(dictionary.entries, host);
	return TCLS_OK;
}

void
tcls_subwords_destroy(TclsSubwords *subwords, TclsHost *host)
{
	tcls_free(subwords->starts, host);
	tcls_free(subwords->pieces, host);
	*subwords = (TclsSubwords) {0};
}
