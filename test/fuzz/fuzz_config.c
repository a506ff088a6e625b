/*
 * fuzz_config.c
 *		Any bytes as one of the JSON files of a model directory.
 *
 *		input[0] chooses the file that the rest stands for
 */
#include <stdlib.h>
#include <string.h>

#include "json_pool.h"
#include "tiny_model.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Directories: an encoder, a classifier, DistilBERT's. */
static const char *const *const configs[] = {&tiny_bert, &tiny_classifier, &tiny_distilbert};

static Fixture fixtures[3];

static const struct
{
	int			directory;
	const char *file;
}			places[] = {
	{0, "config.json"},
	{1, "config.json"},
	{2, "config.json"},
	{0, "modules.json"},
	{0, "1_Pooling/config.json"},
	{0, "sentence_bert_config.json"},
	{0, "tokenizer_config.json"},
	{1, TINY_INDEX},
	{1, TINY_SHARD}
};

#define PLACE_COUNT (sizeof(places) / sizeof(places[0]))

/* A config that was accepted says the same after it was written. */
static void
check_config(const uint8_t *data, size_t size, UnitHost *unit)
{
	TclsModelConfig config;
	TclsModelConfig again;
	TclsBytes	json = {0};

	if (tcls_model_config_read(&config, (const char *) data, size, &unit->host) != TCLS_OK)
		return;
	if (tcls_model_config_write(&json, &config, &unit->host) != TCLS_OK ||
		tcls_model_config_read(&again, json.data, json.size, &unit->host) != TCLS_OK ||
		again.num_labels != config.num_labels || again.max_length != config.max_length ||
		memcmp(&again.numbers, &config.numbers, sizeof(config.numbers)) != 0)
		abort();
}

/* What was imported can be read and exported. */
static void
check_import(const Fixture *fixture, UnitHost *unit)
{
	TclsStoredModel stored;
	TclsModel	model;
	TclsBytes	weights = {0};
	TclsFile   *files;
	int32_t		count;

	if (fixture_import(&stored, &weights, fixture, &unit->host) != TCLS_OK)
		return;
	if (tcls_model_read(&model, &stored, &unit->host) != TCLS_OK ||
		tcls_export_files(&files, &count, &stored, &unit->host) != TCLS_OK)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	UnitHost	unit;
	Fixture    *fixture;
	TclsFile   *file;
	TclsFile	whole;
	size_t		place;

	if (size == 0)
		return 0;
	place = data[0] % PLACE_COUNT;
	fixture = &fixtures[places[place].directory];
	if (fixture->count == 0)
		tiny_model_directory(fixture, *configs[places[place].directory]);
	file = fixture_find(fixture, places[place].file);
	whole = *file;
	file->size = size - 1;
	file->data = memcpy(malloc(size), data + 1, size - 1);
	json_pool_begin();
	unit_host_init(&unit);
	if (place < 3)
		check_config(file->data, file->size, &unit);
	check_import(fixture, &unit);
	json_pool_end();
	unit_host_reset(&unit);
	free((void *) file->data);
	*file = whole;
	return 0;
}
