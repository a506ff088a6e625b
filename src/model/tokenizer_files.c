/*
 * tokenizer_files.c
 *		tokenizer.json, vocab.txt, tokenizer_config.json and special_tokens_map.json.
 */
#include <string.h>

#include "model/model_json.h"
#include "model/sentence_modules.h"
#include "model/tokenizer_files.h"
#include "base/pure_c.h"

#define TOKENIZER_FILE "tokenizer.json"

/* tokenizer.json holds a vocabulary and may be larger than what model_json.h reads. */
static TclsStatus
load_normalizer(json_t **out, const char *json, size_t size, TclsHost *host)
{
	json_error_t error;
	json_t	   *parsed = json_loadb(json, size, 0, &error);

	if (parsed == NULL)
		return tcls_fail(host, TCLS_OUT_OF_MEMORY, "out of memory for " TOKENIZER_FILE);
	*out = json_incref(json_object_get(parsed, "normalizer"));
	json_decref(parsed);
	return TCLS_OK;
}

/* The settings in tokenizer.json, which the tokenizer room has read before. */
static TclsStatus
read_json_settings(TclsTokenizerSettings *out, const char *json, size_t size, TclsHost *host)
{
	bool		strip_accents = false;
	json_t	   *normalizer;
	json_t	   *strip;
	TclsStatus	status;

	*out = tcls_tokenizer_uncased;
	TCLS_TRY(load_normalizer(&normalizer, json, size, host));
	strip = json_object_get(normalizer, "strip_accents");
	status = tcls_model_json_bool(&out->clean_text, normalizer, "clean_text", host);
	if (status == TCLS_OK)
		status = tcls_model_json_bool(&out->handle_chinese_chars, normalizer, "handle_chinese_chars", host);
	if (status == TCLS_OK)
		status = tcls_model_json_bool(&out->lowercase, normalizer, "lowercase", host);
	if (status == TCLS_OK)
		status = tcls_model_json_bool(&strip_accents, normalizer, "strip_accents", host);
	out->strip_accents = json_is_boolean(strip) ? strip_accents : -1;
	json_decref(normalizer);
	return status;
}

static bool
strips_accents(const TclsTokenizerSettings *settings)
{
	return settings->strip_accents < 0 ? settings->lowercase : settings->strip_accents != 0;
}

/* Some loaders follow the one file, some the other: where they differ there is no right answer. */
static TclsStatus
check_agreement(const TclsFile *json, const TclsFile *config, TclsHost *host)
{
	TclsTokenizerSettings ours;
	TclsTokenizerSettings theirs;

	TCLS_TRY(read_json_settings(&ours, json->data, json->size, host));
	theirs = ours;
	TCLS_TRY(tcls_tokenizer_read_settings(&theirs, config->data, config->size, host));
	if (ours.lowercase != theirs.lowercase || ours.handle_chinese_chars != theirs.handle_chinese_chars ||
		strips_accents(&ours) != strips_accents(&theirs))
		return tcls_fail(host, TCLS_BAD_FILE,
						 "tokenizer.json and tokenizer_config.json disagree on lower case, accents or Chinese "
						 "characters; leave the wrong one out");
	return TCLS_OK;
}

TclsStatus
tcls_tokenizer_files_read(TclsTokenizer *tokenizer, TclsBytes *json, const TclsFile *files, int32_t count,
						  TclsHost *host)
{
	const TclsFile *json_file = tcls_import_find(files, count, TOKENIZER_FILE);
	const TclsFile *vocabulary = tcls_import_find(files, count, "vocab.txt");
	const TclsFile *config = tcls_import_find(files, count, "tokenizer_config.json");
	TclsTokenizerSettings settings = tcls_tokenizer_uncased;

	if (json_file != NULL)
	{
		TCLS_TRY(tcls_tokenizer_from_json(tokenizer, json_file->data, json_file->size, host));
		if (config != NULL)
			TCLS_TRY(check_agreement(json_file, config, host));
		return tcls_bytes_append(json, json_file->data, json_file->size, host);
	}
	if (vocabulary == NULL)
		return tcls_fail(host, TCLS_BAD_FILE, "there is neither a " TOKENIZER_FILE " nor a vocab.txt");
	if (config != NULL)
		TCLS_TRY(tcls_tokenizer_read_settings(&settings, config->data, config->size, host));
	TCLS_TRY(tcls_tokenizer_from_vocabulary(tokenizer, vocabulary->data, vocabulary->size, &settings, host));
	return tcls_tokenizer_to_json(json, tokenizer, host);
}

static bool
has_token(const TclsTokenizer *tokenizer, const char *wanted)
{
	int32_t		count = tcls_tokenizer_vocabulary_size(tokenizer);

	for (int32_t id = 0; id < count; id++)
	{
		size_t		size;
		const char *token = tcls_tokenizer_token(&size, tokenizer, id);

		if (size == strlen(wanted) && memcmp(token, wanted, size) == 0)
			return true;
	}
	return false;
}

/* BERT's special tokens, as far as the vocabulary has them. */
static int
set_special_tokens(json_t *json, const TclsTokenizer *tokenizer)
{
	static const char *const tokens[][2] = {
		{"unk_token", "[UNK]"}, {"sep_token", "[SEP]"}, {"pad_token", "[PAD]"}, {"cls_token", "[CLS]"},
		{"mask_token", "[MASK]"}
	};
	int			failed = 0;

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		if (has_token(tokenizer, tokens[i][1]))
			failed |= json_object_set_new(json, tokens[i][0], json_string(tokens[i][1]));
	return failed;
}

static json_t *
describe_tokenizer(const TclsTokenizerSettings *settings, int32_t max_length)
{
	json_t	   *strip = settings->strip_accents < 0 ? json_null() : json_boolean(settings->strip_accents);

	return json_pack("{s:s, s:b, s:o, s:b, s:i}", "tokenizer_class", "BertTokenizer", "do_lower_case",
					 settings->lowercase, "strip_accents", strip, "tokenize_chinese_chars",
					 settings->handle_chinese_chars, "model_max_length", max_length);
}

static TclsStatus
dump_with_special_tokens(TclsBytes *out, json_t *json, const TclsTokenizer *tokenizer, TclsHost *host)
{
	int			failed = set_special_tokens(json, tokenizer);
	TclsStatus	status = tcls_model_json_dump(out, failed == 0 ? json : NULL, JSON_INDENT(2), host);

	json_decref(json);
	return status;
}

TclsStatus
tcls_tokenizer_files_write(TclsBytes *config, TclsBytes *special_tokens, const TclsTokenizer *tokenizer,
						   const TclsStoredModel *stored, int32_t max_length, TclsHost *host)
{
	TclsTokenizerSettings settings;

	TCLS_TRY(read_json_settings(&settings, stored->tokenizer, stored->tokenizer_size, host));
	TCLS_TRY(dump_with_special_tokens(config, describe_tokenizer(&settings, max_length), tokenizer, host));
	return dump_with_special_tokens(special_tokens, json_object(), tokenizer, host);
}
