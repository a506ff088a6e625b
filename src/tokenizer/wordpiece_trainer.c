/*
 * wordpiece_trainer.c
 *		Counts words in bounded memory, then has pairs of their symbols merged.
 */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/string_table.h"
#include "tokenizer/wordpiece_merge.h"
#include "tokenizer/wordpiece_trainer.h"
#include "base/pure_c.h"

#define CHUNK 256
#define PREFIX "##"
#define WORD_SHARE 8			/* the words take this part of the memory; merging needs about seven times as much */
#define LEAST_BYTES ((size_t) 64 * 1024)
#define CODE_POINTS 0x110000
#define POLL_WORDS 4096

static const char *const special_tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

#define SPECIAL_COUNT 5

struct TclsWordPieceTrainer
{
	TclsVocabularyOptions options;
	size_t		max_bytes;		/* of the words */
	TclsStringTable words;
	TclsBytes	counts;			/* int64_t for each word */
};

/* A character and how often it occurs. */
typedef struct Letter
{
	uint32_t	code;
	int64_t		count;
} Letter;

/* The tokens of single characters, by code point; 0 where there is none. */
typedef struct Alphabet
{
	uint32_t   *first;			/* token at the beginning of a word, + 1 */
	uint32_t   *later;			/* token behind another character, + 1 */
} Alphabet;

TclsStatus
tcls_wordpiece_trainer_create(TclsWordPieceTrainer **out, const TclsVocabularyOptions *options,
							  size_t max_bytes, TclsHost *host)
{
	TclsWordPieceTrainer *trainer;

	if (options->vocab_size <= SPECIAL_COUNT)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "the vocabulary must have more than %d tokens, not %d",
						 SPECIAL_COUNT, options->vocab_size);
	if (options->limit_alphabet < 1)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "limit_alphabet must be at least 1, not %d",
						 options->limit_alphabet);
	TCLS_TRY(tcls_alloc_zero(&trainer, 1, sizeof(*trainer), host));
	trainer->options = *options;
	trainer->max_bytes = (max_bytes < LEAST_BYTES ? LEAST_BYTES : max_bytes) / WORD_SHARE;
	*out = trainer;
	return TCLS_OK;
}

void
tcls_wordpiece_trainer_destroy(TclsWordPieceTrainer *trainer, TclsHost *host)
{
	tcls_string_table_free(&trainer->words, host);
	tcls_free(trainer->counts.data, host);
	tcls_free(trainer, host);
}

static TclsStatus
add_count(TclsWordPieceTrainer *trainer, const char *bytes, size_t size, int64_t count, TclsHost *host)
{
	int64_t		none = 0;
	uint32_t	index;

	TCLS_TRY(tcls_string_table_add(&index, &trainer->words, bytes, size, host));
	if (index == trainer->counts.size / sizeof(none))
		TCLS_TRY(tcls_bytes_append(&trainer->counts, &none, sizeof(none), host));
	((int64_t *) trainer->counts.data)[index] += count;
	return TCLS_OK;
}

/* Keep the words that were seen at least least times. */
static TclsStatus
drop_rare(TclsWordPieceTrainer *trainer, int64_t least, TclsHost *host)
{
	TclsStringTable words = trainer->words;
	TclsBytes	counts = trainer->counts;

	memset(&trainer->words, 0, sizeof(trainer->words));
	memset(&trainer->counts, 0, sizeof(trainer->counts));
	for (uint32_t i = 0; i < words.count; i++)
	{
		int64_t		count = ((const int64_t *) counts.data)[i];
		size_t		size;
		const char *bytes = tcls_string_table_get(&size, &words, i);

		if (i % POLL_WORDS == 0)
			TCLS_TRY(tcls_poll(host));
		if (count >= least)
			TCLS_TRY(add_count(trainer, bytes, size, count, host));
	}
	tcls_string_table_free(&words, host);
	tcls_free(counts.data, host);
	return TCLS_OK;
}

static size_t
words_bytes(const TclsWordPieceTrainer *trainer)
{
	return tcls_string_table_bytes(&trainer->words) + trainer->counts.capacity;
}

/* When the words fill their memory, drop the rarest until they take at most half of it. */
static TclsStatus
prune(TclsWordPieceTrainer *trainer, TclsHost *host)
{
	int64_t		least = trainer->options.min_frequency > 2 ? trainer->options.min_frequency : 2;

	if (words_bytes(trainer) <= trainer->max_bytes)
		return TCLS_OK;
	for (; words_bytes(trainer) > trainer->max_bytes / 2 && trainer->words.count > 0; least *= 2)
		TCLS_TRY(drop_rare(trainer, least, host));
	return TCLS_OK;
}

typedef struct WordCounter
{
	TclsWordPieceTrainer *trainer;
	TclsHost   *host;
} WordCounter;

/* A word that is too long never gets pieces, so none are learnt from it. */
static TclsStatus
count_word(void *context, const TclsWord *word)
{
	WordCounter *counter = context;

	if (word->is_too_long)
		return TCLS_OK;
	TCLS_TRY(add_count(counter->trainer, word->bytes, (size_t) word->ends[word->count - 1], 1, counter->host));
	return prune(counter->trainer, counter->host);
}

TclsStatus
tcls_wordpiece_trainer_add(TclsWordPieceTrainer *trainer, const char *text, size_t size, TclsHost *host)
{
	WordCounter counter = {trainer, host};
	TclsNormalizer normalizer;
	TclsCharacter characters[CHUNK];
	TclsWord	word;
	int32_t		count;

	if (size > INT32_MAX)
		return tcls_fail(host, TCLS_TOO_LARGE, "a text of %zu bytes is too long, at most %d are possible", size,
						 INT32_MAX);
	TCLS_TRY(tcls_utf8_check(text, size, host));
	tcls_word_init(&word, trainer->options.settings.max_word_chars, count_word, &counter, host);
	tcls_normalizer_start(&normalizer, &trainer->options.settings, text, size, 0, host);
	do
	{
		TCLS_TRY(tcls_normalizer_read(characters, &count, CHUNK, &normalizer));
		for (int32_t i = 0; i < count; i++)
			TCLS_TRY(tcls_word_add(&word, &characters[i]));
	} while (count > 0);
	TCLS_TRY(tcls_word_end(&word));
	tcls_word_free(&word);
	return TCLS_OK;
}

static int
by_count(const void *left, const void *right)
{
	const Letter *a = left;
	const Letter *b = right;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return a->code < b->code ? -1 : a->code > b->code;
}

static int
by_code(const void *left, const void *right)
{
	uint32_t	a = ((const Letter *) left)->code;
	uint32_t	b = ((const Letter *) right)->code;

	return a < b ? -1 : a > b;
}

/* Bytes of the valid sequence that begins with first. */
static size_t
character_size(char first)
{
	unsigned char byte = (unsigned char) first;

	return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/* How often each code point occurs in the words; a zero byte can be no token. */
static TclsStatus
count_letters(int64_t *counts, const TclsWordPieceTrainer *trainer, TclsHost *host)
{
	for (uint32_t i = 0; i < trainer->words.count; i++)
	{
		size_t		size;
		const char *bytes = tcls_string_table_get(&size, &trainer->words, i);

		if (i % POLL_WORDS == 0)
			TCLS_TRY(tcls_poll(host));
		for (size_t at = 0; at < size; at += character_size(bytes[at]))
			counts[tcls_utf8_first(bytes + at)] += ((const int64_t *) trainer->counts.data)[i];
	}
	counts[0] = 0;
	return TCLS_OK;
}

/* The most frequent characters, as many as the options and the vocabulary's size allow, sorted by code. */
static TclsStatus
choose_letters(Letter **out, int32_t *n_letters, const TclsWordPieceTrainer *trainer, TclsHost *host)
{
	const TclsVocabularyOptions *options = &trainer->options;
	int32_t		limit = (options->vocab_size - SPECIAL_COUNT + 1) / 2;
	int64_t    *counts;
	Letter	   *letters;
	int32_t		count = 0;

	TCLS_TRY(tcls_alloc_zero(&counts, CODE_POINTS, sizeof(*counts), host));
	TCLS_TRY(count_letters(counts, trainer, host));
	for (uint32_t code = 0; code < CODE_POINTS; code++)
		count += counts[code] > 0;
	TCLS_TRY(tcls_alloc(&letters, (size_t) count, sizeof(*letters), host));
	count = 0;
	for (uint32_t code = 0; code < CODE_POINTS; code++)
		if (counts[code] > 0)
		{
			letters[count].code = code;
			letters[count++].count = counts[code];
		}
	tcls_free(counts, host);
	qsort(letters, (size_t) count, sizeof(*letters), by_count);
	if (limit > options->limit_alphabet)
		limit = options->limit_alphabet;
	if (count > limit)
		count = limit;
	qsort(letters, (size_t) count, sizeof(*letters), by_code);
	*out = letters;
	*n_letters = count;
	return TCLS_OK;
}

/* Specials, then every character alone. */
static TclsStatus
start_tokens(TclsStringTable *tokens, Alphabet *alphabet, const TclsWordPieceTrainer *trainer, TclsHost *host)
{
	Letter	   *letters;
	int32_t		n_letters;
	uint32_t	token;

	TCLS_TRY(tcls_alloc_zero(&alphabet->first, CODE_POINTS, sizeof(*alphabet->first), host));
	TCLS_TRY(tcls_alloc_zero(&alphabet->later, CODE_POINTS, sizeof(*alphabet->later), host));
	for (int i = 0; i < SPECIAL_COUNT; i++)
		TCLS_TRY(tcls_string_table_add(&token, tokens, special_tokens[i], strlen(special_tokens[i]), host));
	TCLS_TRY(choose_letters(&letters, &n_letters, trainer, host));
	for (int32_t i = 0; i < n_letters; i++)
	{
		char		bytes[4];
		int32_t		size = tcls_utf8_encode(bytes, letters[i].code);

		TCLS_TRY(tcls_string_table_add(&token, tokens, bytes, (size_t) size, host));
		alphabet->first[letters[i].code] = token + 1;
	}
	tcls_free(letters, host);
	return TCLS_OK;
}

/* The token of a character behind another one, which it gets when it first occurs there. */
static TclsStatus
later_token(uint32_t *token, TclsStringTable *tokens, Alphabet *alphabet, uint32_t code, TclsHost *host)
{
	char		bytes[sizeof(PREFIX) + 4] = PREFIX;

	if (alphabet->later[code] == 0)
	{
		int32_t		size = tcls_utf8_encode(bytes + strlen(PREFIX), code);

		TCLS_TRY(tcls_string_table_add(token, tokens, bytes, strlen(PREFIX) + (size_t) size, host));
		alphabet->later[code] = *token + 1;
	}
	*token = alphabet->later[code] - 1;
	return TCLS_OK;
}

/* A word as symbols, without the characters that are not in the alphabet. */
static TclsStatus
spell_word(uint32_t *symbols, TclsSymbolWord *word, const char *bytes, size_t size, TclsStringTable *tokens,
		   Alphabet *alphabet, TclsHost *host)
{
	word->count = 0;
	for (size_t at = 0; at < size; at += character_size(bytes[at]))
	{
		uint32_t	code = tcls_utf8_first(bytes + at);
		uint32_t   *symbol = &symbols[word->count];

		if (alphabet->first[code] == 0)
			continue;
		if (at == 0)
			*symbol = alphabet->first[code] - 1;
		else
			TCLS_TRY(later_token(symbol, tokens, alphabet, code, host));
		word->count++;
	}
	return TCLS_OK;
}

/* Spell all words and learn the tokens. */
static TclsStatus
learn_tokens(TclsStringTable *tokens, const TclsWordPieceTrainer *trainer, TclsHost *host)
{
	const TclsStringTable *words = &trainer->words;
	Alphabet	alphabet;
	TclsSymbolWord *spelled;
	uint32_t   *symbols;
	uint32_t	used = 0;

	TCLS_TRY(start_tokens(tokens, &alphabet, trainer, host));
	TCLS_TRY(tcls_alloc(&spelled, words->count, sizeof(*spelled), host));
	TCLS_TRY(tcls_alloc(&symbols, words->pool.size, sizeof(*symbols), host));
	for (uint32_t i = 0; i < words->count; i++)
	{
		size_t		size;
		const char *bytes = tcls_string_table_get(&size, words, i);

		if (i % POLL_WORDS == 0)
			TCLS_TRY(tcls_poll(host));
		spelled[i].weight = ((const int64_t *) trainer->counts.data)[i];
		spelled[i].begin = used;
		TCLS_TRY(spell_word(symbols + used, &spelled[i], bytes, size, tokens, &alphabet, host));
		used += (uint32_t) spelled[i].count;
	}
	tcls_free(alphabet.first, host);
	tcls_free(alphabet.later, host);
	TCLS_TRY(tcls_wordpiece_merge(tokens, symbols, spelled, words->count, PREFIX, trainer->options.vocab_size,
								  trainer->options.min_frequency, host));
	tcls_free(symbols, host);
	tcls_free(spelled, host);
	return TCLS_OK;
}

TclsStatus
tcls_wordpiece_trainer_finish(TclsTokenizer *out, TclsWordPieceTrainer *trainer, TclsHost *host)
{
	TclsStringTable tokens = {0};
	TclsBytes	lines = {0};

	TCLS_TRY(learn_tokens(&tokens, trainer, host));
	for (uint32_t i = 0; i < tokens.count; i++)
	{
		size_t		size;
		const char *token = tcls_string_table_get(&size, &tokens, i);

		TCLS_TRY(tcls_bytes_append(&lines, token, size, host));
		TCLS_TRY(tcls_bytes_append(&lines, "\n", 1, host));
	}
	tcls_string_table_free(&tokens, host);
	TCLS_TRY(tcls_tokenizer_from_vocabulary(out, lines.data, lines.size, &trainer->options.settings, host));
	tcls_free(lines.data, host);
	return TCLS_OK;
}
