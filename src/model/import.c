/*
 * import.c
 *		A directory's files to config, tokenizer.json and one safetensors file.
 */
#include <string.h>

#include "model/architecture.h"
#include "model/model_config.h"
#include "model/model_json.h"
#include "model/model_weights.h"
#include "model/sentence_modules.h"
#include "model/tokenizer_files.h"
#include "base/pure_c.h"

#define CONFIG_FILE "config.json"
#define WEIGHTS_FILE "model.safetensors"
#define INDEX_FILE "model.safetensors.index.json"
#define SHARD_BEGINNING "model-"
#define SHARD_ENDING ".safetensors"

static bool
is_shard(const char *name)
{
	size_t		length = strlen(name);

	return strncmp(name, SHARD_BEGINNING, strlen(SHARD_BEGINNING)) == 0 && strchr(name, '/') == NULL &&
		length > strlen(SHARD_ENDING) && strcmp(name + length - strlen(SHARD_ENDING), SHARD_ENDING) == 0;
}

bool
tcls_import_wants(const char *name)
{
	static const char *const wanted[] = {
		CONFIG_FILE, "tokenizer.json", "vocab.txt", "tokenizer_config.json", WEIGHTS_FILE, INDEX_FILE,
		"modules.json", "1_Pooling/config.json", "sentence_bert_config.json"
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strcmp(name, wanted[i]) == 0)
			return true;
	return is_shard(name);
}

/* ---------- weights ---------- */

/* Put the file's name before the failure's text. */
static TclsStatus
blame(const TclsFile *file, TclsStatus status, TclsHost *host)
{
	char		detail[sizeof(host->detail)];

	if (status == TCLS_OK)
		return TCLS_OK;
	memcpy(detail, host->detail, sizeof(detail));
	return tcls_fail(host, status, "%s: %s", file->name, detail);
}

static TclsStatus
append_tensors(TclsTensorSet *set, const TclsFile *file, TclsHost *host)
{
	TclsTensorSet shard;
	TclsTensor *joined;

	TCLS_TRY(blame(file, tcls_safetensors_read(&shard, file->data, file->size, host), host));
	if (shard.count > INT32_MAX - set->count)
		return tcls_fail(host, TCLS_TOO_LARGE, "the shards have too many tensors");
	TCLS_TRY(tcls_alloc(&joined, (size_t) (set->count + shard.count), sizeof(TclsTensor), host));
	if (set->count > 0)
		memcpy(joined, set->items, (size_t) set->count * sizeof(TclsTensor));
	memcpy(joined + set->count, shard.items, (size_t) shard.count * sizeof(TclsTensor));
	tcls_free(set->items, host);
	set->items = joined;
	set->count += shard.count;
	return TCLS_OK;
}

/* Every tensor of the index lies in the file that the index says. */
static TclsStatus
check_index_map(const json_t *map, const TclsTensorSet *set, const TclsFile *files, int32_t count, TclsHost *host)
{
	const char *name;
	json_t	   *value;

	json_object_foreach((json_t *) map, name, value)
	{
		const char *shard = json_string_value(value);
		const TclsFile *file = shard != NULL ? tcls_import_find(files, count, shard) : NULL;
		const TclsTensor *tensor = tcls_safetensors_find(set, name);

		if (file == NULL || !is_shard(file->name))
			return tcls_fail(host, TCLS_BAD_FILE, INDEX_FILE " names the file \"%.128s\", which is not there",
							 shard != NULL ? shard : "");
		if (tensor == NULL || (const char *) tensor->data < (const char *) file->data ||
			(const char *) tensor->data >= (const char *) file->data + file->size)
			return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%.128s\" is not in %s, where " INDEX_FILE " has it", name,
							 file->name);
	}
	return TCLS_OK;
}

static TclsStatus
check_index(const TclsTensorSet *set, const TclsFile *files, int32_t count, TclsHost *host)
{
	const TclsFile *index = tcls_import_find(files, count, INDEX_FILE);
	const json_t *map;
	json_t	   *json;
	TclsStatus	status;

	if (index == NULL)
		return TCLS_OK;
	TCLS_TRY(tcls_model_json_parse(&json, JSON_OBJECT, INDEX_FILE, index->data, index->size, host));
	map = json_object_get(json, "weight_map");
	if (json_is_object(map))
		status = check_index_map(map, set, files, count, host);
	else
		status = tcls_fail(host, TCLS_BAD_FILE, INDEX_FILE " has no \"weight_map\"");
	json_decref(json);
	return status;
}

/* model.safetensors, or else all shards. */
static TclsStatus
read_tensors(TclsTensorSet *set, const TclsFile *files, int32_t count, TclsHost *host)
{
	const TclsFile *single = tcls_import_find(files, count, WEIGHTS_FILE);

	set->items = NULL;
	set->count = 0;
	if (single != NULL)
		return blame(single, tcls_safetensors_read(set, single->data, single->size, host), host);
	for (int32_t i = 0; i < count; i++)
		if (is_shard(files[i].name))
			TCLS_TRY(append_tensors(set, &files[i], host));
	if (set->count == 0)
		return tcls_fail(host, TCLS_BAD_FILE,
						 "there is no " WEIGHTS_FILE "; weights in another format must be saved as safetensors first");
	TCLS_TRY(tcls_safetensors_sort(set, host));
	return check_index(set, files, count, host);
}

/* ---------- config ---------- */

/* Whether the tensors hold the classifier of the family's own kind. */
static TclsStatus
has_family_head(bool *found, const TclsTensorSet *set, const json_t *config, TclsHost *host)
{
	const char *model_type = NULL;
	const TclsTensor *dense;
	const TclsTensor *classifier;
	int32_t		architecture;

	TCLS_TRY(tcls_model_json_string(&model_type, config, "model_type", host));
	*found = false;
	if (model_type == NULL)
		return TCLS_OK;
	TCLS_TRY(tcls_architecture_find(&architecture, model_type, host));
	TCLS_TRY(tcls_model_weights_find(&dense, set, architecture, "head.dense.weight", host));
	TCLS_TRY(tcls_model_weights_find(&classifier, set, architecture, "classifier.weight", host));
	*found = dense != NULL && classifier != NULL;
	return TCLS_OK;
}

/* An old config that names no class: its tensors tell whether there is a head. */
static TclsStatus
complete_architectures(json_t *config, const TclsTensorSet *set, TclsHost *host)
{
	const char *model_type = json_string_value(json_object_get(config, "model_type"));
	bool		found;
	int32_t		architecture;

	if (json_object_get(config, "architectures") != NULL || json_object_get(config, "textcls_head") != NULL)
		return TCLS_OK;
	TCLS_TRY(has_family_head(&found, set, config, host));
	if (!found)
		return TCLS_OK;
	TCLS_TRY(tcls_architecture_find(&architecture, model_type, host));
	if (json_object_set_new(config, "architectures",
							json_pack("[s]", tcls_architecture_get(architecture)->sequence_class)) != 0)
		return tcls_fail(host, TCLS_OUT_OF_MEMORY, "out of memory for " CONFIG_FILE);
	return TCLS_OK;
}

/* What other files say holds where config.json does not say it in our words. */
static TclsStatus
complete_config(TclsImported *out, const json_t *config, TclsHost *host)
{
	TclsModelConfig said = out->model;

	if (out->model.numbers.head == TCLS_HEAD_NONE)
		TCLS_TRY(tcls_sentence_modules_read(&said, out->files, out->count, host));
	TCLS_TRY(tcls_sentence_limits_read(&said.max_length, out->files, out->count, host));
	if (json_object_get(config, "textcls_pooling") == NULL)
		out->model.numbers.pooling = said.numbers.pooling;
	if (json_object_get(config, "textcls_normalizes") == NULL)
		out->model.normalizes = said.normalizes;
	if (json_object_get(config, "textcls_max_length") == NULL)
		out->model.max_length = said.max_length;
	return TCLS_OK;
}

static TclsStatus
convert_config(TclsImported *out, json_t *config, const TclsTensorSet *set, TclsHost *host)
{
	TCLS_TRY(complete_architectures(config, set, host));
	TCLS_TRY(tcls_model_config_parse(&out->model, config, host));
	TCLS_TRY(complete_config(out, config, host));
	TCLS_TRY(tcls_model_config_annotate(config, &out->model, host));
	return tcls_model_config_dump(&out->config, config, host);
}

static TclsStatus
read_config(TclsImported *out, const TclsTensorSet *set, TclsHost *host)
{
	const TclsFile *file = tcls_import_find(out->files, out->count, CONFIG_FILE);
	json_t	   *config;
	TclsStatus	status;

	if (file == NULL)
		return tcls_fail(host, TCLS_BAD_FILE, "there is no " CONFIG_FILE);
	TCLS_TRY(tcls_model_json_parse(&config, JSON_OBJECT, CONFIG_FILE, file->data, file->size, host));
	status = convert_config(out, config, set, host);
	json_decref(config);
	return status;
}

/* ---------- the two steps ---------- */

TclsStatus
tcls_import_prepare(TclsImported *out, const TclsFile *files, int32_t count, TclsHost *host)
{
	TclsParameterPlan plan;
	TclsTensorSet set;
	TclsTokenizer tokenizer;

	memset(out, 0, sizeof(*out));
	out->files = files;
	out->count = count;
	TCLS_TRY(read_tensors(&set, files, count, host));
	TCLS_TRY(read_config(out, &set, host));
	TCLS_TRY(tcls_tokenizer_files_read(&tokenizer, &out->tokenizer, files, count, host));
	TCLS_TRY(tcls_model_check_vocabulary(&tokenizer, &out->model.numbers, host));
	TCLS_TRY(tcls_parameter_plan_create(&plan, &out->model.numbers, host));
	TCLS_TRY(tcls_model_weights_read(NULL, &set, &out->model, &plan, host));
	TCLS_TRY(tcls_safetensors_size(&out->weights_size, set.items, set.count, host));
	tcls_parameter_plan_destroy(&plan, host);
	tcls_safetensors_destroy(&set, host);
	tcls_free((void *) tokenizer.block, host);
	return TCLS_OK;
}

TclsStatus
tcls_import_write_weights(const TclsWriter *writer, const TclsImported *imported, TclsHost *host)
{
	TclsTensorSet set;

	TCLS_TRY(read_tensors(&set, imported->files, imported->count, host));
	TCLS_TRY(tcls_safetensors_write(writer, set.items, set.count, host));
	tcls_safetensors_destroy(&set, host);
	return TCLS_OK;
}
