/*
 * bench_tokenizer.c
 *		The rate of the tokenizer alone, for the texts that "peers.py frame" writes.
 *
 *		bench_tokenizer TOKENIZER_JSON <texts
 *
 * In: size (uint32) and bytes of each text.  Prints MB/s, the best of three passes by
 * processor time, and the number of tokens, which must be the peer's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_host.h"
#include "tokenizer/tokenizer.h"

#define PASSES 3

static TclsStatus
encode_all(long long *count, long long *bytes, const TclsTokenizer *tokenizer, const char *texts, size_t size)
{
	TclsTokens	tokens = {0};
	uint32_t	length;

	*count = 0;
	*bytes = 0;
	for (size_t at = 0; at + sizeof(length) <= size; at += length)
	{
		memcpy(&length, texts + at, sizeof(length));
		at += sizeof(length);
		TCLS_TRY(tcls_tokenizer_encode(&tokens, tokenizer, texts + at, length, INT32_MAX, false, &host));
		*count += tokens.count;
		*bytes += length;
	}
	tcls_free(tokens.ids, &host);
	return TCLS_OK;
}

static TclsStatus
bench(const char *path)
{
	FILE	   *stream = fopen(path, "rb");
	TclsTokenizer tokenizer;
	size_t		size;
	char	   *json;
	char	   *texts;
	double		best = 0;
	long long	count;

	if (stream == NULL)
		return tcls_fail(&host, TCLS_IO, "could not open %s", path);
	json = read_stream(&size, stream);
	TCLS_TRY(tcls_tokenizer_from_json(&tokenizer, json, size, &host));
	texts = read_stream(&size, stdin);
	for (int pass = 0; pass < PASSES; pass++)
	{
		clock_t		begin = clock();
		long long	bytes;
		double		rate;

		TCLS_TRY(encode_all(&count, &bytes, &tokenizer, texts, size));
		rate = (double) bytes / 1e6 * CLOCKS_PER_SEC / (double) (clock() - begin);
		best = rate > best ? rate : best;
	}
	printf("textcls|%.2f|MB/s\ntextcls tokens|%lld|\n", best, count);
	return TCLS_OK;
}

int
main(int argc, char **argv)
{
	if (argc != 2 || bench(argv[1]) != TCLS_OK)
	{
		fprintf(stderr, "bench_tokenizer: %s\n", host.detail);
		return 1;
	}
	return 0;
}
