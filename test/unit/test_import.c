/*
 * test_import.c
 *		Directories that transformers wrote: imported, computed with, exported.
 *
 * expected.txt of each directory is transformers' own answer (gen_model.py).
 */
#include <math.h>
#include <string.h>

#include "classify/classifier.h"
#include "model/safetensors.h"
#include "model_fixture.h"

#define MAX_TEXTS 16
#define TOLERANCE 1e-4

static const char *const directories[] = {
	"bert_f32", "bert_f16", "bert_bf16", "bert_sharded", "bert_multi", "distilbert", "bert_mlm", "bert_old", "sentence"
};

#define DIRECTORY_COUNT (sizeof(directories) / sizeof(directories[0]))

/* The lines of texts.txt; *buffer is to be freed. */
static int32_t
load_texts(TclsText texts[MAX_TEXTS], char **buffer)
{
	size_t		size;
	int32_t		count = 0;
	char	   *line;

	*buffer = unit_read_file(FIXTURE_MODELS "texts.txt", &size);
	line = *buffer;
	for (char *end = strchr(line, '\n'); end != NULL; line = end + 1, end = strchr(line, '\n'))
		texts[count++] = (TclsText) {line, (size_t) (end - line)};
	return count;
}

/* Each value within the tolerance of the file's next number. */
static void
check_numbers(const float *values, int32_t count, char **place, const char *directory)
{
	for (int32_t i = 0; i < count; i++)
	{
		double		wanted = strtod(*place, place);

		if (!(fabs(values[i] - wanted) <= TOLERANCE * fmax(1, fabs(wanted))))
			unit_fail(__FILE__, __LINE__, "%s: value %d is %.9g, wanted %.9g", directory, i, (double) values[i],
					  wanted);
	}
}

static void
results_equal_transformers(UnitHost *unit)
{
	for (size_t d = 0; d < DIRECTORY_COUNT; d++)
	{
		char		path[256];
		size_t		size;
		char	   *buffer;
		char	   *expected;
		char	   *place;
		TclsText	texts[MAX_TEXTS];
		int32_t		count = load_texts(texts, &buffer);
		TclsPrepared model;
		float		probabilities[MAX_TEXTS * 4];
		float		embeddings[MAX_TEXTS * 16];
		TclsPredictions out = {.embeddings = embeddings};

		fixture_prepare_model(&model, directories[d], &unit->host);
		if (model.config.num_labels > 0)
			out.probabilities = probabilities;
		CHECK_OK(tcls_classifier_predict(&out, &model, texts, count, 0, 0, &unit->host), &unit->host);
		snprintf(path, sizeof(path), FIXTURE_MODELS "%s/expected.txt", directories[d]);
		place = expected = unit_read_file(path, &size);
		for (int32_t i = 0; i < count; i++)
		{
			check_numbers(probabilities + i * model.config.num_labels, model.config.num_labels, &place, directories[d]);
			check_numbers(embeddings + i * 16, 16, &place, directories[d]);
		}
		CHECK(strspn(place, " \n") == strlen(place));
		free(expected);
		free(buffer);
	}
}

static void
configs_say_what_the_directories_say(UnitHost *unit)
{
	TclsModel	model;

	fixture_read_model(&model, "bert_f32", &unit->host);
	CHECK(model.config.num_labels == 3 && strcmp(model.config.labels[1], "science & more") == 0);
	CHECK(model.config.numbers.head == TCLS_HEAD_DENSE_TANH && model.config.max_length == 40);
	fixture_read_model(&model, "bert_multi", &unit->host);
	CHECK(model.config.numbers.problem == TCLS_MULTI_LABEL && model.config.numbers.hidden_act == TCLS_GELU_TANH);
	fixture_read_model(&model, "distilbert", &unit->host);
	CHECK(model.config.numbers.head == TCLS_HEAD_DENSE_RELU && strcmp(model.config.labels[1], "POSITIVE") == 0);
	fixture_read_model(&model, "bert_mlm", &unit->host);
	CHECK(model.config.numbers.head == TCLS_HEAD_NONE && model.config.num_labels == 0 && !model.config.normalizes);
	fixture_read_model(&model, "sentence", &unit->host);
	CHECK(model.config.numbers.pooling == TCLS_POOL_CLS && model.config.normalizes && model.config.max_length == 24);
}

/* All tensors, under their names, bit for bit. */
static void
check_same_tensors(const TclsTensorSet *set, const TclsFile *file, UnitHost *unit)
{
	TclsTensorSet original;

	CHECK_OK(tcls_safetensors_read(&original, file->data, file->size, &unit->host), &unit->host);
	for (int32_t i = 0; i < original.count; i++)
	{
		const TclsTensor *wanted = &original.items[i];
		const TclsTensor *found = tcls_safetensors_find(set, wanted->name);

		CHECK(found != NULL && found->dtype == wanted->dtype && found->rank == wanted->rank);
		CHECK(found != NULL && memcmp(found->shape, wanted->shape, sizeof(wanted->shape)) == 0);
		CHECK(found != NULL && found->size == wanted->size && memcmp(found->data, wanted->data, wanted->size) == 0);
	}
}

/* Import, export, import: the same tensors, and the stored texts do not change any more. */
static void
export_is_bit_equal_and_imports_again(UnitHost *unit)
{
	for (size_t d = 0; d < DIRECTORY_COUNT; d++)
	{
		Fixture		fixture;
		Fixture		exported = {.count = 0};
		TclsStoredModel stored;
		TclsStoredModel again;
		TclsBytes	weights = {0};
		TclsBytes	weights_again = {0};
		TclsTensorSet set;
		TclsFile   *files;
		int32_t		count;

		fixture_load(&fixture, directories[d]);
		CHECK_OK(fixture_import(&stored, &weights, &fixture, &unit->host), &unit->host);
		CHECK_OK(tcls_safetensors_read(&set, stored.weights, stored.weights_size, &unit->host), &unit->host);
		for (int32_t i = 0; i < fixture.count; i++)
			if (strstr(fixture.files[i].name, ".safetensors") != NULL && strstr(fixture.files[i].name, ".json") == NULL)
				check_same_tensors(&set, &fixture.files[i], unit);
		CHECK_OK(tcls_export_files(&files, &count, &stored, &unit->host), &unit->host);
		CHECK(count == 5);
		for (int32_t i = 0; i < count; i++)
			fixture_set(&exported, files[i].name, files[i].data, files[i].size);
		fixture_set(&exported, "model.safetensors", weights.data, weights.size);
		CHECK_OK(fixture_import(&again, &weights_again, &exported, &unit->host), &unit->host);
		CHECK(again.config_size == stored.config_size && memcmp(again.config, stored.config, stored.config_size) == 0);
		CHECK(again.tokenizer_size == stored.tokenizer_size);
		CHECK(weights_again.size == weights.size && memcmp(weights_again.data, weights.data, weights.size) == 0);
		fixture_free(&exported);
		fixture_free(&fixture);
		unit_host_reset(unit);
	}
}

static void
unknown_config_members_survive(UnitHost *unit)
{
	Fixture		fixture;
	TclsStoredModel stored;
	TclsBytes	weights = {0};
	TclsFile   *files;
	int32_t		count;

	fixture_load(&fixture, "bert_f32");
	fixture_edit(&fixture, "config.json", "\"project_note\": \"kept\"",
				 "\"project_note\": {\"deep\": [1, 0.1, 2.2250738585072014e-308, null]}");
	CHECK_OK(fixture_import(&stored, &weights, &fixture, &unit->host), &unit->host);
	CHECK_OK(tcls_export_files(&files, &count, &stored, &unit->host), &unit->host);
	CHECK(strcmp(files[0].name, "config.json") == 0);
	CHECK(memmem(files[0].data, files[0].size, "\"project_note\"", 14) != NULL);
	CHECK(memmem(files[0].data, files[0].size, "2.2250738585072014e-308", 23) != NULL);
	CHECK(memmem(files[0].data, files[0].size, "\"initializer_range\": 0.02", 24) != NULL);
	fixture_free(&fixture);
}

/* A config without classes: the tensors of a classifier make it one. */
static void
missing_architectures_are_seen_by_the_tensors(UnitHost *unit)
{
	Fixture		fixture;
	TclsStoredModel stored;
	TclsBytes	weights = {0};
	TclsModel	model;

	fixture_load(&fixture, "bert_f32");
	fixture_edit(&fixture, "config.json", "\"architectures\"", "\"other\"");
	CHECK_OK(fixture_import(&stored, &weights, &fixture, &unit->host), &unit->host);
	CHECK_OK(tcls_model_read(&model, &stored, &unit->host), &unit->host);
	CHECK(model.config.numbers.head == TCLS_HEAD_DENSE_TANH && model.config.num_labels == 3);
	fixture_free(&fixture);
}

static void
wanted_names(UnitHost *unit)
{
	(void) unit;
	CHECK(tcls_import_wants("config.json") && tcls_import_wants("1_Pooling/config.json"));
	CHECK(tcls_import_wants("model.safetensors") && tcls_import_wants("model-00001-of-00002.safetensors"));
	CHECK(!tcls_import_wants("pytorch_model.bin") && !tcls_import_wants("model-1/x.safetensors"));
	CHECK(!tcls_import_wants("model-") && !tcls_import_wants("adapter_model.safetensors"));
}

typedef struct Edit
{
	const char *directory;
	const char *file;			/* removed when from is NULL */
	const char *from;
	const char *to;
	TclsStatus	status;
	const char *culprit;		/* part of the message */
} Edit;

static void
hostile_directories_are_refused(UnitHost *unit)
{
	static const Edit cases[] = {
		{"bert_f32", "config.json", NULL, NULL, TCLS_BAD_FILE, "no config.json"},
		{"bert_f32", "model.safetensors", NULL, NULL, TCLS_BAD_FILE, "no model.safetensors"},
		{"bert_mlm", "vocab.txt", NULL, NULL, TCLS_BAD_FILE, "neither a tokenizer.json nor a vocab.txt"},
		{"bert_f32", "config.json", "\"vocab_size\": 100", "\"vocab_size\": 99", TCLS_BAD_FILE, "vocab"},
		{"bert_f32", "config.json", "\"vocab_size\": 100", "\"vocab_size\": 101", TCLS_BAD_FILE,
		"100 x 16, but config.json makes it 101 x 16"},
		{"bert_f32", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", TCLS_BAD_FILE,
		"tensor \"bert.encoder.layer.2.attention.self.query.weight\" is missing"},
		{"distilbert", "config.json", "\"n_layers\": 2", "\"n_layers\": 3", TCLS_BAD_FILE,
		"tensor \"distilbert.transformer.layer.2.attention.q_lin.weight\" is missing"},
		{"bert_f32", "config.json", "{", "{\"id2label\": {},", TCLS_BAD_FILE, "duplicate"},
		{"bert_f32", "config.json", "\"bert\"", "\"roberta\"", TCLS_UNSUPPORTED, "roberta"},
		{"bert_f32", "tokenizer_config.json", "true", "false", TCLS_BAD_FILE, "disagree"},
		{"bert_f32", "tokenizer_config.json", "10", "-10", TCLS_BAD_FILE, "model_max_length"},
		{"bert_f32", "tokenizer_config.json", "{", "", TCLS_BAD_FILE, "JSON"},
		{"bert_f32", "tokenizer.json", "WordPiece", "WordPeace", TCLS_UNSUPPORTED, "WordPeace"},
		{"sentence", "1_Pooling/config.json", NULL, NULL, TCLS_BAD_FILE, "1_Pooling/config.json"},
		{"sentence", "1_Pooling/config.json", "true", "false", TCLS_UNSUPPORTED, "pooling"},
		{"sentence", "1_Pooling/config.json", "mean_tokens\": false", "mean_tokens\": true", TCLS_UNSUPPORTED,
		"pooling"},
		{"sentence", "1_Pooling/config.json", "cls_token", "lasttoken", TCLS_UNSUPPORTED, "pooling"},
		{"sentence", "modules.json", "models.Normalize", "models.Dense", TCLS_UNSUPPORTED, "\"Dense\""},
		{"sentence", "modules.json", "Transformer", "Transformed", TCLS_UNSUPPORTED, "\"Transformed\""},
		{"sentence", "modules.json", "\"1_Pooling\"", "\"../../etc\"", TCLS_UNSUPPORTED, "\"Pooling\""},
		{"sentence", "modules.json", "[", "{", TCLS_BAD_FILE, "modules.json is not valid JSON"},
		{"sentence", "sentence_bert_config.json", "24", "1", TCLS_BAD_FILE, "max_seq_length"},
		{"bert_sharded", "model-00002-of-00003.safetensors", NULL, NULL, TCLS_BAD_FILE, "which is not there"},
		{"bert_sharded", "model.safetensors.index.json", "model-00001-of-00003.safetensors",
		"/etc/passwd", TCLS_BAD_FILE, "\"/etc/passwd\", which is not there"},
		{"bert_sharded", "model.safetensors.index.json", "model-00001-of-00003.safetensors",
		"config.json", TCLS_BAD_FILE, "\"config.json\", which is not there"},
		{"bert_sharded", "model.safetensors.index.json", "model-00001-of-00003.safetensors",
		"model-00002-of-00003.safetensors", TCLS_BAD_FILE, "is not in model-00002"},
		{"bert_sharded", "model.safetensors.index.json", "weight_map", "weight_mob", TCLS_BAD_FILE, "weight_map"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const Edit *edit = &cases[i];
		Fixture		fixture;
		TclsStoredModel stored;
		TclsBytes	weights = {0};
		TclsStatus	status;

		fixture_load(&fixture, edit->directory);
		if (edit->from == NULL)
			fixture_remove(&fixture, edit->file);
		else
			fixture_edit(&fixture, edit->file, edit->from, edit->to);
		status = fixture_import(&stored, &weights, &fixture, &unit->host);
		if (status != edit->status || strstr(unit->host.detail, edit->culprit) == NULL)
			unit_fail(__FILE__, __LINE__, "%s/%s with %s gave %s: %s", edit->directory, edit->file,
					  edit->to != NULL ? edit->to : "nothing", tcls_status_name(status), unit->host.detail);
		fixture_free(&fixture);
		unit_host_reset(unit);
	}
}

static void
hostile_tensors_are_refused(UnitHost *unit)
{
	Fixture		fixture;
	TclsStoredModel stored;
	TclsBytes	weights = {0};
	TclsFile   *file;
	float		nan = NAN;

	fixture_load(&fixture, "bert_f32");
	file = fixture_find(&fixture, "model.safetensors");
	memcpy((char *) file->data + file->size - 4, &nan, 4);
	CHECK_STATUS(fixture_import(&stored, &weights, &fixture, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "not finite") != NULL);
	fixture_free(&fixture);
	/* the same parameter under two names */
	fixture_load(&fixture, "bert_f32");
	file = fixture_find(&fixture, "model.safetensors");
	memcpy(memmem(file->data, file->size, "\"bert.pooler.dense.bias\":", 25), "\"embeddings.LayerNorm.bias\"", 25);
	CHECK_STATUS(fixture_import(&stored, &weights, &fixture, &unit->host), TCLS_BAD_FILE, &unit->host);
	fixture_free(&fixture);
	/* a shard twice under two names */
	fixture_load(&fixture, "bert_sharded");
	file = fixture_find(&fixture, "model-00001-of-00003.safetensors");
	fixture_set(&fixture, "model-copy.safetensors", file->data, file->size);
	CHECK_STATUS(fixture_import(&stored, &weights, &fixture, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "occurs twice") != NULL);
	fixture_free(&fixture);
}

/* Every file of the directory cut at every byte: refused, or (white space at the end) imported. */
static void
truncated_files_are_refused(UnitHost *unit)
{
	static const char *const names[] = {"config.json", "tokenizer_config.json", "modules.json", "1_Pooling/config.json",
		"sentence_bert_config.json", "model.safetensors"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		Fixture		fixture;
		TclsFile	whole;
		size_t		last;

		fixture_load(&fixture, "sentence");
		whole = *fixture_find(&fixture, names[i]);
		last = strchr("]}", ((const char *) whole.data)[whole.size - 2]) != NULL ? whole.size - 1 : whole.size;
		for (size_t size = 0; size < last; size += i == 5 ? 97 : 1)
		{
			TclsImported imported;
			TclsFile	files[FIXTURE_MAX_FILES];
			char	   *cut = malloc(size + 1);

			memcpy(cut, whole.data, size);
			memcpy(files, fixture.files, sizeof(files));
			for (int32_t f = 0; f < fixture.count; f++)
				if (strcmp(files[f].name, names[i]) == 0)
					files[f] = (TclsFile) {names[i], cut, size};
			CHECK_STATUS(tcls_import_prepare(&imported, files, fixture.count, &unit->host), TCLS_BAD_FILE, &unit->host);
			free(cut);
			unit_host_reset(unit);
		}
		fixture_free(&fixture);
	}
}

static TclsStatus
import_and_export(const Fixture *fixture, UnitHost *unit)
{
	TclsStoredModel stored;
	TclsBytes	weights = {0};
	TclsModel	model;
	TclsFile   *files;
	int32_t		count;

	TCLS_TRY(fixture_import(&stored, &weights, fixture, &unit->host));
	TCLS_TRY(tcls_model_read(&model, &stored, &unit->host));
	return tcls_export_files(&files, &count, &stored, &unit->host);
}

static void
every_failing_allocation_is_a_clean_error(UnitHost *unit)
{
	static const char *const samples[] = {"bert_sharded", "sentence", "bert_f16"};

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
	{
		Fixture		fixture;
		TclsStatus	status = TCLS_OUT_OF_MEMORY;
		size_t		n;

		fixture_load(&fixture, samples[i]);
		for (n = 1; status != TCLS_OK; n++)
		{
			unit_host_reset(unit);
			unit->fail_at = n;
			status = import_and_export(&fixture, unit);
			if (status != TCLS_OK)
				CHECK_STATUS(status, TCLS_OUT_OF_MEMORY, &unit->host);
		}
		CHECK(n > 50);
		unit->fail_at = 0;
		fixture_free(&fixture);
	}
}

static void
cancel_at_every_poll_is_passed_on(UnitHost *unit)
{
	Fixture		fixture;
	TclsStatus	status = TCLS_CANCELLED;

	fixture_load(&fixture, "bert_f32");
	for (unit->cancel_at = 1; status != TCLS_OK; unit->cancel_at++)
	{
		unit_host_reset(unit);
		status = import_and_export(&fixture, unit);
		CHECK(status == TCLS_OK || status == TCLS_CANCELLED);
	}
	CHECK(unit->cancel_at > 50);
	fixture_free(&fixture);
}

int
main(void)
{
	RUN(results_equal_transformers);
	RUN(configs_say_what_the_directories_say);
	RUN(export_is_bit_equal_and_imports_again);
	RUN(unknown_config_members_survive);
	RUN(missing_architectures_are_seen_by_the_tensors);
	RUN(wanted_names);
	RUN(hostile_directories_are_refused);
	RUN(hostile_tensors_are_refused);
	RUN(truncated_files_are_refused);
	RUN(every_failing_allocation_is_a_clean_error);
	RUN(cancel_at_every_poll_is_passed_on);
	return unit_finish();
}
