/*
 * architecture.c
 *		The table of model families.
 *
 * References: transformers 5.23, models/bert and models/distilbert (configuration
 * and modeling files).
 */
#include <stdio.h>
#include <string.h>

#include "model/architecture.h"
#include "base/pure_c.h"

static const TclsArchitecture architectures[] =
{
	{
		.model_type = "bert",
		.base_class = "BertModel",
		.sequence_class = "BertForSequenceClassification",
		.prefix = "bert.",
		.head = TCLS_HEAD_DENSE_TANH,
		.dense_has_prefix = true,
		.layer_norm_eps = 1e-12f,
		.classifier_dropout = -1,
		.keys = {
			[TCLS_KEY_VOCAB_SIZE] = "vocab_size",
			[TCLS_KEY_HIDDEN_SIZE] = "hidden_size",
			[TCLS_KEY_NUM_LAYERS] = "num_hidden_layers",
			[TCLS_KEY_NUM_HEADS] = "num_attention_heads",
			[TCLS_KEY_INTERMEDIATE_SIZE] = "intermediate_size",
			[TCLS_KEY_MAX_POSITIONS] = "max_position_embeddings",
			[TCLS_KEY_TYPE_VOCAB_SIZE] = "type_vocab_size",
			[TCLS_KEY_LAYER_NORM_EPS] = "layer_norm_eps",
			[TCLS_KEY_HIDDEN_DROPOUT] = "hidden_dropout_prob",
			[TCLS_KEY_ATTENTION_DROPOUT] = "attention_probs_dropout_prob",
			[TCLS_KEY_CLASSIFIER_DROPOUT] = "classifier_dropout",
			[TCLS_KEY_HIDDEN_ACT] = "hidden_act"
		},
		.renames = {
			{"head.dense.", "pooler.dense."}
		}
	},
	{
		.model_type = "distilbert",
		.base_class = "DistilBertModel",
		.sequence_class = "DistilBertForSequenceClassification",
		.prefix = "distilbert.",
		.head = TCLS_HEAD_DENSE_RELU,
		.dense_has_prefix = false,
		.layer_norm_eps = 1e-12f,
		.classifier_dropout = 0.2f,
		.keys = {
			[TCLS_KEY_VOCAB_SIZE] = "vocab_size",
			[TCLS_KEY_HIDDEN_SIZE] = "dim",
			[TCLS_KEY_NUM_LAYERS] = "n_layers",
			[TCLS_KEY_NUM_HEADS] = "n_heads",
			[TCLS_KEY_INTERMEDIATE_SIZE] = "hidden_dim",
			[TCLS_KEY_MAX_POSITIONS] = "max_position_embeddings",
			[TCLS_KEY_HIDDEN_DROPOUT] = "dropout",
			[TCLS_KEY_ATTENTION_DROPOUT] = "attention_dropout",
			[TCLS_KEY_CLASSIFIER_DROPOUT] = "seq_classif_dropout",
			[TCLS_KEY_HIDDEN_ACT] = "activation"
		},
		.renames = {
			{"encoder.layer.", "transformer.layer."},
			{"attention.self.query.", "attention.q_lin."},
			{"attention.self.key.", "attention.k_lin."},
			{"attention.self.value.", "attention.v_lin."},
			{"attention.output.dense.", "attention.out_lin."},
			{"attention.output.LayerNorm.", "sa_layer_norm."},
			{"intermediate.dense.", "ffn.lin1."},
			{".output.dense.", ".ffn.lin2."},
			{".output.LayerNorm.", ".output_layer_norm."},
			{"head.dense.", "pre_classifier."}
		}
	}
};

#define ARCHITECTURE_COUNT ((int32_t) (sizeof(architectures) / sizeof(architectures[0])))

const TclsArchitecture *
tcls_architecture_get(int32_t index)
{
	return index >= 0 && index < ARCHITECTURE_COUNT ? &architectures[index] : NULL;
}

TclsStatus
tcls_architecture_find(int32_t *index, const char *model_type, TclsHost *host)
{
	char		known[128] = "";

	for (*index = 0; *index < ARCHITECTURE_COUNT; ++*index)
	{
		size_t		used = strlen(known);

		if (strcmp(architectures[*index].model_type, model_type) == 0)
			return TCLS_OK;
		snprintf(known + used, sizeof(known) - used, "%s%s", used > 0 ? ", " : "", architectures[*index].model_type);
	}
	return tcls_fail(host, TCLS_UNSUPPORTED, "model_type \"%.64s\" is not supported; supported are %s", model_type,
					 known);
}

/* Replace the first occurrence of from in name, where there is one. */
static bool
rename_part(char name[TCLS_TENSOR_NAME_SIZE], const char *from, const char *to)
{
	char		copy[TCLS_TENSOR_NAME_SIZE];
	char	   *found = strstr(name, from);

	if (found == NULL)
		return false;
	memcpy(copy, name, sizeof(copy));
	snprintf(found, (size_t) (name + TCLS_TENSOR_NAME_SIZE - found), "%s%s", to, copy + (found - name) + strlen(from));
	return true;
}

bool
tcls_architecture_tensor_name(char name[TCLS_TENSOR_NAME_SIZE], const TclsArchitecture *architecture,
							  const char *canonical, int variant)
{
	bool		is_dense = strncmp(canonical, "head.", 5) == 0;
	bool		has_prefix = is_dense ? architecture->dense_has_prefix : strncmp(canonical, "classifier.", 11) != 0;

	if ((variant & 1) != 0 && !has_prefix)
		return false;
	snprintf(name, TCLS_TENSOR_NAME_SIZE, "%s%s", has_prefix && (variant & 1) == 0 ? architecture->prefix : "",
			 canonical);
	for (const TclsRename *rename = architecture->renames; rename->from != NULL; rename++)
		rename_part(name, rename->from, rename->to);
	if ((variant & 2) != 0)
		return rename_part(name, "LayerNorm.weight", "LayerNorm.gamma") ||
			rename_part(name, "LayerNorm.bias", "LayerNorm.beta");
	return true;
}
