/*
 * tokenizer.c
 *		The way of a text: added tokens are cut out, the pieces between are
 *		normalised, searched for normalised added tokens, and split into words
 *		and pieces of words.
 */
#include <string.h>

#include "tokenizer/added_tokens.h"
#include "tokenizer/wordpiece.h"
#include "base/pure_c.h"

#define CHUNK 256				/* normalised characters read at a time */
#define POLL_CANDIDATES 16384	/* places where an added token may begin */
#define MAX_TEXT_SIZE ((size_t) 1 << 30)	/* so that tokens can be counted in an int32 */

const TclsTokenizerSettings tcls_tokenizer_uncased = {true, true, true, -1, 100};

typedef struct Encoder
{
	TclsTokens *out;
	const TclsTokenizerHeader *block;
	int32_t		limit;			/* tokens before the last one, [SEP] */
	bool		with_offsets;
	bool		is_full;		/* a token beyond the limit was found */
	const char *text;
	size_t		size;
	size_t		counted_bytes;	/* the last place whose character number was asked for */
	int32_t		counted_chars;
	TclsAddedSet raw;
	TclsAddedSet normalized;
	TclsWord	word;
	TclsHost   *host;
} Encoder;

/* The normalised characters around the present one, for normalised added tokens. */
typedef struct Window
{
	TclsNormalizer normalizer;
	TclsCharacter *characters;	/* (capacity) */
	int32_t		capacity;
	int32_t		count;
	int32_t		position;		/* of the present character */
	bool		at_end;			/* no more will be read */
	char	   *bytes;			/* UTF-8 of what a pattern may match, and room for one character more */
	int32_t		unmatched;		/* characters that are not searched: of a match that was no single word */
	bool		has_previous;
	uint32_t	previous;		/* the character before the present one */
	int32_t		space_start;	/* where the white space before the present character begins, or -1 */
	int32_t		stripping;		/* token that takes in the white space that follows, or -1 */
} Window;

static TclsStatus
grow_array(int32_t **array, int32_t count, int32_t capacity, TclsHost *host)
{
	int32_t    *grown;

	TCLS_TRY(tcls_alloc(&grown, (size_t) capacity, sizeof(*grown), host));
	if (*array != NULL)
		memcpy(grown, *array, (size_t) count * sizeof(*grown));
	tcls_free(*array, host);
	*array = grown;
	return TCLS_OK;
}

/* Make room for more tokens behind those there are. */
static TclsStatus
tokens_reserve(TclsTokens *tokens, int32_t more, bool with_offsets, TclsHost *host)
{
	int32_t		capacity = tokens->capacity;
	int64_t		wanted = (int64_t) tokens->count + more;

	if (wanted > capacity)
	{
		wanted = wanted > 64 ? wanted * 3 / 2 : 64;
		capacity = wanted < INT32_MAX ? (int32_t) wanted : INT32_MAX;
	}
	if (capacity != tokens->capacity || (with_offsets && tokens->ends == NULL))
	{
		tokens->capacity = 0;
		TCLS_TRY(grow_array(&tokens->ids, tokens->count, capacity, host));
		if (with_offsets)
		{
			TCLS_TRY(grow_array(&tokens->starts, tokens->count, capacity, host));
			TCLS_TRY(grow_array(&tokens->ends, tokens->count, capacity, host));
		}
		tokens->capacity = capacity;
	}
	return TCLS_OK;
}

static TclsStatus
tokens_start(TclsTokens *tokens, bool with_offsets, TclsHost *host)
{
	tokens->count = 0;
	tokens->is_truncated = false;
	if (!with_offsets)
	{
		tcls_free(tokens->starts, host);
		tcls_free(tokens->ends, host);
		tokens->starts = NULL;
		tokens->ends = NULL;
	}
	return tokens_reserve(tokens, 2, with_offsets, host);
}

/* Keep the count tokens that were written behind the others, as far as the limit allows. */
static void
keep_tokens(Encoder *encoder, int32_t count)
{
	TclsTokens *out = encoder->out;

	if (count > encoder->limit - out->count)
	{
		count = encoder->limit - out->count;
		out->is_truncated = true;
		encoder->is_full = true;
	}
	out->count += count;
}

static TclsStatus
add_token(Encoder *encoder, int32_t id, int32_t start, int32_t end)
{
	TclsTokens *out = encoder->out;

	TCLS_TRY(tokens_reserve(out, 2, encoder->with_offsets, encoder->host));
	out->ids[out->count] = id;
	if (encoder->with_offsets)
	{
		out->starts[out->count] = start;
		out->ends[out->count] = end;
	}
	keep_tokens(encoder, 1);
	return TCLS_OK;
}

static TclsStatus
add_word(void *context, const TclsWord *word)
{
	Encoder    *encoder = context;
	TclsTokens *out = encoder->out;
	int32_t    *starts;
	int32_t    *ends;
	int32_t		count;
	int32_t		first = 0;

	TCLS_TRY(tokens_reserve(out, word->count + 1, encoder->with_offsets, encoder->host));
	if (!encoder->with_offsets)
	{
		keep_tokens(encoder, tcls_wordpiece_split(out->ids + out->count, NULL, encoder->block, word));
		return TCLS_OK;
	}
	starts = out->starts + out->count;
	ends = out->ends + out->count;
	count = tcls_wordpiece_split(out->ids + out->count, ends, encoder->block, word);
	for (int32_t i = 0; i < count; i++)
	{
		int32_t		behind = ends[i];

		starts[i] = word->sources[first];
		ends[i] = (behind == word->count ? word->last : word->sources[behind - 1]) + 1;
		first = behind;
	}
	keep_tokens(encoder, count);
	return TCLS_OK;
}

/* The number of the character that begins at the byte. */
static int32_t
character_at(Encoder *encoder, size_t byte)
{
	if (byte >= encoder->counted_bytes)
		encoder->counted_chars += tcls_utf8_count(encoder->text + encoder->counted_bytes,
												  byte - encoder->counted_bytes);
	else
		encoder->counted_chars -= tcls_utf8_count(encoder->text + byte, encoder->counted_bytes - byte);
	encoder->counted_bytes = byte;
	return encoder->counted_chars;
}

/* Fill the window so that any pattern and the character behind it lie in it. */
static TclsStatus
window_fill(Window *window, int32_t wanted)
{
	int32_t		n_read;

	if (window->at_end || window->count - window->position >= wanted)
		return TCLS_OK;
	window->count -= window->position;
	memmove(window->characters, window->characters + window->position,
			(size_t) window->count * sizeof(*window->characters));
	window->position = 0;
	while (window->count < wanted && !window->at_end)
	{
		TCLS_TRY(tcls_normalizer_read(window->characters + window->count, &n_read,
									  window->capacity - window->count, &window->normalizer));
		window->count += n_read;
		window->at_end = n_read == 0;
	}
	return TCLS_OK;
}

/* The added token at the present character and its length in characters, or NULL. */
static const TclsAddedToken *
window_match(int32_t *length, Window *window, const TclsAddedSet *set)
{
	const TclsAddedToken *token;
	size_t		size = 0;
	int32_t		behind = window->position;

	while (behind < window->count && size < set->max_size)
		size += (size_t) tcls_utf8_encode(window->bytes + size, window->characters[behind++].code);
	token = tcls_added_set_match(set, window->bytes, size);
	if (token == NULL)
		return NULL;
	*length = tcls_utf8_count(window->bytes, token->pattern_size);
	behind = window->position + *length;
	if ((token->flags & TCLS_ADDED_SINGLE_WORD) != 0 &&
		((window->has_previous && tcls_unicode_is_word(window->previous)) ||
		 (behind < window->count && tcls_unicode_is_word(window->characters[behind].code))))
	{
		window->unmatched = *length;
		return NULL;
	}
	return token;
}

/* Step over the present character; white space may belong to the token before it. */
static void
window_step(Window *window, TclsTokens *out)
{
	const TclsCharacter *character = &window->characters[window->position++];
	bool		is_space = tcls_unicode_is_space(character->code);

	if (!is_space)
		window->stripping = -1;
	if (window->stripping >= 0)
	{
		if (out->ends != NULL)
			out->ends[window->stripping] = character->source + 1;
	}
	else if (!is_space)
		window->space_start = -1;
	else if (window->space_start < 0)
		window->space_start = character->source;
	window->has_previous = true;
	window->previous = character->code;
}

static TclsStatus
window_add_token(Encoder *encoder, Window *window, const TclsAddedToken *token, int32_t length)
{
	const TclsCharacter *first = &window->characters[window->position];
	int32_t		start = first->source;
	int32_t		index;

	TCLS_TRY(tcls_word_end(&encoder->word));
	index = encoder->out->count;
	if ((token->flags & TCLS_ADDED_LSTRIP) != 0 && window->space_start >= 0)
		start = window->space_start;
	TCLS_TRY(add_token(encoder, token->id, start, first[length - 1].source + 1));
	while (length-- > 0)
		window_step(window, encoder->out);
	window->space_start = -1;
	window->stripping = (token->flags & TCLS_ADDED_RSTRIP) != 0 ? index : -1;
	return TCLS_OK;
}

static TclsStatus
window_advance(Encoder *encoder, Window *window)
{
	const TclsAddedToken *token = NULL;
	int32_t		length;

	if (window->unmatched > 0)
		window->unmatched--;
	else
	{
		token = window_match(&length, window, &encoder->normalized);
		window->unmatched -= window->unmatched > 0;
	}
	if (token != NULL)
		return window_add_token(encoder, window, token, length);
	TCLS_TRY(tcls_word_add(&encoder->word, &window->characters[window->position]));
	window_step(window, encoder->out);
	return TCLS_OK;
}

/* A piece of a text in which normalised added tokens may lie. */
static TclsStatus
encode_piece_windowed(Encoder *encoder, size_t begin, size_t end, int32_t index)
{
	Window		window = {0};
	int32_t		wanted = (int32_t) encoder->normalized.max_size + 1;

	window.capacity = wanted + CHUNK;
	window.space_start = -1;
	window.stripping = -1;
	TCLS_TRY(tcls_alloc(&window.characters, (size_t) window.capacity, sizeof(*window.characters), encoder->host));
	TCLS_TRY(tcls_alloc(&window.bytes, encoder->normalized.max_size + 4, 1, encoder->host));
	tcls_normalizer_start(&window.normalizer, &encoder->block->settings, encoder->text + begin, end - begin, index,
						  encoder->host);
	for (;;)
	{
		TCLS_TRY(window_fill(&window, wanted));
		if (window.position == window.count || encoder->is_full)
			break;
		TCLS_TRY(window_advance(encoder, &window));
	}
	tcls_free(window.characters, encoder->host);
	tcls_free(window.bytes, encoder->host);
	return tcls_word_end(&encoder->word);
}

/* A piece of a text without added tokens of the raw kind. */
static TclsStatus
encode_piece(Encoder *encoder, size_t begin, size_t end)
{
	TclsNormalizer normalizer;
	TclsCharacter characters[CHUNK];
	int32_t		count;

	if (encoder->normalized.count > 0)
		return encode_piece_windowed(encoder, begin, end, character_at(encoder, begin));
	tcls_normalizer_start(&normalizer, &encoder->block->settings, encoder->text + begin, end - begin,
						  character_at(encoder, begin), encoder->host);
	do
	{
		TCLS_TRY(tcls_normalizer_read(characters, &count, CHUNK, &normalizer));
		for (int32_t i = 0; i < count && !encoder->is_full; i++)
			TCLS_TRY(tcls_word_add(&encoder->word, &characters[i]));
	} while (count > 0 && !encoder->is_full);
	return tcls_word_end(&encoder->word);
}

static bool
is_single_word(const Encoder *encoder, size_t begin, size_t end)
{
	return (begin == 0 || !tcls_unicode_is_word(tcls_utf8_last(encoder->text, begin))) &&
		(end == encoder->size || !tcls_unicode_is_word(tcls_utf8_first(encoder->text + end)));
}

/* Where the white space that ends at place begins, at floor at the earliest. */
static size_t
space_before(const Encoder *encoder, size_t place, size_t floor)
{
	while (place > floor)
	{
		uint32_t	code = tcls_utf8_last(encoder->text, place);
		char		bytes[4];

		if (!tcls_unicode_is_space(code))
			break;
		place -= (size_t) tcls_utf8_encode(bytes, code);
	}
	return place < floor ? floor : place;
}

static size_t
space_behind(const Encoder *encoder, size_t place)
{
	while (place < encoder->size)
	{
		uint32_t	code = tcls_utf8_first(encoder->text + place);
		char		bytes[4];

		if (!tcls_unicode_is_space(code))
			break;
		place += (size_t) tcls_utf8_encode(bytes, code);
	}
	return place;
}

/* Cut the added tokens out of the raw text and encode the pieces between them. */
static TclsStatus
encode_text(Encoder *encoder)
{
	size_t		searched = 0;	/* matches are looked for from here on */
	size_t		done = 0;		/* what lies before belongs to a token or piece */

	for (size_t candidates = 1; !encoder->is_full; candidates++)
	{
		size_t		begin = tcls_added_set_candidate(&encoder->raw, encoder->text, searched, encoder->size);
		size_t		end;
		const TclsAddedToken *token;

		if (begin == encoder->size)
			break;
		if (candidates % POLL_CANDIDATES == 0)
			TCLS_TRY(tcls_poll(encoder->host));
		token = tcls_added_set_match(&encoder->raw, encoder->text + begin, encoder->size - begin);
		searched = begin + (token == NULL ? 1 : token->pattern_size);
		end = searched;
		if (token == NULL || ((token->flags & TCLS_ADDED_SINGLE_WORD) != 0 && !is_single_word(encoder, begin, end)))
			continue;
		if ((token->flags & TCLS_ADDED_LSTRIP) != 0)
			begin = space_before(encoder, begin, done);
		if ((token->flags & TCLS_ADDED_RSTRIP) != 0)
			end = space_behind(encoder, end);
		if (done < begin)
			TCLS_TRY(encode_piece(encoder, done, begin));
		TCLS_TRY(add_token(encoder, token->id, character_at(encoder, begin), character_at(encoder, end)));
		done = end;
	}
	if (done < encoder->size && !encoder->is_full)
		TCLS_TRY(encode_piece(encoder, done, encoder->size));
	return TCLS_OK;
}

TclsStatus
tcls_tokenizer_encode(TclsTokens *out, const TclsTokenizer *tokenizer, const char *text, size_t size,
					  int32_t max_length, bool with_offsets, TclsHost *host)
{
	Encoder		encoder;

	if (max_length < 2)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "max_length must be at least 2, not %d", max_length);
	if (size > MAX_TEXT_SIZE)
		return tcls_fail(host, TCLS_TOO_LARGE, "a text of %zu bytes is too long, at most %zu are possible", size,
						 MAX_TEXT_SIZE);
	TCLS_TRY(tcls_utf8_check(text, size, host));
	TCLS_TRY(tokens_start(out, with_offsets, host));
	encoder.out = out;
	encoder.block = tokenizer->block;
	encoder.limit = max_length - 1;
	encoder.with_offsets = with_offsets;
	encoder.is_full = false;
	encoder.text = text;
	encoder.size = size;
	encoder.counted_bytes = 0;
	encoder.counted_chars = 0;
	encoder.host = host;
	tcls_added_set_init(&encoder.raw, tokenizer->block, false);
	tcls_added_set_init(&encoder.normalized, tokenizer->block, true);
	tcls_word_init(&encoder.word, tokenizer->block->settings.max_word_chars, add_word, &encoder, host);
	TCLS_TRY(add_token(&encoder, tokenizer->block->begin_id, 0, 0));
	TCLS_TRY(encode_text(&encoder));
	tcls_word_free(&encoder.word);
	encoder.limit = max_length;
	return add_token(&encoder, tokenizer->block->end_id, 0, 0);
}
