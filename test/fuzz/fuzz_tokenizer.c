/*
 * fuzz_tokenizer.c
 *		Any bytes as tokenizer.json, vocab.txt, a prepared block or a text.
 *
 *		input[0] % 4	0 tokenizer.json, 1 vocab.txt, 2 block, 3 text
 *		input[0] / 4	for a text: max_length - 2
 */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer.h"
#include "json_pool.h"
#include "unit.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char sample[] = "The caf\xc3\xa9 at 10%, na\xc3\xafve \xe4\xb8\xad\xe6\x96\x87 [MASK] "
	"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\tA\xcc\x81 \xf0\x9f\x98\x80!";

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n"
	"##a\n##b\n##c\nab\n##bc\nthe\ncafe\n!\n,\n";

/* Ids in range, places in order and inside the text, never more tokens than allowed. */
static void
check_encode(const TclsTokenizer *tokenizer, const char *text, size_t size, int32_t max_length, UnitHost *unit)
{
	TclsTokens	tokens = {0};
	int32_t		last = 0;

	if (tcls_tokenizer_encode(&tokens, tokenizer, text, size, max_length, true, &unit->host) != TCLS_OK)
		return;
	if (tokens.count < 2 || tokens.count > max_length)
		abort();
	for (int32_t i = 0; i < tokens.count; i++)
	{
		if (tokens.ids[i] < 0 || tokens.ids[i] >= tcls_tokenizer_vocabulary_size(tokenizer))
			abort();
		if (i == 0 || i == tokens.count - 1)
			continue;
		if (tokens.starts[i] < last || tokens.ends[i] < tokens.starts[i] || (size_t) tokens.ends[i] > size)
			abort();
		last = tokens.starts[i];
	}
}

static void
check_tokens(const TclsTokenizer *tokenizer, UnitHost *unit)
{
	int32_t		count = tcls_tokenizer_vocabulary_size(tokenizer);
	size_t		total = 0;

	for (int32_t id = -1; id <= count && id < 70000; id++)
	{
		size_t		size;
		const char *token = tcls_tokenizer_token(&size, tokenizer, id);

		for (size_t i = 0; i < size; i++)
			total += (unsigned char) token[i];
	}
	if (total == SIZE_MAX)
		abort();
	check_encode(tokenizer, sample, sizeof(sample) - 1, 2, unit);
	check_encode(tokenizer, sample, sizeof(sample) - 1, 512, unit);
}

/* A tokenizer that was accepted encodes the same after it was written as tokenizer.json. */
static void
check_json(const TclsTokenizer *tokenizer, UnitHost *unit)
{
	TclsBytes	json = {0};
	TclsBytes	vocabulary_text = {0};
	TclsTokenizer again;
	TclsTokens	tokens[2] = {{0}, {0}};

	check_tokens(tokenizer, unit);
	(void) tcls_tokenizer_to_vocabulary(&vocabulary_text, tokenizer, &unit->host);
	if (tcls_tokenizer_to_json(&json, tokenizer, &unit->host) != TCLS_OK ||
		tcls_tokenizer_from_json(&again, json.data, json.size, &unit->host) != TCLS_OK ||
		tcls_tokenizer_encode(&tokens[0], tokenizer, sample, sizeof(sample) - 1, 512, false, &unit->host) != TCLS_OK ||
		tcls_tokenizer_encode(&tokens[1], &again, sample, sizeof(sample) - 1, 512, false, &unit->host) != TCLS_OK ||
		tokens[0].count != tokens[1].count ||
		memcmp(tokens[0].ids, tokens[1].ids, (size_t) tokens[0].count * sizeof(int32_t)) != 0)
		abort();
}

static void
run_block(const uint8_t *data, size_t size, UnitHost *unit)
{
	TclsTokenizer tokenizer;
	void	   *block = malloc(size);

	memcpy(block, data, size);
	if (tcls_tokenizer_open(&tokenizer, block, size, &unit->host) == TCLS_OK)
		check_tokens(&tokenizer, unit);
	free(block);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	UnitHost	unit;
	TclsTokenizer tokenizer;
	char	   *text;

	if (size == 0)
		return 0;
	json_pool_begin();
	unit_host_init(&unit);
	text = memcpy(malloc(size), data + 1, size - 1);
	switch (data[0] % 4)
	{
		case 0:
			if (tcls_tokenizer_from_json(&tokenizer, text, size - 1, &unit.host) == TCLS_OK)
				check_json(&tokenizer, &unit);
			break;
		case 1:
			if (tcls_tokenizer_from_vocabulary(&tokenizer, text, size - 1, &tcls_tokenizer_uncased,
											   &unit.host) == TCLS_OK)
				check_json(&tokenizer, &unit);
			break;
		case 2:
			run_block(data + 1, size - 1, &unit);
			break;
		default:
			if (tcls_tokenizer_from_vocabulary(&tokenizer, vocabulary, sizeof(vocabulary) - 1, &tcls_tokenizer_uncased,
											   &unit.host) != TCLS_OK)
				abort();
			check_encode(&tokenizer, text, size - 1, 2 + data[0] / 4, &unit);
	}
	free(text);
	json_pool_end();
	unit_host_reset(&unit);
	return 0;
}
