/*
 * encode_stream.c
 *		Encodes texts from standard input for compare.py.
 *
 * Usage: encode_stream tokenizer.json [rewrite]
 * In: size (uint32) and bytes of each text.  Out: number of tokens (uint32), then
 * as many ids, starts and ends (int32).  With rewrite: the tokenizer as we write it.
 */
#include <string.h>

#include "tokenizer/tokenizer.h"
#include "unit.h"

static void
fail(const char *what, const UnitHost *unit)
{
	fprintf(stderr, "encode_stream: %s: %s\n", what, unit->host.detail);
	exit(1);
}

static void
write_tokens(const TclsTokens *tokens)
{
	uint32_t	count = (uint32_t) tokens->count;

	fwrite(&count, sizeof(count), 1, stdout);
	fwrite(tokens->ids, sizeof(int32_t), count, stdout);
	fwrite(tokens->starts, sizeof(int32_t), count, stdout);
	fwrite(tokens->ends, sizeof(int32_t), count, stdout);
	fflush(stdout);
}

static void
rewrite(const TclsTokenizer *tokenizer, UnitHost *unit)
{
	TclsBytes	json = {0};

	if (tcls_tokenizer_to_json(&json, tokenizer, &unit->host) != TCLS_OK)
		fail("rewrite", unit);
	fwrite(json.data, 1, json.size, stdout);
}

int
main(int argc, char **argv)
{
	UnitHost	unit;
	TclsTokenizer tokenizer;
	TclsTokens	tokens = {0};
	char	   *json;
	char	   *text = NULL;
	size_t		size;
	uint32_t	length;

	unit_host_init(&unit);
	json = argc >= 2 ? unit_read_file(argv[1], &size) : NULL;
	if (json == NULL || tcls_tokenizer_from_json(&tokenizer, json, size, &unit.host) != TCLS_OK)
		fail("no tokenizer", &unit);
	if (argc > 2)
		rewrite(&tokenizer, &unit);
	while (argc == 2 && fread(&length, sizeof(length), 1, stdin) == 1)
	{
		text = realloc(text, (size_t) length + 1);
		if (text == NULL || fread(text, 1, length, stdin) != length)
			fail("short input", &unit);
		if (tcls_tokenizer_encode(&tokens, &tokenizer, text, length, INT32_MAX, true, &unit.host) != TCLS_OK)
			fail("encode", &unit);
		write_tokens(&tokens);
	}
	free(text);
	free(json);
	unit_host_reset(&unit);
	return 0;
}
