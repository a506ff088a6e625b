/*
 * config.c
 *		Whether the numbers of a model can be computed with.
 */
#include "encoder/config.h"
#include "base/pure_c.h"

typedef struct Range
{
	const char *name;
	int32_t		value;
	int32_t		least;
	int32_t		most;
} Range;

static TclsStatus
check_sizes(const TclsConfig *config, TclsHost *host)
{
	const Range ranges[] = {
		{"vocab_size", config->vocab_size, 1, 1 << 24},
		{"hidden_size", config->hidden_size, 1, 1 << 14},
		{"num_hidden_layers", config->num_layers, 1, 1 << 8},
		{"num_attention_heads", config->num_heads, 1, 1 << 10},
		{"intermediate_size", config->intermediate_size, 1, 1 << 16},
		{"max_position_embeddings", config->max_positions, 1, 1 << 15},
		{"type_vocab_size", config->type_vocab_size, 0, 1 << 10},
		{"number of labels", config->num_outputs, 0, 1 << 16},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (ranges[i].value < ranges[i].least || ranges[i].value > ranges[i].most)
			return tcls_fail(host, TCLS_BAD_FILE, "%s is %d, not in the range %d to %d", ranges[i].name,
							 ranges[i].value, ranges[i].least, ranges[i].most);
	if (config->hidden_size % config->num_heads != 0)
		return tcls_fail(host, TCLS_BAD_FILE, "hidden_size %d is not a multiple of num_attention_heads %d",
						 config->hidden_size, config->num_heads);
	return TCLS_OK;
}

static TclsStatus
check_probabilities(const TclsConfig *config, TclsHost *host)
{
	if (!(config->hidden_dropout >= 0 && config->hidden_dropout < 1))
		return tcls_fail(host, TCLS_BAD_FILE, "hidden_dropout_prob is %g, not in the range 0 to below 1",
						 (double) config->hidden_dropout);
	if (!(config->attention_dropout >= 0 && config->attention_dropout < 1))
		return tcls_fail(host, TCLS_BAD_FILE, "attention_probs_dropout_prob is %g, not in the range 0 to below 1",
						 (double) config->attention_dropout);
	if (!(config->classifier_dropout >= 0 && config->classifier_dropout < 1))
		return tcls_fail(host, TCLS_BAD_FILE, "classifier_dropout is %g, not in the range 0 to below 1",
						 (double) config->classifier_dropout);
	if (!(config->layer_norm_eps > 0 && config->layer_norm_eps < 1))
		return tcls_fail(host, TCLS_BAD_FILE, "layer_norm_eps is %g, not between 0 and 1",
						 (double) config->layer_norm_eps);
	return TCLS_OK;
}

TclsStatus
tcls_config_check(const TclsConfig *config, TclsHost *host)
{
	TCLS_TRY(check_sizes(config, host));
	TCLS_TRY(check_probabilities(config, host));
	if (config->hidden_act > TCLS_RELU)
		return tcls_fail(host, TCLS_UNSUPPORTED, "unknown hidden_act %d", (int) config->hidden_act);
	if (config->pooling > TCLS_POOL_MAX)
		return tcls_fail(host, TCLS_UNSUPPORTED, "unknown pooling %d", (int) config->pooling);
	if (config->head > TCLS_HEAD_DENSE_RELU)
		return tcls_fail(host, TCLS_UNSUPPORTED, "unknown head %d", (int) config->head);
	if (config->problem > TCLS_MULTI_LABEL)
		return tcls_fail(host, TCLS_UNSUPPORTED, "unknown problem_type %d", (int) config->problem);
	if ((config->head == TCLS_HEAD_NONE) != (config->num_outputs == 0))
		return tcls_fail(host, TCLS_BAD_FILE, "a classification head and a number of labels (%d) go together",
						 config->num_outputs);
	if (config->head != TCLS_HEAD_NONE && config->problem == TCLS_BINARY && config->num_outputs != 1)
		return tcls_fail(host, TCLS_BAD_FILE, "a binary classifier has one output, not %d", config->num_outputs);
	return TCLS_OK;
}
