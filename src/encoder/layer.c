/*
 * layer.c
 *		Forward and backward of one encoder layer: a list of op calls.
 *
 * Reference: transformers, BertLayer (post-norm).  Without dropout the residual and the
 * bias are written first and the product is added to them.
 */
#include "base/rng.h"
#include "encoder/layer.h"
#include "encoder/linear.h"
#include "base/pure_c.h"

TclsDropout
tcls_layer_dropout(const TclsTrainStep *step, int32_t layer, TclsDropoutPlace place, float probability)
{
	TclsDropout dropout = {0, 0};

	if (step != NULL && step->dropout)
	{
		dropout.key = tcls_rng_mix(step->dropout_seed, (uint64_t) layer * 8 + place);
		dropout.probability = probability;
	}
	return dropout;
}

TclsActivation
tcls_layer_activation(const TclsConfig *config)
{
	switch (config->hidden_act)
	{
		case TCLS_GELU_TANH:
			return TCLS_ACTIVATION_GELU_TANH;
		case TCLS_RELU:
			return TCLS_ACTIVATION_RELU;
		default:
			return TCLS_ACTIVATION_GELU;
	}
}

static size_t
token_count(const TclsLayerContext *context)
{
	return (size_t) context->sequences->starts[context->sequences->count];
}

static TclsAttention
attention_of(const TclsLayerContext *context, int32_t text, TclsDropout dropout)
{
	const TclsConfig *config = context->config;
	const int32_t *starts = context->sequences->starts;
	TclsAttention shape;

	shape.tokens = (size_t) (starts[text + 1] - starts[text]);
	shape.heads = (size_t) config->num_heads;
	shape.head_size = (size_t) (config->hidden_size / config->num_heads);
	shape.first_token = (size_t) starts[text];
	shape.dropout = dropout;
	return shape;
}

/* All texts and heads. */
static TclsStatus
attention_forward(float *out, float *logsum, const float *qkv, TclsDropout dropout, const TclsLayerContext *context)
{
	size_t		h = (size_t) context->config->hidden_size;

	for (int32_t text = 0; text < context->sequences->count; text++)
	{
		TclsAttention shape = attention_of(context, text, dropout);
		size_t		first = shape.first_token;

		for (size_t head = 0; head < shape.heads; head++)
		{
			TCLS_TRY(tcls_poll(context->host));
			tcls_attention_forward(out + first * h, logsum + first * shape.heads,
								   qkv + first * 3 * h, &shape, head, context->scratch.attention);
		}
	}
	return TCLS_OK;
}

static TclsStatus
attention_backward(float *dqkv, const float *dout, const TclsLayerSaved *saved, TclsDropout dropout,
				   const TclsLayerContext *context)
{
	size_t		h = (size_t) context->config->hidden_size;

	for (int32_t text = 0; text < context->sequences->count; text++)
	{
		TclsAttention shape = attention_of(context, text, dropout);
		size_t		first = shape.first_token;

		for (size_t head = 0; head < shape.heads; head++)
		{
			TCLS_TRY(tcls_poll(context->host));
			tcls_attention_backward(dqkv + first * 3 * h, dout + first * h, saved->qkv + first * 3 * h,
									saved->context + first * h, saved->logsum + first * shape.heads, &shape, head,
									context->scratch.attention);
		}
	}
	return TCLS_OK;
}

/* sum (rows, H) = residual + dropout(x weight^T + bias) from row first on. */
static TclsStatus
project_and_add(float *sum, const float *residual, const float *x, const float *weight, const float *bias,
				size_t rows, int32_t in, int32_t out, const TclsDropout *dropout, TclsHost *host)
{
	if (dropout->probability > 0)
		tcls_broadcast_rows(sum, bias, rows, (size_t) out);
	else
		tcls_broadcast_add(sum, residual, bias, rows, (size_t) out);
	TCLS_TRY(tcls_linear_forward(sum, x, weight, rows, in, out, host));
	if (dropout->probability > 0)
		tcls_dropout_add(sum, sum, residual, dropout, rows, (size_t) out);
	return TCLS_OK;
}

static TclsStatus
feed_forward(TclsLayerSaved *saved, const TclsLayerWeights *weights, const TclsDropout *dropout,
			 const TclsLayerContext *context)
{
	const TclsConfig *config = context->config;
	size_t		tokens = token_count(context);
	int32_t		h = config->hidden_size;
	int32_t		f = config->intermediate_size;
	float	   *active = context->scratch.wide; /* (T, F) */

	tcls_broadcast_rows(saved->up, weights->up_bias, tokens, (size_t) f);
	TCLS_TRY(tcls_linear_forward(saved->up, saved->attention_normed, weights->up_weight, tokens, h, f, context->host));
	tcls_activation_forward(active, saved->up, tcls_layer_activation(config), tokens * (size_t) f);
	return project_and_add(saved->output_sum, saved->attention_normed, active, weights->down_weight,
						   weights->down_bias, tokens, f, h, dropout, context->host);
}

TclsStatus
tcls_layer_forward(TclsLayerSaved *saved, const TclsLayerWeights *weights, int32_t layer,
				   const TclsLayerContext *context)
{
	const TclsConfig *config = context->config;
	const TclsTrainStep *step = context->step;
	size_t		tokens = token_count(context);
	int32_t		h = config->hidden_size;
	size_t		width = (size_t) h;
	TclsDropout probabilities = tcls_layer_dropout(step, layer, TCLS_DROPOUT_ATTENTION, config->attention_dropout);
	TclsDropout middle = tcls_layer_dropout(step, layer, TCLS_DROPOUT_ATTENTION_OUTPUT, config->hidden_dropout);
	TclsDropout end = tcls_layer_dropout(step, layer, TCLS_DROPOUT_OUTPUT, config->hidden_dropout);

	tcls_broadcast_rows(saved->qkv, weights->qkv_bias, tokens, 3 * width);
	TCLS_TRY(tcls_linear_forward(saved->qkv, saved->input, weights->qkv_weight, tokens, h, 3 * h, context->host));
	TCLS_TRY(attention_forward(saved->context, saved->logsum, saved->qkv, probabilities, context));
	TCLS_TRY(project_and_add(saved->attention_sum, saved->input, saved->context, weights->attention_output_weight,
							 weights->attention_output_bias, tokens, h, h, &middle, context->host));
	tcls_layernorm_forward(saved->attention_normed, saved->attention_mean, saved->attention_rstd,
						   saved->attention_sum, weights->attention_norm_weight, weights->attention_norm_bias,
						   config->layer_norm_eps, tokens, width);
	TCLS_TRY(feed_forward(saved, weights, &end, context));
	tcls_layernorm_forward(saved->output, saved->output_mean, saved->output_rstd, saved->output_sum,
						   weights->output_norm_weight, weights->output_norm_bias, config->layer_norm_eps, tokens,
						   width);
	return TCLS_OK;
}

/* The gradient in front of a dropout: masked into other, or itself where there is none. */
static const float *
undrop(float *other, const float *gradient, const TclsDropout *dropout, size_t rows, size_t columns)
{
	if (dropout->probability == 0)
		return gradient;
	tcls_dropout(other, gradient, dropout, rows, columns);
	return other;
}

/* gradient of output_sum -> gradient of attention_normed, in place. */
static TclsStatus
feed_forward_backward(float *gradient, float *other, const TclsLayerWeights *gradients, const TclsLayerSaved *saved,
					  const TclsLayerWeights *weights, const TclsDropout *dropout, const TclsLayerContext *context)
{
	const TclsConfig *config = context->config;
	size_t		tokens = token_count(context);
	int32_t		h = config->hidden_size;
	int32_t		f = config->intermediate_size;
	float	   *dup = context->scratch.wide;	/* (T, F) */
	const float *dout = undrop(other, gradient, dropout, tokens, (size_t) h);

	TCLS_TRY(tcls_linear_backward_input(dup, dout, weights->down_weight, tokens, f, h, false, context->host));
	tcls_activation_backward(dup, saved->up, dup, saved->up, tcls_layer_activation(config), tokens * (size_t) f);
	TCLS_TRY(tcls_linear_backward_weight(gradients->down_weight, gradients->down_bias, dout, saved->up, tokens, f, h,
										 context->host));
	TCLS_TRY(tcls_linear_backward_weight(gradients->up_weight, gradients->up_bias, dup, saved->attention_normed,
										 tokens, h, f, context->host));
	return tcls_linear_backward_input(gradient, dup, weights->up_weight, tokens, h, f, true, context->host);
}

/* gradient of attention_sum -> gradient of the layer's input, in place. */
static TclsStatus
self_attention_backward(float *gradient, float *other, const TclsLayerWeights *gradients, const TclsLayerSaved *saved,
						const TclsLayerWeights *weights, int32_t layer, bool wants_input,
						const TclsLayerContext *context)
{
	const TclsConfig *config = context->config;
	size_t		tokens = token_count(context);
	int32_t		h = config->hidden_size;
	float	   *dqkv = context->scratch.wide;	/* (T, 3H) */
	float	   *dcontext = dqkv + tokens * 3 * (size_t) h;	/* (T, H) */
	TclsDropout middle = tcls_layer_dropout(context->step, layer, TCLS_DROPOUT_ATTENTION_OUTPUT,
											config->hidden_dropout);
	TclsDropout probabilities = tcls_layer_dropout(context->step, layer, TCLS_DROPOUT_ATTENTION,
												   config->attention_dropout);
	const float *dout = undrop(other, gradient, &middle, tokens, (size_t) h);

	TCLS_TRY(tcls_linear_backward_weight(gradients->attention_output_weight, gradients->attention_output_bias, dout,
										 saved->context, tokens, h, h, context->host));
	TCLS_TRY(tcls_linear_backward_input(dcontext, dout, weights->attention_output_weight, tokens, h, h, false,
										context->host));
	TCLS_TRY(attention_backward(dqkv, dcontext, saved, probabilities, context));
	TCLS_TRY(tcls_linear_backward_weight(gradients->qkv_weight, gradients->qkv_bias, dqkv, saved->input, tokens, h,
										 3 * h, context->host));
	if (wants_input)
		TCLS_TRY(tcls_linear_backward_input(gradient, dqkv, weights->qkv_weight, tokens, h, 3 * h, true,
											context->host));
	return TCLS_OK;
}

TclsStatus
tcls_layer_backward(float *gradient, float *other, const TclsLayerWeights *gradients, const TclsLayerSaved *saved,
					const TclsLayerWeights *weights, int32_t layer, bool wants_input, const TclsLayerContext *context)
{
	const TclsConfig *config = context->config;
	size_t		tokens = token_count(context);
	size_t		width = (size_t) config->hidden_size;
	TclsDropout end = tcls_layer_dropout(context->step, layer, TCLS_DROPOUT_OUTPUT, config->hidden_dropout);

	tcls_layernorm_backward(gradient, gradients->output_norm_weight, gradients->output_norm_bias, gradient,
							saved->output_sum, saved->output_mean, saved->output_rstd, weights->output_norm_weight,
							tokens, width);
	TCLS_TRY(feed_forward_backward(gradient, other, gradients, saved, weights, &end, context));
	tcls_layernorm_backward(gradient, gradients->attention_norm_weight, gradients->attention_norm_bias, gradient,
							saved->attention_sum, saved->attention_mean, saved->attention_rstd,
							weights->attention_norm_weight, tokens, width);
	return self_attention_backward(gradient, other, gradients, saved, weights, layer, wants_input, context);
}
