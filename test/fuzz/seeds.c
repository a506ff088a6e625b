/*
 * seeds.c
 *		Writes the committed inputs of the targets, out of tiny models.
 *
 *		seeds DIRECTORY
 */
#include <string.h>
#include <sys/stat.h>

#include "model/prepared.h"
#include "tiny_model.h"

static const char *corpus;

static void
write_seed(const char *target, const char *name, int selector, const void *data, size_t size)
{
	char		path[512];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/%s", corpus, target);
	mkdir(corpus, 0755);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", corpus, target, name);
	file = fopen(path, "wb");
	if (file == NULL)
	{
		perror(path);
		exit(1);
	}
	if (selector >= 0)
		fputc(selector, file);
	fwrite(data, 1, size, file);
	fclose(file);
}

static void
write_text(const char *target, const char *name, int selector, const char *text)
{
	write_seed(target, name, selector, text, strlen(text));
}

static void
write_fixture(const char *target, const char *name, int selector, const char *directory, const char *file_name)
{
	Fixture		fixture;
	TclsFile   *file;

	fixture_load(&fixture, directory);
	file = fixture_find(&fixture, file_name);
	write_seed(target, name, selector, file->data, file->size);
	fixture_free(&fixture);
}

/* Selector, size of the data in two bytes, header. */
static void
write_header(const char *name, int size, const char *header)
{
	char		seed[1000];

	seed[0] = (char) (size >> 8);
	seed[1] = (char) size;
	memcpy(seed + 2, header, strlen(header));
	write_seed("safetensors", name, 1, seed, strlen(header) + 2);
}

static void
write_safetensors_seeds(void)
{
	write_header("two_tensors", 32, "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],"
				 "\"data_offsets\":[0,24]},\"b\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[24,32]}}");
	write_header("scalar", 8, "{\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}  ");
	write_header("overlap", 12, "{\"a\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,8]},"
				 "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}");
	write_header("huge_shape", 0, "{\"a\":{\"dtype\":\"U8\","
				 "\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}");
	write_header("nested", 0, "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
	write_header("empty", 0, "{}");
}

/* A file of the tiny directory, behind the selector of its place in fuzz_config.c. */
static void
write_tiny(const char *name, int selector, const char *config, const char *file_name)
{
	Fixture		fixture;
	TclsFile   *file;

	tiny_model_directory(&fixture, config);
	file = fixture_find(&fixture, file_name);
	write_seed("config", name, selector, file->data, file->size);
	fixture_free(&fixture);
}

static void
write_config_seeds(void)
{
	write_tiny("bert", 0, tiny_bert, "config.json");
	write_tiny("classifier", 1, tiny_classifier, "config.json");
	write_tiny("distilbert", 2, tiny_distilbert, "config.json");
	write_tiny("modules", 3, tiny_bert, "modules.json");
	write_tiny("pooling", 4, tiny_bert, "1_Pooling/config.json");
	write_tiny("sentence_bert", 5, tiny_bert, "sentence_bert_config.json");
	write_tiny("tokenizer_config", 6, tiny_bert, "tokenizer_config.json");
	write_tiny("index", 7, tiny_classifier, TINY_INDEX);
	write_tiny("shard", 8, tiny_classifier, TINY_SHARD);
	write_fixture("config", "bert_huggingface", 1, "bert_f32", "config.json");
}

static TclsStatus
write_tokenizer_seeds(UnitHost *unit)
{
	TclsTokenizer tokenizer;
	TclsBytes	json = {0};

	TCLS_TRY(tcls_tokenizer_from_vocabulary(&tokenizer, TINY_VOCABULARY, strlen(TINY_VOCABULARY),
											&tcls_tokenizer_uncased, &unit->host));
	TCLS_TRY(tcls_tokenizer_to_json(&json, &tokenizer, &unit->host));
	write_seed("tokenizer", "json", 0, json.data, json.size);
	write_fixture("tokenizer", "json_huggingface", 0, "bert_f32", "tokenizer.json");
	write_text("tokenizer", "vocabulary", 1, TINY_VOCABULARY);
	write_seed("tokenizer", "block", 2, tokenizer.block, tokenizer.size);
	write_text("tokenizer", "text", 3 + 4 * 20,
			   "The caf\xc3\xa9 abc, [MASK] \xe4\xb8\xad\xe6\x96\x87\xcc\x81 \xf0\x9f\x98\x80");
	write_text("tokenizer", "text_cut", 3 + 4, "a b c the cafe a b c \xef\xb7\xba");
	write_text("tokenizer", "text_bad", 3 + 4 * 9, "abc \xff\xc0\x80 \xed\xa0\x80");
	return TCLS_OK;
}

static TclsStatus
write_prepared_seed(const char *name, const char *config, UnitHost *unit)
{
	TclsModel	model;
	void	   *image;
	size_t		size;

	TCLS_TRY(tiny_model_make(&model, config, &unit->host));
	TCLS_TRY(tcls_prepared_create(&image, &size, &model, tcls_packed_by_layout(TINY_LAYOUT), &unit->host));
	write_seed("prepared", name, -1, image, size);
	return TCLS_OK;
}

static TclsStatus
write_prepared_seeds(UnitHost *unit)
{
	TCLS_TRY(write_prepared_seed("bert", tiny_bert, unit));
	TCLS_TRY(write_prepared_seed("classifier", tiny_classifier, unit));
	return write_prepared_seed("distilbert", tiny_distilbert, unit);
}

int
main(int argc, char **argv)
{
	UnitHost	unit;

	if (argc != 2)
		return 2;
	corpus = argv[1];
	unit_host_init(&unit);
	write_safetensors_seeds();
	write_config_seeds();
	if (write_tokenizer_seeds(&unit) != TCLS_OK || write_prepared_seeds(&unit) != TCLS_OK)
	{
		fprintf(stderr, "seeds: %s\n", unit.host.detail);
		return 1;
	}
	unit_host_reset(&unit);
	return 0;
}
