/*
 * tiny_model.c
 *		Makes the smallest model.
 */
#include <string.h>

#include "model/safetensors.h"
#include "tiny_model.h"

#define NUMBERS "\"vocab_size\":11,\"max_position_embeddings\":12,"

const char *const tiny_bert = "{\"model_type\":\"bert\"," NUMBERS "\"hidden_size\":4,\"num_hidden_layers\":1,"
	"\"num_attention_heads\":2,\"intermediate_size\":8,\"architectures\":[\"BertModel\"]}";

const char *const tiny_classifier = "{\"model_type\":\"bert\"," NUMBERS "\"hidden_size\":4,\"num_hidden_layers\":1,"
	"\"num_attention_heads\":2,\"intermediate_size\":8,\"architectures\":[\"BertForSequenceClassification\"],"
	"\"id2label\":{\"0\":\"no\",\"1\":\"yes\"},\"label2id\":{\"no\":0,\"yes\":1},\"hidden_act\":\"gelu\","
	"\"type_vocab_size\":2,\"layer_norm_eps\":1e-12,\"hidden_dropout_prob\":0.1}";

const char *const tiny_distilbert = "{\"model_type\":\"distilbert\"," NUMBERS "\"dim\":4,\"n_layers\":1,\"n_heads\":1,"
	"\"hidden_dim\":4,\"textcls_head\":\"dense_relu\",\"problem_type\":\"multi_label_classification\"}";

TclsStatus
tiny_model_make(TclsModel *model, const char *config, TclsHost *host)
{
	float	   *block;

	TCLS_TRY(tcls_model_config_read(&model->config, config, strlen(config), host));
	TCLS_TRY(tcls_tokenizer_from_vocabulary(&model->tokenizer, TINY_VOCABULARY, strlen(TINY_VOCABULARY),
											&tcls_tokenizer_uncased, host));
	TCLS_TRY(tcls_parameter_plan_create(&model->plan, &model->config.numbers, host));
	TCLS_TRY(tcls_alloc(&block, model->plan.total, sizeof(float), host));
	for (size_t i = 0; i < model->plan.total; i++)
		block[i] = 0.25f;
	return tcls_weights_bind(&model->weights, &model->config.numbers, &model->plan, block, host);
}

static void
set_text(Fixture *fixture, const char *name, const char *text)
{
	fixture_set(fixture, name, text, strlen(text));
}

/* The weights as one shard, and the index that lists them. */
static TclsStatus
set_weights(Fixture *fixture, const TclsModel *model, TclsHost *host)
{
	TclsBytes	bytes = {0};
	UnitSink	sink = {&bytes, host, 0};
	TclsWriter	writer = {unit_sink_write, &sink};
	TclsTensorSet set;
	char		index[16384] = "{\"metadata\":{\"total_size\":1},\"weight_map\":{";

	TCLS_TRY(tcls_model_weights_write(&writer, &model->config, &model->plan, model->weights.block, host));
	TCLS_TRY(tcls_safetensors_read(&set, bytes.data, bytes.size, host));
	fixture_set(fixture, TINY_SHARD, bytes.data, bytes.size);
	for (int32_t i = 0; i < set.count; i++)
		snprintf(index + strlen(index), sizeof(index) - strlen(index), "%s\"%s\":\"" TINY_SHARD "\"", i > 0 ? "," : "",
				 set.items[i].name);
	snprintf(index + strlen(index), sizeof(index) - strlen(index), "}}");
	set_text(fixture, TINY_INDEX, index);
	return TCLS_OK;
}

void
tiny_model_directory(Fixture *fixture, const char *config)
{
	UnitHost	unit;
	TclsModel	model;

	unit_host_init(&unit);
	fixture->count = 0;
	if (tiny_model_make(&model, config, &unit.host) != TCLS_OK || set_weights(fixture, &model, &unit.host) != TCLS_OK)
	{
		fprintf(stderr, "%s\n", unit.host.detail);
		abort();
	}
	set_text(fixture, "config.json", config);
	set_text(fixture, "vocab.txt", TINY_VOCABULARY);
	set_text(fixture, "tokenizer_config.json",
			 "{\"do_lower_case\":true,\"strip_accents\":null,\"model_max_length\":10}");
	if (model.config.numbers.head == TCLS_HEAD_NONE)
	{
		set_text(fixture, "modules.json",
				 "[{\"idx\":0,\"path\":\"\",\"type\":\"sentence_transformers.models.Transformer\"},"
				 "{\"idx\":1,\"path\":\"1_Pooling\",\"type\":\"sentence_transformers.models.Pooling\"},"
				 "{\"idx\":2,\"path\":\"2_Normalize\",\"type\":\"sentence_transformers.models.Normalize\"}]");
		set_text(fixture, "1_Pooling/config.json",
				 "{\"pooling_mode_mean_tokens\":true,\"pooling_mode_cls_token\":false}");
		set_text(fixture, "sentence_bert_config.json", "{\"max_seq_length\":9}");
	}
	unit_host_reset(&unit);
}
