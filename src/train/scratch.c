/*
 * scratch.c
 *		Defaults of a model without a base.
 */
#include "train/scratch.h"
#include "base/pure_c.h"

const TclsTrainOptions tcls_scratch_train_defaults = {
	.learning_rate = 1e-3,
	.head_learning_rate = 0,
	.weight_decay = 0.01,
	.beta1 = 0.9,
	.beta2 = 0.999,
	.adam_epsilon = 1e-8,
	.max_grad_norm = 1,
	.warmup_ratio = 0.1,
	.num_train_epochs = 0,
	.max_steps = 0,
	.batch_size = 32,
	.max_batch_tokens = 1024,
	.lr_scheduler_type = TCLS_LINEAR,
	.label_smoothing = 0,
	.token_dropout = 0.3,
	.subword_dropout = 0.1,
	.dropout = true,
	.head_only = false,
	.early_stopping_patience = 0,
	.eval_every = 1,
	.metric_for_best_model = TCLS_METRIC_MACRO_F1,
	.class_weights = NULL,
	.seed = 42
};

const TclsVocabularyOptions tcls_scratch_vocabulary_defaults = {
	.vocab_size = 8000,
	.min_frequency = 2,
	.limit_alphabet = 1000,
	.settings = {.clean_text = true, .handle_chinese_chars = true, .lowercase = true, .strip_accents = -1,
	.max_word_chars = 100}
};

void
tcls_scratch_config(TclsModelConfig *out, int32_t vocab_size)
{
	*out = (TclsModelConfig) {
		.numbers = {
			.vocab_size = vocab_size,
			.hidden_size = 128,
			.num_layers = 1,
			.num_heads = 4,
			.intermediate_size = 512,
			.max_positions = 128,
			.type_vocab_size = 2,
			.layer_norm_eps = 1e-12f,
			.hidden_dropout = 0.2f,
			.attention_dropout = 0.1f,
			.classifier_dropout = 0.2f,
			.hidden_act = TCLS_GELU,
			.pooling = TCLS_POOL_MEAN,
			.head = TCLS_HEAD_NONE
		},
		.max_length = 128
	};
}
