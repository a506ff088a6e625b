/*
 * tokenizer_json.c
 *		tokenizer.json and tokenizer_config.json.
 *
 * Everything wanted is copied out of the parsed JSON before the block is built,
 * so that no jansson value is alive when the host is polled.
 *
 * Reference: Hugging Face tokenizers 0.23, tokenizer/serialization.rs.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "tokenizer/unicode_normalize.h"
#include "tokenizer/vocabulary.h"
#include "base/pure_c.h"

#define SHOWN(json) tcls_utf8_shown(json_string_value(json), json_string_length(json)), json_string_value(json)

/* The parts of a tokenizer, their texts copied into one buffer. */
typedef struct Collection
{
	TclsTokenizerParts parts;
	TclsBytes	pool;
	TclsTokenPart prefix;
	TclsHost   *host;
} Collection;

static TclsStatus
parse(json_t **out, const char *name, const char *json, size_t size, size_t flags, TclsHost *host)
{
	json_error_t error;

	if (size > UINT32_MAX)
		return tcls_fail(host, TCLS_TOO_LARGE, "%s has %zu bytes, at most 4 GB are possible", name, size);
	*out = json_loadb(json, size, JSON_REJECT_DUPLICATES | flags, &error);
	if (*out == NULL && json_error_code(&error) == json_error_out_of_memory)
		return tcls_fail(host, TCLS_OUT_OF_MEMORY, "out of memory while reading %s", name);
	if (*out == NULL)
		return tcls_fail(host, TCLS_BAD_FILE, "%s is not valid JSON: %s (line %d)", name, error.text, error.line);
	if (!json_is_object(*out))
	{
		json_decref(*out);
		return tcls_fail(host, TCLS_BAD_FILE, "%s is not a JSON object", name);
	}
	return TCLS_OK;
}

/* A field of the wanted type, borrowed; where names the object for the message. */
static TclsStatus
get_field(json_t **out, const json_t *object, const char *where, const char *key, json_type type, TclsHost *host)
{
	static const char *const type_names[] = {"an object", "an array", "a string", "an integer"};

	*out = json_object_get(object, key);
	if (*out == NULL)
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer.json: %s has no \"%s\"", where, key);
	if (json_typeof(*out) != type)
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer.json: \"%s\" of %s is not %s", key, where, type_names[type]);
	return TCLS_OK;
}

static TclsStatus
get_flag(bool *out, const json_t *object, const char *where, const char *key, TclsHost *host)
{
	json_t	   *flag = json_object_get(object, key);

	if (!json_is_boolean(flag))
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer.json: \"%s\" of %s is not true or false", key, where);
	*out = json_is_true(flag);
	return TCLS_OK;
}

static TclsStatus
get_id(int32_t *out, const json_t *id, const char *where, TclsHost *host)
{
	if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= INT32_MAX)
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer.json: the id of %s is not a number from 0 to %d", where,
						 INT32_MAX - 1);
	*out = (int32_t) json_integer_value(id);
	return TCLS_OK;
}

/* The component under key: its object and its type, both borrowed. */
static TclsStatus
get_component(json_t **out, json_t **type, const json_t *root, const char *key, TclsHost *host)
{
	json_t	   *component = json_object_get(root, key);

	if (component == NULL || json_is_null(component))
		return tcls_fail(host, TCLS_UNSUPPORTED, "tokenizer.json has no %s, which BERT's tokenizer needs", key);
	if (!json_is_object(component))
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer.json: \"%s\" is not an object", key);
	TCLS_TRY(get_field(type, component, key, "type", JSON_STRING, host));
	*out = component;
	return TCLS_OK;
}

static TclsStatus
pool_append(TclsTokenPart *out, Collection *collection, const char *text, size_t size)
{
	out->offset = (uint32_t) collection->pool.size;
	out->size = (uint32_t) size;
	return tcls_bytes_append(&collection->pool, text, size, collection->host);
}

static TclsStatus
read_vocabulary(Collection *collection, json_t *vocabulary)
{
	TclsTokenizerParts *parts = &collection->parts;
	const char *text;
	json_t	   *id;

	if (json_object_size(vocabulary) == 0 || json_object_size(vocabulary) >= INT32_MAX)
		return tcls_fail(collection->host, TCLS_BAD_FILE, "tokenizer.json: the vocabulary has %zu tokens",
						 json_object_size(vocabulary));
	TCLS_TRY(tcls_alloc(&parts->tokens, json_object_size(vocabulary), sizeof(*parts->tokens), collection->host));
	json_object_foreach(vocabulary, text, id)
	{
		TclsTokenPart *token = &parts->tokens[parts->count];

		TCLS_TRY(pool_append(token, collection, text, strlen(text)));
		if (get_id(&token->id, id, "a token", collection->host) != TCLS_OK)
			return tcls_fail(collection->host, TCLS_BAD_FILE,
							 "tokenizer.json: the id of token \"%.*s\" is not a number from 0 to %d",
							 tcls_utf8_shown(text, strlen(text)), text, INT32_MAX - 1);
		parts->count++;
	}
	return TCLS_OK;
}

static TclsStatus
read_model(Collection *collection, const json_t *root, json_t **vocabulary)
{
	TclsHost   *host = collection->host;
	TclsTokenizerParts *parts = &collection->parts;
	json_t	   *model;
	json_t	   *field;

	TCLS_TRY(get_component(&model, &field, root, "model", host));
	if (strcmp(json_string_value(field), "WordPiece") != 0)
		return tcls_fail(host, TCLS_UNSUPPORTED, "tokenizer model \"%.*s\" is not supported, only WordPiece is",
						 SHOWN(field));
	TCLS_TRY(get_field(vocabulary, model, "model", "vocab", JSON_OBJECT, host));
	TCLS_TRY(read_vocabulary(collection, *vocabulary));
	TCLS_TRY(get_field(&field, model, "model", "unk_token", JSON_STRING, host));
	if (json_object_get(*vocabulary, json_string_value(field)) == NULL)
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer.json: the unknown token \"%.*s\" is not in the vocabulary",
						 SHOWN(field));
	TCLS_TRY(get_id(&parts->unknown_id, json_object_get(*vocabulary, json_string_value(field)), "unk_token", host));
	TCLS_TRY(get_field(&field, model, "model", "continuing_subword_prefix", JSON_STRING, host));
	TCLS_TRY(pool_append(&collection->prefix, collection, json_string_value(field), json_string_length(field)));
	TCLS_TRY(get_field(&field, model, "model", "max_input_chars_per_word", JSON_INTEGER, host));
	if (json_integer_value(field) < 1 || json_integer_value(field) > TCLS_MAX_WORD_CHARS)
		return tcls_fail(host, TCLS_UNSUPPORTED, "max_input_chars_per_word is %lld, 1 to %d are supported",
						 (long long) json_integer_value(field), TCLS_MAX_WORD_CHARS);
	parts->settings.max_word_chars = (int32_t) json_integer_value(field);
	return TCLS_OK;
}

/* Without a normaliser the text stays as it is. */
static TclsStatus
read_normalizer(Collection *collection, const json_t *root)
{
	TclsHost   *host = collection->host;
	TclsTokenizerSettings *settings = &collection->parts.settings;
	json_t	   *normalizer = json_object_get(root, "normalizer");
	json_t	   *field;

	if (normalizer == NULL || json_is_null(normalizer))
		return TCLS_OK;
	TCLS_TRY(get_component(&normalizer, &field, root, "normalizer", host));
	if (strcmp(json_string_value(field), "BertNormalizer") != 0)
		return tcls_fail(host, TCLS_UNSUPPORTED, "normalizer \"%.*s\" is not supported, only BertNormalizer is",
						 SHOWN(field));
	TCLS_TRY(get_flag(&settings->clean_text, normalizer, "normalizer", "clean_text", host));
	TCLS_TRY(get_flag(&settings->handle_chinese_chars, normalizer, "normalizer", "handle_chinese_chars", host));
	TCLS_TRY(get_flag(&settings->lowercase, normalizer, "normalizer", "lowercase", host));
	field = json_object_get(normalizer, "strip_accents");
	if (field != NULL && !json_is_null(field) && !json_is_boolean(field))
		return tcls_fail(host, TCLS_BAD_FILE,
						 "tokenizer.json: \"strip_accents\" of normalizer is not true, false or null");
	settings->strip_accents = json_is_boolean(field) ? (int8_t) json_is_true(field) : -1;
	return TCLS_OK;
}

static TclsStatus
read_pre_tokenizer(const json_t *root, TclsHost *host)
{
	json_t	   *component;
	json_t	   *type;

	TCLS_TRY(get_component(&component, &type, root, "pre_tokenizer", host));
	if (strcmp(json_string_value(type), "BertPreTokenizer") != 0)
		return tcls_fail(host, TCLS_UNSUPPORTED, "pre_tokenizer \"%.*s\" is not supported, only BertPreTokenizer is",
						 SHOWN(type));
	return TCLS_OK;
}

/* {"SpecialToken": {"id": name}} with one id under special_tokens. */
static TclsStatus
read_template_token(int32_t *out, const json_t *processor, size_t index, TclsHost *host)
{
	json_t	   *piece = json_array_get(json_object_get(processor, "single"), index);
	const char *name = json_string_value(json_object_get(json_object_get(piece, "SpecialToken"), "id"));
	json_t	   *ids;

	if (name == NULL)
		return tcls_fail(host, TCLS_UNSUPPORTED,
						 "the post_processor's template is not one special token, the text, one special token");
	ids = json_object_get(json_object_get(json_object_get(processor, "special_tokens"), name), "ids");
	if (json_array_size(ids) != 1)
		return tcls_fail(host, TCLS_UNSUPPORTED, "the special token \"%.*s\" of the post_processor is not one id",
						 tcls_utf8_shown(name, strlen(name)), name);
	return get_id(out, json_array_get(ids, 0), "a special token of the post_processor", host);
}

static TclsStatus
read_post_processor(Collection *collection, const json_t *root)
{
	TclsHost   *host = collection->host;
	TclsTokenizerParts *parts = &collection->parts;
	json_t	   *processor;
	json_t	   *type;
	json_t	   *single;

	TCLS_TRY(get_component(&processor, &type, root, "post_processor", host));
	if (strcmp(json_string_value(type), "BertProcessing") == 0)
	{
		TCLS_TRY(get_id(&parts->begin_id, json_array_get(json_object_get(processor, "cls"), 1), "cls", host));
		return get_id(&parts->end_id, json_array_get(json_object_get(processor, "sep"), 1), "sep", host);
	}
	if (strcmp(json_string_value(type), "TemplateProcessing") != 0)
		return tcls_fail(host, TCLS_UNSUPPORTED,
						 "post_processor \"%.*s\" is not supported, only TemplateProcessing and BertProcessing are",
						 SHOWN(type));
	TCLS_TRY(get_field(&single, processor, "post_processor", "single", JSON_ARRAY, host));
	if (json_array_size(single) != 3 || json_object_get(json_array_get(single, 1), "Sequence") == NULL)
		return tcls_fail(host, TCLS_UNSUPPORTED,
						 "the post_processor's template is not one special token, the text, one special token");
	TCLS_TRY(read_template_token(&parts->begin_id, processor, 0, host));
	return read_template_token(&parts->end_id, processor, 2, host);
}

/*
 * The library that wrote the file ignores the id an added token has there, and
 * gives it that of the vocabulary or the next free one.  A file where the two
 * differ would mean two things.
 */
static TclsStatus
check_added_id(const TclsAddedPart *added, const char *content, const json_t *vocabulary, int32_t *next_id,
			   TclsHost *host)
{
	const json_t *known = json_object_get(vocabulary, content);
	json_int_t	wanted = known != NULL ? json_integer_value(known) : (*next_id)++;

	if (wanted != added->token.id)
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer.json: added token \"%.*s\" has the id %d, its place is %lld",
						 tcls_utf8_shown(content, strlen(content)), content, added->token.id, (long long) wanted);
	return TCLS_OK;
}

static TclsStatus
read_added_token(TclsAddedPart *out, Collection *collection, const json_t *token)
{
	static const struct
	{
		const char *key;
		uint32_t	flag;
	}			flags[] = {
		{"single_word", TCLS_ADDED_SINGLE_WORD}, {"lstrip", TCLS_ADDED_LSTRIP}, {"rstrip", TCLS_ADDED_RSTRIP},
		{"normalized", TCLS_ADDED_NORMALIZED}, {"special", TCLS_ADDED_SPECIAL}
	};
	TclsHost   *host = collection->host;
	json_t	   *content;
	bool		is_set = false;

	TCLS_TRY(get_field(&content, token, "an added token", "content", JSON_STRING, host));
	TCLS_TRY(pool_append(&out->token, collection, json_string_value(content), json_string_length(content)));
	TCLS_TRY(get_id(&out->token.id, json_object_get(token, "id"), "an added token", host));
	out->flags = 0;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
	{
		TCLS_TRY(get_flag(&is_set, token, "an added token", flags[i].key, host));
		out->flags |= is_set ? flags[i].flag : 0;
	}
	return TCLS_OK;
}

static TclsStatus
read_added_tokens(Collection *collection, const json_t *root, const json_t *vocabulary)
{
	TclsHost   *host = collection->host;
	TclsTokenizerParts *parts = &collection->parts;
	json_t	   *tokens = json_object_get(root, "added_tokens");
	int32_t		next_id = parts->count;

	if (tokens != NULL && !json_is_array(tokens))
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer.json: \"added_tokens\" is not an array");
	if (json_array_size(tokens) >= (size_t) (INT32_MAX - parts->count))
		return tcls_fail(host, TCLS_TOO_LARGE, "tokenizer.json has too many added tokens");
	TCLS_TRY(tcls_alloc(&parts->added, json_array_size(tokens), sizeof(*parts->added), host));
	for (size_t i = 0; i < json_array_size(tokens); i++)
	{
		TclsAddedPart *added = &parts->added[parts->added_count];
		const json_t *token = json_array_get(tokens, i);

		TCLS_TRY(read_added_token(added, collection, token));
		if (added->token.size == 0)
			continue;
		TCLS_TRY(check_added_id(added, json_string_value(json_object_get(token, "content")), vocabulary, &next_id,
								host));
		parts->added_count++;
	}
	return TCLS_OK;
}

static TclsStatus
collect(Collection *collection, const json_t *root)
{
	json_t	   *version = json_object_get(root, "version");
	json_t	   *vocabulary;

	if (version != NULL && (!json_is_string(version) || strcmp(json_string_value(version), "1.0") != 0))
		return tcls_fail(collection->host, TCLS_UNSUPPORTED, "tokenizer.json is not of version \"1.0\"");
	TCLS_TRY(read_model(collection, root, &vocabulary));
	TCLS_TRY(read_normalizer(collection, root));
	TCLS_TRY(read_pre_tokenizer(root, collection->host));
	TCLS_TRY(read_post_processor(collection, root));
	return read_added_tokens(collection, root, vocabulary);
}

TclsStatus
tcls_tokenizer_from_json(TclsTokenizer *out, const char *json, size_t size, TclsHost *host)
{
	Collection	collection = {.host = host};
	json_t	   *root;
	TclsStatus	status;

	TCLS_TRY(parse(&root, "tokenizer.json", json, size, 0, host));
	status = collect(&collection, root);
	json_decref(root);
	TCLS_TRY(status);
	collection.parts.pool = collection.pool.data;
	collection.parts.prefix = collection.pool.data + collection.prefix.offset;
	collection.parts.prefix_size = collection.prefix.size;
	TCLS_TRY(tcls_block_build(out, &collection.parts, host));
	tcls_free(collection.parts.tokens, host);
	tcls_free(collection.parts.added, host);
	tcls_free(collection.pool.data, host);
	return TCLS_OK;
}

/* *out is kept where the key is missing or null. */
static TclsStatus
read_setting(bool *out, const json_t *root, const char *key, TclsHost *host)
{
	const json_t *value = json_object_get(root, key);

	if (value == NULL || json_is_null(value))
		return TCLS_OK;
	if (!json_is_boolean(value))
		return tcls_fail(host, TCLS_BAD_FILE, "tokenizer_config.json: \"%s\" is not true or false", key);
	*out = json_is_true(value);
	return TCLS_OK;
}

static TclsStatus
read_settings(TclsTokenizerSettings *settings, const json_t *root, TclsHost *host)
{
	bool		strip_accents = settings->strip_accents > 0;
	const json_t *value = json_object_get(root, "strip_accents");

	TCLS_TRY(read_setting(&settings->lowercase, root, "do_lower_case", host));
	TCLS_TRY(read_setting(&settings->handle_chinese_chars, root, "tokenize_chinese_chars", host));
	TCLS_TRY(read_setting(&strip_accents, root, "strip_accents", host));
	if (json_is_boolean(value))
		settings->strip_accents = (int8_t) strip_accents;
	else if (json_is_null(value))
		settings->strip_accents = -1;
	return TCLS_OK;
}

TclsStatus
tcls_tokenizer_read_settings(TclsTokenizerSettings *settings, const char *json, size_t size, TclsHost *host)
{
	json_t	   *root;
	TclsStatus	status;

	TCLS_TRY(parse(&root, "tokenizer_config.json", json, size, JSON_DECODE_INT_AS_REAL, host));
	status = read_settings(settings, root, host);
	json_decref(root);
	return status;
}

/* The model's own tokens; those that were only added are not among them.  NULL: out of memory. */
static json_t *
make_vocabulary(const TclsTokenizer *tokenizer, char *key)
{
	json_t	   *vocabulary = json_object();

	for (int32_t id = 0; id < tokenizer->block->vocabulary_size; id++)
	{
		size_t		size;
		const char *token = tcls_tokenizer_token(&size, tokenizer, id);
		uint64_t	hash = tcls_vocabulary_hash(TCLS_HASH_SEED, token, size);

		if (tcls_vocabulary_find(tokenizer->block, hash, false, token, size) != id)
			continue;
		memcpy(key, token, size);
		key[size] = '\0';
		if (json_object_set_new(vocabulary, key, json_integer(id)) != 0)
		{
			json_decref(vocabulary);
			return NULL;
		}
	}
	return vocabulary;
}

static json_t *
make_added_token(const TclsTokenizer *tokenizer, int32_t id, uint32_t flags)
{
	size_t		size;
	const char *content = tcls_tokenizer_token(&size, tokenizer, id);

	return json_pack("{s:i, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", content, size,
					 "single_word", (flags & TCLS_ADDED_SINGLE_WORD) != 0,
					 "lstrip", (flags & TCLS_ADDED_LSTRIP) != 0, "rstrip", (flags & TCLS_ADDED_RSTRIP) != 0,
					 "normalized", (flags & TCLS_ADDED_NORMALIZED) != 0,
					 "special", (flags & TCLS_ADDED_SPECIAL) != 0);
}

static int
compare_ids(const void *left, const void *right)
{
	int32_t		a = ((const TclsAddedToken *) left)->id;
	int32_t		b = ((const TclsAddedToken *) right)->id;

	return a < b ? -1 : a > b;
}

/* In the order of ids, which the library that reads it counts on; sorted holds a copy of the block's. */
static json_t *
make_added_tokens(const TclsTokenizer *tokenizer, TclsAddedToken *sorted)
{
	uint32_t	count = tokenizer->block->added_count;
	json_t	   *tokens = json_array();

	memcpy(sorted, tcls_block_added(tokenizer->block), count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare_ids);
	for (uint32_t i = 0; i < count; i++)
		if (json_array_append_new(tokens, make_added_token(tokenizer, sorted[i].id, sorted[i].flags)) != 0)
		{
			json_decref(tokens);
			return NULL;
		}
	return tokens;
}

/* [CLS] $A [SEP] and [CLS] $A [SEP] $B [SEP]. */
static json_t *
make_post_processor(const TclsTokenizer *tokenizer)
{
	size_t		begin_size;
	size_t		end_size;
	const char *begin = tcls_tokenizer_token(&begin_size, tokenizer, tokenizer->block->begin_id);
	const char *end = tcls_tokenizer_token(&end_size, tokenizer, tokenizer->block->end_id);

	return json_pack("{s:s, s:[{s:{s:s%, s:i}}, {s:{s:s, s:i}}, {s:{s:s%, s:i}}],"
					 " s:[{s:{s:s%, s:i}}, {s:{s:s, s:i}}, {s:{s:s%, s:i}}, {s:{s:s, s:i}}, {s:{s:s%, s:i}}],"
					 " s:{s%:{s:s%, s:[i], s:[s%]}, s%:{s:s%, s:[i], s:[s%]}}}",
					 "type", "TemplateProcessing",
					 "single", "SpecialToken", "id", begin, begin_size, "type_id", 0,
					 "Sequence", "id", "A", "type_id", 0,
					 "SpecialToken", "id", end, end_size, "type_id", 0,
					 "pair", "SpecialToken", "id", begin, begin_size, "type_id", 0,
					 "Sequence", "id", "A", "type_id", 0,
					 "SpecialToken", "id", end, end_size, "type_id", 0,
					 "Sequence", "id", "B", "type_id", 1,
					 "SpecialToken", "id", end, end_size, "type_id", 1,
					 "special_tokens",
					 begin, begin_size, "id", begin, begin_size, "ids", tokenizer->block->begin_id,
					 "tokens", begin, begin_size,
					 end, end_size, "id", end, end_size, "ids", tokenizer->block->end_id,
					 "tokens", end, end_size);
}

static json_t *
make_tokenizer(const TclsTokenizer *tokenizer, char *key, TclsAddedToken *sorted)
{
	const TclsTokenizerHeader *block = tokenizer->block;
	const TclsTokenizerSettings *settings = &block->settings;
	const char *prefix = tcls_block_text(block) + block->prefix_offset;
	size_t		prefix_size = block->prefix_size;
	size_t		unknown_size;
	const char *unknown = tcls_tokenizer_token(&unknown_size, tokenizer, block->unknown_id);

	return json_pack("{s:s, s:n, s:n, s:o, s:{s:s, s:b, s:b, s:o, s:b}, s:{s:s}, s:o, s:{s:s, s:s%, s:b},"
					 " s:{s:s, s:s%, s:s%, s:i, s:o}}",
					 "version", "1.0", "truncation", "padding", "added_tokens", make_added_tokens(tokenizer, sorted),
					 "normalizer", "type", "BertNormalizer", "clean_text", settings->clean_text,
					 "handle_chinese_chars", settings->handle_chinese_chars,
					 "strip_accents", settings->strip_accents < 0 ? json_null() : json_boolean(settings->strip_accents),
					 "lowercase", settings->lowercase,
					 "pre_tokenizer", "type", "BertPreTokenizer",
					 "post_processor", make_post_processor(tokenizer),
					 "decoder", "type", "WordPiece", "prefix", prefix, prefix_size, "cleanup", 1,
					 "model", "type", "WordPiece", "unk_token", unknown, unknown_size,
					 "continuing_subword_prefix", prefix, prefix_size,
					 "max_input_chars_per_word", settings->max_word_chars,
					 "vocab", make_vocabulary(tokenizer, key));
}

typedef struct Output
{
	TclsBytes  *bytes;
	TclsStatus	status;			/* kept here, because jansson passes over a failure in an object's key */
	TclsHost   *host;
} Output;

static int
append_output(const char *data, size_t size, void *context)
{
	Output	   *output = context;

	if (output->status == TCLS_OK)
		output->status = tcls_bytes_append(output->bytes, data, size, output->host);
	return output->status == TCLS_OK ? 0 : -1;
}

TclsStatus
tcls_tokenizer_to_json(TclsBytes *out, const TclsTokenizer *tokenizer, TclsHost *host)
{
	Output		output = {out, TCLS_OK, host};
	json_t	   *root;
	char	   *key;
	TclsAddedToken *sorted;
	int			failed;

	TCLS_TRY(tcls_alloc(&sorted, tokenizer->block->added_count, sizeof(*sorted), host));
	TCLS_TRY(tcls_alloc(&key, (size_t) tokenizer->block->max_token_size + 1, 1, host));
	root = make_tokenizer(tokenizer, key, sorted);
	tcls_free(key, host);
	tcls_free(sorted, host);
	failed = root == NULL || json_dump_callback(root, append_output, &output, JSON_COMPACT) != 0;
	json_decref(root);
	if (failed)
		return tcls_fail(host, TCLS_OUT_OF_MEMORY, "out of memory while writing tokenizer.json");
	return output.status;
}
