/*
 * model_config.c
 *		Reads and writes config.json.
 *
 * Missing optional members get the defaults of transformers' configuration
 * classes; the sizes of the network must be there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/architecture.h"
#include "model/model_config.h"
#include "model/model_json.h"
#include "base/pure_c.h"

#define CONFIG_FILE "config.json"
#define DUMP_INDENT JSON_INDENT(2)

/* A word of config.json and what it means; the first word of a value is the one written. */
typedef struct Word
{
	const char *text;			/* NULL ends a list */
	int			value;
} Word;

static const Word head_words[] = {
	{"none", TCLS_HEAD_NONE},
	{"linear", TCLS_HEAD_LINEAR},
	{"dense_tanh", TCLS_HEAD_DENSE_TANH},
	{"dense_relu", TCLS_HEAD_DENSE_RELU},
	{NULL, 0}
};

static const Word pooling_words[] = {
	{"mean", TCLS_POOL_MEAN},
	{"cls", TCLS_POOL_CLS},
	{"max", TCLS_POOL_MAX},
	{NULL, 0}
};

static const Word problem_words[] = {
	{"single_label_classification", TCLS_SINGLE_LABEL},
	{"multi_label_classification", TCLS_MULTI_LABEL},
	{NULL, 0}
};

static const Word our_problem_words[] = {
	{"binary", TCLS_BINARY},
	{NULL, 0}
};

static const Word act_words[] = {
	{"gelu", TCLS_GELU},
	{"gelu_python", TCLS_GELU},
	{"gelu_new", TCLS_GELU_TANH},
	{"gelu_pytorch_tanh", TCLS_GELU_TANH},
	{"gelu_fast", TCLS_GELU_TANH},
	{"relu", TCLS_RELU},
	{NULL, 0}
};

/* The sizes of the network and where they go. */
static const struct
{
	TclsConfigKey key;
	size_t		place;			/* in TclsConfig */
	int32_t		missing;		/* value of an absent member, -1: it must be there */
}			sizes[] =
{
	{TCLS_KEY_VOCAB_SIZE, offsetof(TclsConfig, vocab_size), -1},
	{TCLS_KEY_HIDDEN_SIZE, offsetof(TclsConfig, hidden_size), -1},
	{TCLS_KEY_NUM_LAYERS, offsetof(TclsConfig, num_layers), -1},
	{TCLS_KEY_NUM_HEADS, offsetof(TclsConfig, num_heads), -1},
	{TCLS_KEY_INTERMEDIATE_SIZE, offsetof(TclsConfig, intermediate_size), -1},
	{TCLS_KEY_MAX_POSITIONS, offsetof(TclsConfig, max_positions), -1},
	{TCLS_KEY_TYPE_VOCAB_SIZE, offsetof(TclsConfig, type_vocab_size), 2}
};

#define SIZE_COUNT (sizeof(sizes) / sizeof(sizes[0]))

/* ---------- reading ---------- */

/* Absent leaves *value; a word that is not in the list is TCLS_UNSUPPORTED. */
static TclsStatus
read_word(int *value, const json_t *json, const char *key, const Word *words, TclsHost *host)
{
	const char *text = NULL;

	TCLS_TRY(tcls_model_json_string(&text, json, key, host));
	if (text == NULL)
		return TCLS_OK;
	for (const Word *word = words; word->text != NULL; word++)
		if (strcmp(word->text, text) == 0)
		{
			*value = word->value;
			return TCLS_OK;
		}
	return tcls_fail(host, TCLS_UNSUPPORTED, "\"%s\": \"%.64s\" is not supported", key, text);
}

static TclsStatus
read_numbers(TclsConfig *out, const json_t *json, const TclsArchitecture *family, TclsHost *host)
{
	int			act = TCLS_GELU;

	for (size_t i = 0; i < SIZE_COUNT; i++)
	{
		const char *key = family->keys[sizes[i].key];
		int32_t		value = key != NULL ? sizes[i].missing : 0;

		if (key != NULL)
			TCLS_TRY(tcls_model_json_int(&value, json, key, host));
		if (value < 0)
			return tcls_fail(host, TCLS_BAD_FILE, CONFIG_FILE " has no positive \"%s\"", key);
		memcpy((char *) out + sizes[i].place, &value, sizeof(value));
	}
	out->layer_norm_eps = family->layer_norm_eps;
	if (family->keys[TCLS_KEY_LAYER_NORM_EPS] != NULL)
		TCLS_TRY(tcls_model_json_float(&out->layer_norm_eps, json, family->keys[TCLS_KEY_LAYER_NORM_EPS], host));
	out->hidden_dropout = out->attention_dropout = 0.1f;
	TCLS_TRY(tcls_model_json_float(&out->hidden_dropout, json, family->keys[TCLS_KEY_HIDDEN_DROPOUT], host));
	TCLS_TRY(tcls_model_json_float(&out->attention_dropout, json, family->keys[TCLS_KEY_ATTENTION_DROPOUT], host));
	out->classifier_dropout = family->classifier_dropout < 0 ? out->hidden_dropout : family->classifier_dropout;
	TCLS_TRY(tcls_model_json_float(&out->classifier_dropout, json, family->keys[TCLS_KEY_CLASSIFIER_DROPOUT], host));
	TCLS_TRY(read_word(&act, json, family->keys[TCLS_KEY_HIDDEN_ACT], act_words, host));
	out->hidden_act = (TclsHiddenAct) act;
	return TCLS_OK;
}

/* What would make the same numbers compute something else. */
static TclsStatus
check_variant(const json_t *json, TclsHost *host)
{
	static const char *const refused[] = {"is_decoder", "add_cross_attention", "is_encoder_decoder"};
	const char *positions = "absolute";

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		bool		value = false;

		TCLS_TRY(tcls_model_json_bool(&value, json, refused[i], host));
		if (value)
			return tcls_fail(host, TCLS_UNSUPPORTED, "a model with \"%s\" is not supported, only encoders are",
							 refused[i]);
	}
	TCLS_TRY(tcls_model_json_string(&positions, json, "position_embedding_type", host));
	if (strcmp(positions, "absolute") != 0)
		return tcls_fail(host, TCLS_UNSUPPORTED, "\"position_embedding_type\": \"%.64s\" is not supported", positions);
	if (json_object_size(json_object_get(json, "pruned_heads")) > 0)
		return tcls_fail(host, TCLS_UNSUPPORTED, "a model with \"pruned_heads\" is not supported");
	return TCLS_OK;
}

/* The head by our own word, else by the class in "architectures". */
static TclsStatus
read_head(TclsConfig *out, const json_t *json, const TclsArchitecture *family, TclsHost *host)
{
	const json_t *classes = json_object_get(json, "architectures");
	int			head = TCLS_HEAD_NONE;
	int			pooling;

	for (size_t i = 0; i < json_array_size(classes); i++)
	{
		const char *class_name = json_string_value(json_array_get(classes, i));

		if (class_name != NULL && strcmp(class_name, family->sequence_class) == 0)
			head = family->head;
	}
	TCLS_TRY(read_word(&head, json, "textcls_head", head_words, host));
	pooling = head == TCLS_HEAD_DENSE_TANH || head == TCLS_HEAD_DENSE_RELU ? TCLS_POOL_CLS : TCLS_POOL_MEAN;
	TCLS_TRY(read_word(&pooling, json, "textcls_pooling", pooling_words, host));
	out->head = (TclsHead) head;
	out->pooling = (TclsPooling) pooling;
	return TCLS_OK;
}

/* Labels of id2label, or Hugging Face's LABEL_n for num_labels (default 2). */
static TclsStatus
count_labels(int32_t *count, const json_t *json, const json_t *id2label, TclsHost *host)
{
	*count = 2;
	if (json_is_object(id2label))
		*count = json_object_size(id2label) > TCLS_MAX_LABELS ? INT32_MAX : (int32_t) json_object_size(id2label);
	else if (id2label != NULL && !json_is_null(id2label))
		return tcls_fail(host, TCLS_BAD_FILE, "\"id2label\" is not an object");
	else
		TCLS_TRY(tcls_model_json_int(count, json, "num_labels", host));
	if (*count < 1 || *count > TCLS_MAX_LABELS)
		return tcls_fail(host, TCLS_UNSUPPORTED, "a model must have 1 to %d labels", TCLS_MAX_LABELS);
	return TCLS_OK;
}

/* *label points into the JSON or into buffer. */
static TclsStatus
find_label(const char **label, char buffer[32], const json_t *id2label, int32_t index, TclsHost *host)
{
	if (!json_is_object(id2label))
	{
		snprintf(buffer, 32, "LABEL_%d", index);
		*label = buffer;
		return TCLS_OK;
	}
	snprintf(buffer, 32, "%d", index);
	*label = json_string_value(json_object_get(id2label, buffer));
	if (*label == NULL)
		return tcls_fail(host, TCLS_BAD_FILE, "\"id2label\" has no text for label %d of %zu", index,
						 json_object_size(id2label));
	if (**label == '\0' || strlen(*label) > TCLS_MAX_LABEL_SIZE)
		return tcls_fail(host, TCLS_BAD_FILE, "label %d has not 1 to %d bytes", index, TCLS_MAX_LABEL_SIZE);
	return TCLS_OK;
}

static int
compare_labels(const void *left, const void *right)
{
	return strcmp(*(char *const *) left, *(char *const *) right);
}

static TclsStatus
check_distinct(char *const *labels, int32_t count, TclsHost *host)
{
	char	  **sorted;

	TCLS_TRY(tcls_alloc(&sorted, (size_t) count, sizeof(char *), host));
	memcpy(sorted, labels, (size_t) count * sizeof(char *));
	qsort(sorted, (size_t) count, sizeof(char *), compare_labels);
	for (int32_t i = 1; i < count; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			return tcls_fail(host, TCLS_BAD_FILE, "label \"%s\" occurs twice", sorted[i]);
	tcls_free(sorted, host);
	return TCLS_OK;
}

/* label2id, where there is one beside id2label, is its inverse. */
static TclsStatus
check_inverse(const json_t *json, char *const *labels, int32_t count, TclsHost *host)
{
	const json_t *label2id = json_object_get(json, "label2id");

	if (label2id == NULL || json_is_null(label2id))
		return TCLS_OK;
	for (int32_t i = 0; i < count; i++)
	{
		const json_t *id = json_object_get(label2id, labels[i]);

		if (!json_is_integer(id) || json_integer_value(id) != i)
			return tcls_fail(host, TCLS_BAD_FILE, "\"label2id\" contradicts \"id2label\" at label %d, \"%s\"", i,
							 labels[i]);
	}
	if (json_object_size(label2id) != (size_t) count)
		return tcls_fail(host, TCLS_BAD_FILE, "\"label2id\" has %zu labels, \"id2label\" has %d",
						 json_object_size(label2id), count);
	return TCLS_OK;
}

/* One block holds the pointers and the texts behind them. */
static TclsStatus
read_labels(TclsModelConfig *out, const json_t *json, TclsHost *host)
{
	const json_t *id2label = json_object_get(json, "id2label");
	char		buffer[32];
	const char *label;
	size_t		room = 0;
	char	   *texts;

	TCLS_TRY(count_labels(&out->num_labels, json, id2label, host));
	for (int32_t i = 0; i < out->num_labels; i++)
	{
		TCLS_TRY(find_label(&label, buffer, id2label, i, host));
		room += sizeof(char *) + strlen(label) + 1;
	}
	TCLS_TRY(tcls_alloc(&out->labels, 1, room, host));
	texts = (char *) (out->labels + out->num_labels);
	for (int32_t i = 0; i < out->num_labels; i++)
	{
		TCLS_TRY(find_label(&label, buffer, id2label, i, host));
		out->labels[i] = memcpy(texts, label, strlen(label) + 1);
		texts += strlen(label) + 1;
	}
	TCLS_TRY(check_distinct(out->labels, out->num_labels, host));
	return json_is_object(id2label) ? check_inverse(json, out->labels, out->num_labels, host) : TCLS_OK;
}

/* Labels and what is done with the K outputs. */
static TclsStatus
read_problem(TclsModelConfig *out, const json_t *json, TclsHost *host)
{
	int			problem = TCLS_SINGLE_LABEL;

	if (out->numbers.head == TCLS_HEAD_NONE)
		return TCLS_OK;
	TCLS_TRY(read_labels(out, json, host));
	TCLS_TRY(read_word(&problem, json, "problem_type", problem_words, host));
	TCLS_TRY(read_word(&problem, json, "textcls_problem_type", our_problem_words, host));
	if (problem == TCLS_BINARY && out->num_labels != 2)
		return tcls_fail(host, TCLS_BAD_FILE, "a binary model has 2 labels, not %d", out->num_labels);
	if (problem == TCLS_SINGLE_LABEL && out->num_labels == 1)
		return tcls_fail(host, TCLS_UNSUPPORTED, "a model of one label is a regression, which is not supported");
	out->numbers.problem = (TclsProblem) problem;
	out->numbers.num_outputs = problem == TCLS_BINARY ? 1 : out->num_labels;
	return TCLS_OK;
}

TclsStatus
tcls_model_config_check(const TclsModelConfig *config, TclsHost *host)
{
	const TclsConfig *numbers = &config->numbers;
	int32_t		labels = numbers->problem == TCLS_BINARY ? 2 : numbers->num_outputs;

	TCLS_TRY(tcls_config_check(numbers, host));
	if (tcls_architecture_get(config->architecture) == NULL)
		return tcls_fail(host, TCLS_BAD_FILE, "there is no model family %d", config->architecture);
	if (config->num_labels != (numbers->head == TCLS_HEAD_NONE ? 0 : labels))
		return tcls_fail(host, TCLS_BAD_FILE, "%d labels do not fit %d outputs", config->num_labels,
						 numbers->num_outputs);
	if (config->max_length < 2 || config->max_length > numbers->max_positions)
		return tcls_fail(host, TCLS_BAD_FILE, "a model of %d positions cannot take texts of %d tokens",
						 numbers->max_positions, config->max_length);
	return TCLS_OK;
}

static TclsStatus
read_limits(TclsModelConfig *out, const json_t *json, TclsHost *host)
{
	int32_t		positions = out->numbers.max_positions;

	out->max_length = positions < TCLS_MAX_LENGTH ? positions : TCLS_MAX_LENGTH;
	TCLS_TRY(tcls_model_json_int(&out->max_length, json, "textcls_max_length", host));
	return tcls_model_json_bool(&out->normalizes, json, "textcls_normalizes", host);
}

TclsStatus
tcls_model_config_parse(TclsModelConfig *out, const json_t *json, TclsHost *host)
{
	const char *model_type = NULL;
	const TclsArchitecture *family;

	memset(out, 0, sizeof(*out));
	TCLS_TRY(tcls_model_json_string(&model_type, json, "model_type", host));
	if (model_type == NULL)
		return tcls_fail(host, TCLS_BAD_FILE, CONFIG_FILE " has no \"model_type\"");
	TCLS_TRY(tcls_architecture_find(&out->architecture, model_type, host));
	family = tcls_architecture_get(out->architecture);
	TCLS_TRY(check_variant(json, host));
	TCLS_TRY(read_numbers(&out->numbers, json, family, host));
	TCLS_TRY(read_head(&out->numbers, json, family, host));
	TCLS_TRY(read_problem(out, json, host));
	TCLS_TRY(read_limits(out, json, host));
	return tcls_model_config_check(out, host);
}

TclsStatus
tcls_model_config_read(TclsModelConfig *out, const char *json, size_t size, TclsHost *host)
{
	json_t	   *parsed;
	TclsStatus	status;

	TCLS_TRY(tcls_model_json_parse(&parsed, JSON_OBJECT, CONFIG_FILE, json, size, host));
	status = tcls_model_config_parse(out, parsed, host);
	json_decref(parsed);
	return status;
}

/* ---------- writing ---------- */

static const char *
find_word(const Word *words, int value)
{
	while (words->text != NULL && words->value != value)
		words++;
	return words->text;
}

/* The word of the value; no member when the list has none for it. */
static int
set_word(json_t *json, const char *key, const Word *words, int value)
{
	const char *text = find_word(words, value);

	if (text == NULL)
	{
		json_object_del(json, key);
		return 0;
	}
	return json_object_set_new(json, key, json_string(text));
}

static int
set_labels(json_t *json, const TclsModelConfig *config)
{
	json_t	   *id2label = json_object();
	json_t	   *label2id = json_object();
	int			failed = json_object_set_new(json, "id2label", id2label) |
		json_object_set_new(json, "label2id", label2id);

	for (int32_t i = 0; i < config->num_labels && failed == 0; i++)
	{
		char		key[16];

		snprintf(key, sizeof(key), "%d", i);
		failed = json_object_set_new(id2label, key, json_string(config->labels[i])) |
			json_object_set_new(label2id, config->labels[i], json_integer(i));
	}
	return failed | set_word(json, "problem_type", problem_words, config->numbers.problem) |
		set_word(json, "textcls_problem_type", our_problem_words, config->numbers.problem);
}

TclsStatus
tcls_model_config_annotate(json_t *json, const TclsModelConfig *config, TclsHost *host)
{
	int			failed = set_word(json, "textcls_head", head_words, config->numbers.head) |
		set_word(json, "textcls_pooling", pooling_words, config->numbers.pooling) |
		json_object_set_new(json, "textcls_max_length", json_integer(config->max_length)) |
		json_object_set_new(json, "textcls_normalizes", json_boolean(config->normalizes));

	if (config->numbers.head != TCLS_HEAD_NONE)
		failed |= set_labels(json, config);
	if (failed != 0)
		return tcls_fail(host, TCLS_OUT_OF_MEMORY, "out of memory for the labels of " CONFIG_FILE);
	return TCLS_OK;
}

/* A number under the family's key, where it has one. */
static int
set_number(json_t *json, const TclsArchitecture *family, TclsConfigKey key, json_t *number)
{
	if (family->keys[key] != NULL)
		return json_object_set_new(json, family->keys[key], number);
	json_decref(number);
	return 0;
}

static json_t *
describe_numbers(const TclsConfig *numbers, const TclsArchitecture *family)
{
	bool		is_family_head = numbers->head == family->head;
	json_t	   *json = json_pack("{s:s, s:[s], s:s}", "model_type", family->model_type, "architectures",
								 is_family_head ? family->sequence_class : family->base_class,
								 "position_embedding_type", "absolute");
	int			failed = 0;

	for (size_t i = 0; i < SIZE_COUNT; i++)
	{
		int32_t		value;

		memcpy(&value, (const char *) numbers + sizes[i].place, sizeof(value));
		failed |= set_number(json, family, sizes[i].key, json_integer(value));
	}
	failed |= set_number(json, family, TCLS_KEY_LAYER_NORM_EPS, tcls_model_json_real(numbers->layer_norm_eps));
	failed |= set_number(json, family, TCLS_KEY_HIDDEN_DROPOUT, tcls_model_json_real(numbers->hidden_dropout));
	failed |= set_number(json, family, TCLS_KEY_ATTENTION_DROPOUT, tcls_model_json_real(numbers->attention_dropout));
	failed |= set_number(json, family, TCLS_KEY_CLASSIFIER_DROPOUT, tcls_model_json_real(numbers->classifier_dropout));
	failed |= set_word(json, family->keys[TCLS_KEY_HIDDEN_ACT], act_words, numbers->hidden_act);
	if (failed == 0)
		return json;
	json_decref(json);
	return NULL;
}

TclsStatus
tcls_model_config_write(TclsBytes *out, const TclsModelConfig *config, TclsHost *host)
{
	json_t	   *json = describe_numbers(&config->numbers, tcls_architecture_get(config->architecture));
	TclsStatus	status = tcls_model_config_annotate(json, config, host);

	if (status == TCLS_OK)
		status = tcls_model_config_dump(out, json, host);
	json_decref(json);
	return status;
}

/* 15 digits make 0.1 out of 0.1; 17 make every double, and are taken where 15 do not. */
TclsStatus
tcls_model_config_dump(TclsBytes *out, const json_t *json, TclsHost *host)
{
	size_t		begin = out->size;
	json_t	   *again;
	bool		is_equal;

	TCLS_TRY(tcls_model_json_dump(out, json, DUMP_INDENT | JSON_REAL_PRECISION(15), host));
	again = json_loadb(out->data + begin, out->size - begin, 0, NULL);
	is_equal = json_equal(again, json);
	json_decref(again);
	if (is_equal)
		return TCLS_OK;
	out->size = begin;
	return tcls_model_json_dump(out, json, DUMP_INDENT, host);
}
