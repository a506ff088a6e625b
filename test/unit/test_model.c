/*
 * test_model.c
 *		config.json read and written, and the stored form read.
 */
#include <string.h>

#include "model/model.h"
#include "model/safetensors.h"
#include "model_fixture.h"

#define SMALL "\"vocab_size\":10,\"hidden_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2," \
	"\"intermediate_size\":16,\"max_position_embeddings\":20"
#define SIZED(hidden, layers, heads, positions) "{\"model_type\":\"bert\",\"vocab_size\":10,\"hidden_size\":" hidden \
	",\"num_hidden_layers\":" layers ",\"num_attention_heads\":" heads ",\"intermediate_size\":16," \
	"\"max_position_embeddings\":" positions "}"
#define BERT "{\"model_type\":\"bert\"," SMALL
#define TWO_LABELS CLASSIFIER ",\"id2label\":{\"0\":\"a\",\"1\":\"b\"}"
#define CLASSIFIER BERT ",\"architectures\":[\"BertForSequenceClassification\"]"

static TclsStatus
read_config(TclsModelConfig *config, const char *json, UnitHost *unit)
{
	return tcls_model_config_read(config, json, strlen(json), &unit->host);
}

static void
numbers_and_defaults_are_read(UnitHost *unit)
{
	TclsModelConfig config;

	CHECK_OK(read_config(&config, BERT "}", unit), &unit->host);
	CHECK(config.numbers.vocab_size == 10 && config.numbers.hidden_size == 8 && config.numbers.num_layers == 1);
	CHECK(config.numbers.num_heads == 2 && config.numbers.intermediate_size == 16);
	CHECK(config.numbers.max_positions == 20 && config.max_length == 20 && config.numbers.type_vocab_size == 2);
	CHECK(config.numbers.head == TCLS_HEAD_NONE && config.num_labels == 0 && config.numbers.num_outputs == 0);
	CHECK(config.numbers.pooling == TCLS_POOL_MEAN && !config.normalizes);
	CHECK(config.numbers.layer_norm_eps == 1e-12f && config.numbers.classifier_dropout == 0.1f);
	CHECK_OK(read_config(&config, CLASSIFIER ",\"hidden_act\":\"gelu_new\",\"classifier_dropout\":0.3,"
						 "\"layer_norm_eps\":0.001,\"hidden_dropout_prob\":0,\"num_labels\":3}", unit), &unit->host);
	CHECK(config.numbers.head == TCLS_HEAD_DENSE_TANH && config.numbers.pooling == TCLS_POOL_CLS);
	CHECK(config.numbers.hidden_act == TCLS_GELU_TANH && config.numbers.classifier_dropout == 0.3f);
	CHECK(config.numbers.layer_norm_eps == 0.001f && config.numbers.hidden_dropout == 0);
	CHECK(config.num_labels == 3 && config.numbers.num_outputs == 3 && strcmp(config.labels[2], "LABEL_2") == 0);
	CHECK_OK(read_config(&config, CLASSIFIER "}", unit), &unit->host);
	CHECK(config.num_labels == 2 && config.numbers.problem == TCLS_SINGLE_LABEL);
	CHECK_OK(read_config(&config, CLASSIFIER ",\"textcls_problem_type\":\"binary\"}", unit), &unit->host);
	CHECK(config.num_labels == 2 && config.numbers.num_outputs == 1 && config.numbers.problem == TCLS_BINARY);
	CHECK_OK(read_config(&config, CLASSIFIER ",\"problem_type\":\"multi_label_classification\","
						 "\"num_labels\":1}", unit), &unit->host);
	CHECK(config.num_labels == 1 && config.numbers.problem == TCLS_MULTI_LABEL);
	CHECK_OK(read_config(&config, "{\"model_type\":\"distilbert\",\"vocab_size\":10,\"dim\":8,\"n_layers\":1,"
						 "\"n_heads\":2,\"hidden_dim\":16,\"max_position_embeddings\":2000}", unit), &unit->host);
	CHECK(config.numbers.type_vocab_size == 0 && config.max_length == 512 && config.numbers.classifier_dropout == 0.2f);
}

typedef struct Refusal
{
	const char *json;
	TclsStatus	status;
	const char *culprit;		/* part of the message */
} Refusal;

static void
check_refusals(const Refusal *cases, size_t count, UnitHost *unit)
{
	for (size_t i = 0; i < count; i++)
	{
		TclsModelConfig config;
		TclsStatus	status = read_config(&config, cases[i].json, unit);

		if (status != cases[i].status || strstr(unit->host.detail, cases[i].culprit) == NULL)
			unit_fail(__FILE__, __LINE__, "%s gave %s: %s", cases[i].json, tcls_status_name(status), unit->host.detail);
	}
}

static void
hostile_numbers_are_refused(UnitHost *unit)
{
	static const Refusal cases[] = {
		{"", TCLS_BAD_FILE, "config.json is not valid JSON"},
		{"[1]", TCLS_BAD_FILE, "not a JSON object"},
		{"{}", TCLS_BAD_FILE, "model_type"},
		{"{\"model_type\":3}", TCLS_BAD_FILE, "model_type"},
		{"{\"model_type\":\"t5\"}", TCLS_UNSUPPORTED, "\"t5\" is not supported; supported are bert, distilbert"},
		{"{\"model_type\":\"bert\",\"model_type\":\"bert\"}", TCLS_BAD_FILE, "duplicate"},
		{"{\"model_type\":\"bert\"}", TCLS_BAD_FILE, "\"vocab_size\""},
		{"{\"model_type\":\"bert\",\"vocab_size\":10}", TCLS_BAD_FILE, "\"hidden_size\""},
		{BERT ",\"type_vocab_size\":-1}", TCLS_BAD_FILE, "type_vocab_size"},
		{BERT ",\"type_vocab_size\":\"2\"}", TCLS_BAD_FILE, "type_vocab_size"},
		{BERT ",\"type_vocab_size\":2.5}", TCLS_BAD_FILE, "type_vocab_size"},
		{BERT ",\"type_vocab_size\":4294967298}", TCLS_BAD_FILE, "type_vocab_size"},
		{BERT ",\"layer_norm_eps\":0}", TCLS_BAD_FILE, "layer_norm_eps"},
		{BERT ",\"layer_norm_eps\":-1}", TCLS_BAD_FILE, "layer_norm_eps"},
		{BERT ",\"layer_norm_eps\":NaN}", TCLS_BAD_FILE, "not valid JSON"},
		{BERT ",\"layer_norm_eps\":1e300}", TCLS_BAD_FILE, "layer_norm_eps"},
		{BERT ",\"layer_norm_eps\":\"1e-12\"}", TCLS_BAD_FILE, "layer_norm_eps"},
		{BERT ",\"hidden_dropout_prob\":1}", TCLS_BAD_FILE, "hidden_dropout_prob"},
		{BERT ",\"hidden_act\":\"silu\"}", TCLS_UNSUPPORTED, "silu"},
		{BERT ",\"hidden_act\":1}", TCLS_BAD_FILE, "hidden_act"},
		{BERT ",\"position_embedding_type\":\"relative_key\"}", TCLS_UNSUPPORTED, "relative_key"},
		{BERT ",\"is_decoder\":true}", TCLS_UNSUPPORTED, "is_decoder"},
		{BERT ",\"is_decoder\":1}", TCLS_BAD_FILE, "is_decoder"},
		{BERT ",\"add_cross_attention\":true}", TCLS_UNSUPPORTED, "add_cross_attention"},
		{BERT ",\"pruned_heads\":{\"0\":[1]}}", TCLS_UNSUPPORTED, "pruned_heads"},
		{BERT ",\"textcls_max_length\":21}", TCLS_BAD_FILE, "21 tokens"},
		{BERT ",\"textcls_max_length\":1}", TCLS_BAD_FILE, "1 tokens"},
		{BERT ",\"textcls_max_length\":\"9\"}", TCLS_BAD_FILE, "textcls_max_length"},
		{BERT ",\"textcls_pooling\":\"median\"}", TCLS_UNSUPPORTED, "median"},
		{BERT ",\"textcls_head\":\"two\"}", TCLS_UNSUPPORTED, "two"},
		{BERT ",\"textcls_normalizes\":\"yes\"}", TCLS_BAD_FILE, "textcls_normalizes"},
		{SIZED("10", "1", "4", "20"), TCLS_BAD_FILE, "hidden_size"},
		{SIZED("8", "0", "2", "20"), TCLS_BAD_FILE, "num_hidden_layers"},
		{SIZED("8", "1000000000", "2", "20"), TCLS_BAD_FILE, "num_hidden_layers"},
		{SIZED("8", "1", "0", "20"), TCLS_BAD_FILE, "num_attention_heads"},
		{SIZED("8", "1", "2", "1"), TCLS_BAD_FILE, "1 positions"},
	};

	check_refusals(cases, sizeof(cases) / sizeof(cases[0]), unit);
}

static void
hostile_labels_are_refused(UnitHost *unit)
{
	static const Refusal cases[] = {
		{CLASSIFIER ",\"id2label\":[\"a\",\"b\"]}", TCLS_BAD_FILE, "id2label"},
		{CLASSIFIER ",\"id2label\":{}}", TCLS_UNSUPPORTED, "1 to 10000 labels"},
		{CLASSIFIER ",\"num_labels\":20000}", TCLS_UNSUPPORTED, "1 to 10000 labels"},
		{CLASSIFIER ",\"num_labels\":\"2\"}", TCLS_BAD_FILE, "num_labels"},
		{CLASSIFIER ",\"id2label\":{\"0\":\"a\"}}", TCLS_UNSUPPORTED, "regression"},
		{CLASSIFIER ",\"problem_type\":\"regression\"}", TCLS_UNSUPPORTED, "regression"},
		{CLASSIFIER ",\"problem_type\":2}", TCLS_BAD_FILE, "problem_type"},
		{CLASSIFIER ",\"id2label\":{\"0\":\"a\",\"2\":\"b\"}}", TCLS_BAD_FILE, "label 1 of 2"},
		{CLASSIFIER ",\"id2label\":{\"1\":\"a\",\"2\":\"b\"}}", TCLS_BAD_FILE, "label 0 of 2"},
		{CLASSIFIER ",\"id2label\":{\"0\":\"a\",\"01\":\"b\"}}", TCLS_BAD_FILE, "label 1 of 2"},
		{CLASSIFIER ",\"id2label\":{\"0\":\"a\",\"1\":1}}", TCLS_BAD_FILE, "label 1 of 2"},
		{CLASSIFIER ",\"id2label\":{\"0\":\"a\",\"1\":\"\"}}", TCLS_BAD_FILE, "label 1 has not"},
		{CLASSIFIER ",\"id2label\":{\"0\":\"a\",\"1\":\"a\"}}", TCLS_BAD_FILE, "label \"a\" occurs twice"},
		{TWO_LABELS ",\"label2id\":{\"a\":1,\"b\":0}}", TCLS_BAD_FILE, "label2id"},
		{TWO_LABELS ",\"label2id\":{\"a\":0}}", TCLS_BAD_FILE, "label2id"},
		{TWO_LABELS ",\"label2id\":{\"a\":0,\"b\":1,\"c\":2}}", TCLS_BAD_FILE,
		"label2id"},
		{CLASSIFIER ",\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"},\"textcls_problem_type\":\"binary\"}",
		TCLS_BAD_FILE, "2 labels, not 3"},
		{CLASSIFIER ",\"textcls_problem_type\":\"odd\"}", TCLS_UNSUPPORTED, "odd"},
	};
	char		json[2000];
	TclsModelConfig config;

	check_refusals(cases, sizeof(cases) / sizeof(cases[0]), unit);
	snprintf(json, sizeof(json), CLASSIFIER ",\"id2label\":{\"0\":\"a\",\"1\":\"%0256d\"}}", 0);
	CHECK_STATUS(read_config(&config, json, unit), TCLS_BAD_FILE, &unit->host);
	snprintf(json, sizeof(json), CLASSIFIER ",\"id2label\":{\"0\":\"a\",\"1\":\"%0255d\"}}", 0);
	CHECK_OK(read_config(&config, json, unit), &unit->host);
}

static void
written_config_reads_back(UnitHost *unit)
{
	static char *labels[] = {"a", "quote \" and \xc3\xa9"};

	for (int32_t family = 0; family < 2; family++)
		for (int head = TCLS_HEAD_NONE; head <= TCLS_HEAD_DENSE_RELU; head++)
			for (int problem = TCLS_SINGLE_LABEL; problem <= TCLS_MULTI_LABEL; problem++)
			{
				TclsModelConfig config = {.architecture = family, .max_length = 17, .normalizes = head == 1};
				TclsModelConfig again;
				TclsBytes	json = {0};

				config.numbers = (TclsConfig) {
					.vocab_size = 11, .hidden_size = 12, .num_layers = 2, .num_heads = 3, .intermediate_size = 13,
					.max_positions = 18, .type_vocab_size = family == 0 ? 2 : 0, .layer_norm_eps = 1e-12f,
					.hidden_dropout = 0.1f, .attention_dropout = 0.123456789f, .classifier_dropout = 0.3f,
					.hidden_act = (TclsHiddenAct) (head % 3), .pooling = (TclsPooling) (problem % 3),
					.head = (TclsHead) head
				};
				if (head != TCLS_HEAD_NONE)
				{
					config.numbers.problem = (TclsProblem) problem;
					config.numbers.num_outputs = problem == TCLS_BINARY ? 1 : 2;
					config.labels = labels;
					config.num_labels = 2;
				}
				CHECK_OK(tcls_model_config_write(&json, &config, &unit->host), &unit->host);
				CHECK_OK(tcls_model_config_read(&again, json.data, json.size, &unit->host), &unit->host);
				CHECK(memcmp(&again.numbers, &config.numbers, sizeof(config.numbers)) == 0);
				CHECK(again.architecture == family && again.max_length == 17 && again.normalizes == config.normalizes);
				CHECK(again.num_labels == config.num_labels);
				for (int i = 0; i < again.num_labels; i++)
					CHECK(strcmp(again.labels[i], labels[i]) == 0);
				CHECK(memmem(json.data, json.size, "0.1,", 4) != NULL);
			}
}

/* A small model of ours, every float of the block different. */
static void
make_block(TclsModelConfig *config, TclsParameterPlan *plan, float **block, UnitHost *unit)
{
	CHECK_OK(read_config(config, BERT ",\"textcls_head\":\"linear\",\"id2label\":{\"0\":\"a\",\"1\":\"b\"}}", unit),
			 &unit->host);
	CHECK_OK(tcls_parameter_plan_create(plan, &config->numbers, &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(block, plan->total, sizeof(float), &unit->host), &unit->host);
	for (int32_t i = 0; i < plan->count; i++)
		for (size_t j = 0; j < plan->items[i].count; j++)
			(*block)[plan->items[i].offset + j] = (float) (plan->items[i].offset + j) * 0.001f;
}

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##c\nd\n";

static void
make_tokenizer(TclsBytes *json, const char *words, UnitHost *unit)
{
	TclsTokenizer tokenizer;

	json->size = 0;
	CHECK_OK(tcls_tokenizer_from_vocabulary(&tokenizer, words, strlen(words), &tcls_tokenizer_uncased, &unit->host),
			 &unit->host);
	CHECK_OK(tcls_tokenizer_to_json(json, &tokenizer, &unit->host), &unit->host);
}

static void
written_weights_read_back_bit_equal(UnitHost *unit)
{
	TclsBytes	weights = {0};
	TclsBytes	config_json = {0};
	TclsBytes	tokenizer_json = {0};
	UnitSink	sink = {&weights, &unit->host, 0};
	TclsWriter	writer = {unit_sink_write, &sink};
	TclsModelConfig config;
	TclsParameterPlan plan;
	TclsTensorSet tensors;
	TclsStoredModel stored;
	TclsModel	model;
	float	   *block;

	make_block(&config, &plan, &block, unit);
	CHECK_OK(tcls_model_weights_write(&writer, &config, &plan, block, &unit->host), &unit->host);
	CHECK_OK(tcls_safetensors_read(&tensors, weights.data, weights.size, &unit->host), &unit->host);
	CHECK(tensors.count == plan.count);
	CHECK(tcls_safetensors_find(&tensors, "bert.encoder.layer.0.attention.self.query.weight") != NULL);
	CHECK(tcls_safetensors_find(&tensors, "classifier.bias") != NULL);
	CHECK_OK(tcls_model_config_write(&config_json, &config, &unit->host), &unit->host);
	make_tokenizer(&tokenizer_json, vocabulary, unit);
	stored = (TclsStoredModel) {
		config_json.data, config_json.size, tokenizer_json.data, tokenizer_json.size, weights.data, weights.size
	};
	CHECK_OK(tcls_model_read(&model, &stored, &unit->host), &unit->host);
	CHECK(model.plan.total == plan.total);
	CHECK(memcmp(model.weights.block, block, plan.total * sizeof(float)) == 0);
}

static void
tokenizer_larger_than_the_embedding_is_refused(UnitHost *unit)
{
	TclsBytes	tokenizer_json = {0};
	TclsStoredModel stored = {.config = BERT "}", .config_size = strlen(BERT "}"), .weights = "", .weights_size = 0};
	TclsModel	model;

	make_tokenizer(&tokenizer_json, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\nf\n", unit);
	stored.tokenizer = tokenizer_json.data;
	stored.tokenizer_size = tokenizer_json.size;
	CHECK_STATUS(tcls_model_read(&model, &stored, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "ids up to 10, but \"vocab_size\" is 10") != NULL);
}

/* The memory of a model that a config promises is not taken before the file has its tensors. */
static void
promised_tensors_must_be_there(UnitHost *unit)
{
	static const char huge[] = "{\"model_type\":\"bert\",\"vocab_size\":16000000,\"hidden_size\":16384,"
		"\"num_hidden_layers\":200,\"num_attention_heads\":2,\"intermediate_size\":65536,"
		"\"max_position_embeddings\":20}";
	static const char empty[] = "\2\0\0\0\0\0\0\0{}";
	TclsBytes	tokenizer_json = {0};
	TclsStoredModel stored = {.config = huge, .config_size = strlen(huge), .weights = empty, .weights_size = 10};
	TclsModel	model;

	make_tokenizer(&tokenizer_json, vocabulary, unit);
	stored.tokenizer = tokenizer_json.data;
	stored.tokenizer_size = tokenizer_json.size;
	CHECK_STATUS(tcls_model_read(&model, &stored, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "tensor \"bert.embeddings.word_embeddings.weight\" is missing") != NULL);
}

int
main(void)
{
	RUN(numbers_and_defaults_are_read);
	RUN(hostile_numbers_are_refused);
	RUN(hostile_labels_are_refused);
	RUN(written_config_reads_back);
	RUN(written_weights_read_back_bit_equal);
	RUN(tokenizer_larger_than_the_embedding_is_refused);
	RUN(promised_tensors_must_be_there);
	return unit_finish();
}
