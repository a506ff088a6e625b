/*
 * sentence_modules.c
 *		The pipeline of a sentence-transformers directory.
 *
 * Reference: sentence-transformers, models/Pooling.py and models/Transformer.py.
 */
#include <string.h>

#include "model/model_json.h"
#include "model/sentence_modules.h"
#include "base/pure_c.h"

#define POOLING_DIRECTORY "1_Pooling"
#define POOLING_FILE POOLING_DIRECTORY "/config.json"
#define POOLING_KEY "pooling_mode_"

const TclsFile *
tcls_import_find(const TclsFile *files, int32_t count, const char *name)
{
	for (int32_t i = 0; i < count; i++)
		if (strcmp(files[i].name, name) == 0)
			return &files[i];
	return NULL;
}

/* One true "pooling_mode_..." among those that we have. */
static TclsStatus
read_pooling(TclsPooling *out, const json_t *json, TclsHost *host)
{
	static const struct
	{
		const char *key;
		TclsPooling pooling;
	}			modes[] = {
		{POOLING_KEY "mean_tokens", TCLS_POOL_MEAN},
		{POOLING_KEY "cls_token", TCLS_POOL_CLS},
		{POOLING_KEY "max_tokens", TCLS_POOL_MAX}
	};
	int			found = 0;
	const char *key;
	json_t	   *value;

	json_object_foreach((json_t *) json, key, value)
		found += json_is_true(value) && strncmp(key, POOLING_KEY, strlen(POOLING_KEY)) == 0;
	for (size_t i = 0; found == 1 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (json_is_true(json_object_get(json, modes[i].key)))
		{
			*out = modes[i].pooling;
			return TCLS_OK;
		}
	return tcls_fail(host, TCLS_UNSUPPORTED, POOLING_FILE " does not ask for one of mean, cls and max pooling");
}

/* The last part of a dotted class name. */
static const char *
class_of_module(const json_t *module)
{
	const char *type = json_string_value(json_object_get(module, "type"));
	const char *dot = type != NULL ? strrchr(type, '.') : NULL;

	return dot != NULL ? dot + 1 : type != NULL ? type : "";
}

static TclsStatus
check_modules(bool *has_pooling, bool *normalizes, const json_t *modules, TclsHost *host)
{
	for (size_t i = 0; i < json_array_size(modules); i++)
	{
		const json_t *module = json_array_get(modules, i);
		const char *path = json_string_value(json_object_get(module, "path"));
		const char *class_name = class_of_module(module);

		if (strcmp(class_name, "Transformer") == 0 && i == 0 && path != NULL && *path == '\0')
			continue;
		if (strcmp(class_name, "Pooling") == 0 && i == 1 && path != NULL && strcmp(path, POOLING_DIRECTORY) == 0)
			*has_pooling = true;
		else if (strcmp(class_name, "Normalize") == 0 && i > 0)
			*normalizes = true;
		else
			return tcls_fail(host, TCLS_UNSUPPORTED, "module %zu of modules.json, \"%.64s\", is not supported", i,
							 class_name);
	}
	return TCLS_OK;
}

TclsStatus
tcls_sentence_modules_read(TclsModelConfig *config, const TclsFile *files, int32_t count, TclsHost *host)
{
	const TclsFile *file = tcls_import_find(files, count, "modules.json");
	bool		has_pooling = false;
	json_t	   *json;
	TclsStatus	status;

	if (file == NULL)
		return TCLS_OK;
	TCLS_TRY(tcls_model_json_parse(&json, JSON_ARRAY, file->name, file->data, file->size, host));
	status = check_modules(&has_pooling, &config->normalizes, json, host);
	json_decref(json);
	TCLS_TRY(status);
	if (!has_pooling)
		return TCLS_OK;
	file = tcls_import_find(files, count, POOLING_FILE);
	if (file == NULL)
		return tcls_fail(host, TCLS_BAD_FILE, "modules.json names a pooling module, but there is no " POOLING_FILE);
	TCLS_TRY(tcls_model_json_parse(&json, JSON_OBJECT, file->name, file->data, file->size, host));
	status = read_pooling(&config->numbers.pooling, json, host);
	json_decref(json);
	return status;
}

/*
 * tokenizer_config.json writes 10^30 for "no limit", which jansson can hold as a
 * real only.
 */
static TclsStatus
read_limit(int32_t *max_length, const TclsFile *file, const char *key, TclsHost *host)
{
	json_t	   *json;
	json_t	   *limit;
	TclsStatus	status = TCLS_OK;

	if (file == NULL)
		return TCLS_OK;
	TCLS_TRY(tcls_model_json_parse_reals(&json, file->name, file->data, file->size, host));
	limit = json_object_get(json, key);
	if (json_is_number(limit) && !(json_number_value(limit) >= 2))
		status = tcls_fail(host, TCLS_BAD_FILE, "\"%s\" of %s is below 2", key, file->name);
	else if (json_is_number(limit) && json_number_value(limit) < *max_length)
		*max_length = (int32_t) json_number_value(limit);
	json_decref(json);
	return status;
}

TclsStatus
tcls_sentence_limits_read(int32_t *max_length, const TclsFile *files, int32_t count, TclsHost *host)
{
	TCLS_TRY(read_limit(max_length, tcls_import_find(files, count, "tokenizer_config.json"), "model_max_length", host));
	return read_limit(max_length, tcls_import_find(files, count, "sentence_bert_config.json"), "max_seq_length", host);
}
