/*
 * embed_lines.c
 *		The core without a server: embeddings of the lines of standard input.
 *
 *		embed_lines DIRECTORY [BATCH_TOKENS [PRECISION]] <texts >floats
 *
 * DIRECTORY is a model as Hugging Face lays it out; each line gives H fp32 numbers.
 * The rate goes to standard error, by processor time, as the machine may have other work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_host.h"
#include "classify/classifier.h"
#include "model/import.h"

#define MAX_FILES 16

static int32_t
load_directory(TclsFile files[MAX_FILES], const char *directory)
{
	static const char *const names[] = {
		"config.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json", "model.safetensors", "modules.json",
		"1_Pooling/config.json", "sentence_bert_config.json"
	};
	int32_t		count = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		char		path[4096];
		FILE	   *stream;

		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		stream = fopen(path, "rb");
		if (stream == NULL)
			continue;
		files[count].name = names[i];
		files[count].data = read_stream(&files[count].size, stream);
		count++;
		fclose(stream);
	}
	return count;
}

static TclsStatus
append_bytes(void *context, const void *data, size_t size)
{
	return tcls_bytes_append(context, data, size, &host);
}

static TclsStatus
load_model(TclsPrepared *out, const char *directory, TclsPrecision precision)
{
	TclsFile	files[MAX_FILES];
	TclsImported imported;
	TclsBytes	weights = {0};
	TclsWriter	writer = {append_bytes, &weights};
	TclsStoredModel stored;
	TclsModel	model;
	const TclsPackedKernel *kernel = tcls_packed_best(precision);
	void	   *image;
	size_t		size;

	TCLS_TRY(tcls_import_prepare(&imported, files, load_directory(files, directory), &host));
	TCLS_TRY(tcls_import_write_weights(&writer, &imported, &host));
	stored = (TclsStoredModel) {
		imported.config.data, imported.config.size, imported.tokenizer.data, imported.tokenizer.size,
		weights.data, weights.size
	};
	TCLS_TRY(tcls_model_read(&model, &stored, &host));
	TCLS_TRY(tcls_prepared_create(&image, &size, &model, kernel, &host));
	return tcls_prepared_open(out, image, size, kernel, false, &host);
}

static TclsStatus
embed_lines(const char *directory, int32_t batch_tokens, TclsPrecision precision)
{
	TclsPrepared model;
	size_t		size;
	char	   *line = read_stream(&size, stdin);
	TclsText   *texts = NULL;
	int32_t		count = 0;
	clock_t		begin;
	TclsPredictions out = {0};

	TCLS_TRY(load_model(&model, directory, precision));
	for (char *stop = strchr(line, '\n'); stop != NULL; line = stop + 1, stop = strchr(line, '\n'))
	{
		texts = realloc(texts, (size_t) (count + 1) * sizeof(TclsText));
		texts[count++] = (TclsText) {line, (size_t) (stop - line)};
	}
	size = (size_t) count * (size_t) model.config.numbers.hidden_size;
	TCLS_TRY(tcls_alloc(&out.embeddings, size, sizeof(float), &host));
	begin = clock();
	TCLS_TRY(tcls_classifier_predict(&out, &model, texts, count, 0, batch_tokens, &host));
	fprintf(stderr, "embed_lines: %.1f texts/s\n", (double) count * CLOCKS_PER_SEC / (double) (clock() - begin));
	fwrite(out.embeddings, sizeof(float), size, stdout);
	return TCLS_OK;
}

int
main(int argc, char **argv)
{
	TclsPrecision precision = TCLS_FP32;

	if (argc > 3)
		precision = strcmp(argv[3], "int8") == 0 ? TCLS_INT8 : strcmp(argv[3], "bf16") == 0 ? TCLS_BF16 : TCLS_FP32;
	if (argc < 2 || embed_lines(argv[1], argc > 2 ? atoi(argv[2]) : 0, precision) != TCLS_OK)
	{
		fprintf(stderr, "embed_lines: %s\n", host.detail);
		return 1;
	}
	return 0;
}
