/*
 * head.c
 *		Pooling and classification head.
 *
 * Reference: transformers, BertPooler and BertForSequenceClassification (tanh),
 * DistilBertForSequenceClassification (relu).
 */
#include <string.h>

#include "encoder/head.h"
#include "encoder/layer.h"
#include "encoder/linear.h"
#include "base/pure_c.h"

static TclsPoolKind
pool_kind(const TclsConfig *config)
{
	switch (config->pooling)
	{
		case TCLS_POOL_CLS:
			return TCLS_POOL_KIND_FIRST;
		case TCLS_POOL_MAX:
			return TCLS_POOL_KIND_MAX;
		default:
			return TCLS_POOL_KIND_MEAN;
	}
}

static TclsActivation
head_activation(const TclsConfig *config)
{
	return config->head == TCLS_HEAD_DENSE_TANH ? TCLS_ACTIVATION_TANH : TCLS_ACTIVATION_RELU;
}

void
tcls_head_pool(float *pooled, const float *hidden, const TclsConfig *config, const TclsSequences *sequences)
{
	tcls_pooling_forward(pooled, hidden, pool_kind(config), sequences->starts, (size_t) sequences->count,
						 (size_t) config->hidden_size);
}

void
tcls_head_pool_backward(float *dhidden, const float *dpooled, const float *hidden, const TclsConfig *config,
						const TclsSequences *sequences)
{
	tcls_pooling_backward(dhidden, dpooled, hidden, pool_kind(config), sequences->starts, (size_t) sequences->count,
						  (size_t) config->hidden_size);
}

TclsStatus
tcls_head_forward(float *logits, const TclsHeadSaved *saved, const TclsWeights *weights, const TclsConfig *config,
				  const TclsTrainStep *step, int32_t count, TclsHost *host)
{
	size_t		rows = (size_t) count;
	int32_t		h = config->hidden_size;
	TclsDropout dropout = tcls_layer_dropout(step, config->num_layers + 1, TCLS_DROPOUT_CLASSIFIER,
											 config->classifier_dropout);

	if (weights->dense_weight != NULL)
	{
		tcls_broadcast_rows(saved->dense, weights->dense_bias, rows, (size_t) h);
		TCLS_TRY(tcls_linear_forward(saved->dense, saved->pooled, weights->dense_weight, rows, h, h, host));
		tcls_activation_forward(saved->features, saved->dense, head_activation(config), rows * (size_t) h);
	}
	else
		memcpy(saved->features, saved->pooled, rows * (size_t) h * sizeof(float));
	if (dropout.probability > 0)
		tcls_dropout(saved->features, saved->features, &dropout, rows, (size_t) h);
	tcls_broadcast_rows(logits, weights->classifier_bias, rows, (size_t) config->num_outputs);
	return tcls_linear_forward(logits, saved->features, weights->classifier_weight, rows, h, config->num_outputs, host);
}

TclsStatus
tcls_head_backward(float *dpooled, const TclsWeights *gradients, const float *dlogits, const TclsHeadSaved *saved,
				   const TclsWeights *weights, const TclsConfig *config, const TclsTrainStep *step, int32_t count,
				   TclsHost *host)
{
	size_t		rows = (size_t) count;
	int32_t		h = config->hidden_size;
	float	   *dfeatures = weights->dense_weight != NULL ? saved->features : dpooled;
	TclsDropout dropout = tcls_layer_dropout(step, config->num_layers + 1, TCLS_DROPOUT_CLASSIFIER,
											 config->classifier_dropout);

	TCLS_TRY(tcls_linear_backward_weight(gradients->classifier_weight, gradients->classifier_bias, dlogits,
										 saved->features, rows, h, config->num_outputs, host));
	TCLS_TRY(tcls_linear_backward_input(dfeatures, dlogits, weights->classifier_weight, rows, h, config->num_outputs,
										false, host));
	if (dropout.probability > 0)
		tcls_dropout(dfeatures, dfeatures, &dropout, rows, (size_t) h);
	if (weights->dense_weight == NULL)
		return TCLS_OK;
	tcls_activation_backward(dfeatures, saved->dense, dfeatures, saved->dense, head_activation(config),
							 rows * (size_t) h);
	TCLS_TRY(tcls_linear_backward_weight(gradients->dense_weight, gradients->dense_bias, dfeatures, saved->pooled,
										 rows, h, h, host));
	return tcls_linear_backward_input(dpooled, dfeatures, weights->dense_weight, rows, h, h, false, host);
}
