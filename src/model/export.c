/*
 * export.c
 *		The stored form to the files of a Hugging Face directory.
 */
#include <string.h>

#include "model/import.h"
#include "model/model_config.h"
#include "model/model_json.h"
#include "model/tokenizer_files.h"
#include "base/pure_c.h"

/* The stored config laid out for people, as a database may have stored it on one line. */
static TclsStatus
export_config(TclsBytes *out, const TclsStoredModel *stored, TclsHost *host)
{
	json_t	   *json;
	TclsStatus	status;

	TCLS_TRY(tcls_model_json_parse(&json, JSON_OBJECT, "config.json", stored->config, stored->config_size, host));
	status = tcls_model_config_dump(out, json, host);
	json_decref(json);
	return status;
}

TclsStatus
tcls_export_files(TclsFile **files, int32_t *count, const TclsStoredModel *stored, TclsHost *host)
{
	TclsBytes	config = {0};
	TclsBytes	vocabulary = {0};
	TclsBytes	tokenizer_config = {0};
	TclsBytes	special_tokens = {0};
	TclsModelConfig model;
	TclsTokenizer tokenizer;

	TCLS_TRY(tcls_model_config_read(&model, stored->config, stored->config_size, host));
	TCLS_TRY(tcls_tokenizer_from_json(&tokenizer, stored->tokenizer, stored->tokenizer_size, host));
	TCLS_TRY(export_config(&config, stored, host));
	TCLS_TRY(tcls_tokenizer_to_vocabulary(&vocabulary, &tokenizer, host));
	TCLS_TRY(tcls_tokenizer_files_write(&tokenizer_config, &special_tokens, &tokenizer, stored, model.max_length,
										host));
	{
		const TclsFile exported[] = {
			{"config.json", config.data, config.size},
			{"tokenizer.json", stored->tokenizer, stored->tokenizer_size},
			{"vocab.txt", vocabulary.data, vocabulary.size},
			{"tokenizer_config.json", tokenizer_config.data, tokenizer_config.size},
			{"special_tokens_map.json", special_tokens.data, special_tokens.size}
		};

		*count = (int32_t) (sizeof(exported) / sizeof(exported[0]));
		TCLS_TRY(tcls_alloc(files, (size_t) *count, sizeof(TclsFile), host));
		memcpy(*files, exported, sizeof(exported));
	}
	tcls_free((void *) tokenizer.block, host);
	return TCLS_OK;
}
