/*
 * network.c
 *		A training step: encoder, pooling and head as a list of layer calls.
 *
 * A step lays all that it keeps into one block of the arena:
 *
 *		[saved of each trained layer | scratch | hidden | embeddings | gradients | head]
 *
 * Layers below first_layer run as inference and keep nothing.
 */
#include <string.h>

#include "encoder/head.h"
#include "encoder/layer.h"
#include "encoder/loss.h"
#include "base/pure_c.h"

#define ALIGN_FLOATS (TCLS_ALIGNMENT / sizeof(float))

/* A chunk for the small array of a step and the header of the one for its block. */
#define ARENA_OVERHEAD (((size_t) 1 << 20) + 1024)

typedef struct Activations
{
	TclsLayerScratch scratch;
	float	   *hidden;			/* (T, H) input of the first trained layer */
	float	   *embedding_sum;	/* (T, H) before its norm; this and the next two if embeddings are trained */
	float	   *embedding_mean; /* (T) */
	float	   *embedding_rstd; /* (T) */
	TclsLayerSaved *layers;		/* (L), those from first_layer on filled */
	float	   *gradient;		/* (T, H) */
	float	   *other;			/* (T, H) */
	TclsHeadSaved head;
	float	   *logits;			/* (B, K) */
	float	   *dlogits;		/* (B, K) */
	float	   *dpooled;		/* (B, H) */
} Activations;

/* Deals a block out, or only counts when there is none. */
typedef struct Dealer
{
	float	   *block;
	size_t		used;			/* floats */
} Dealer;

static float *
deal(Dealer *dealer, size_t rows, size_t columns)
{
	size_t		at = dealer->used;

	dealer->used += (rows * columns + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
	return dealer->block == NULL ? NULL : dealer->block + at;
}

static void
deal_scratch(TclsLayerScratch *scratch, Dealer *dealer, const TclsConfig *config, const TclsExtent *extent)
{
	size_t		h = (size_t) config->hidden_size;
	size_t		f = (size_t) config->intermediate_size;

	scratch->wide = deal(dealer, extent->tokens, f > 4 * h ? f : 4 * h);
	scratch->attention = deal(dealer, 1, tcls_attention_scratch(extent->longest, h / (size_t) config->num_heads));
}

static void
deal_layer(TclsLayerSaved *saved, Dealer *dealer, const TclsConfig *config, size_t tokens)
{
	size_t		h = (size_t) config->hidden_size;

	saved->qkv = deal(dealer, tokens, 3 * h);
	saved->logsum = deal(dealer, tokens, (size_t) config->num_heads);
	saved->context = deal(dealer, tokens, h);
	saved->attention_sum = deal(dealer, tokens, h);
	saved->attention_mean = deal(dealer, tokens, 1);
	saved->attention_rstd = deal(dealer, tokens, 1);
	saved->attention_normed = deal(dealer, tokens, h);
	saved->up = deal(dealer, tokens, (size_t) config->intermediate_size);
	saved->output_sum = deal(dealer, tokens, h);
	saved->output_mean = deal(dealer, tokens, 1);
	saved->output_rstd = deal(dealer, tokens, 1);
	saved->output = deal(dealer, tokens, h);
}

static void
deal_head(TclsHeadSaved *head, Dealer *dealer, const TclsConfig *config, size_t texts)
{
	size_t		h = (size_t) config->hidden_size;

	head->pooled = deal(dealer, texts, h);
	head->dense = deal(dealer, texts, h);
	head->features = deal(dealer, texts, h);
}

/* acts->layers is set before, or NULL when only counting. */
static void
deal_activations(Activations *acts, Dealer *dealer, const TclsConfig *config, const TclsExtent *extent,
				 int32_t first_layer)
{
	size_t		h = (size_t) config->hidden_size;
	size_t		k = (size_t) config->num_outputs;
	int32_t		first = first_layer < 1 ? 1 : first_layer;

	for (int32_t layer = first; layer <= config->num_layers; layer++)
	{
		TclsLayerSaved saved = {NULL};

		deal_layer(&saved, dealer, config, extent->tokens);
		if (acts->layers != NULL)
			acts->layers[layer - 1] = saved;
	}
	deal_scratch(&acts->scratch, dealer, config, extent);
	acts->hidden = deal(dealer, extent->tokens, h);
	if (first_layer < 1)
	{
		acts->embedding_sum = deal(dealer, extent->tokens, h);
		acts->embedding_mean = deal(dealer, extent->tokens, 1);
		acts->embedding_rstd = deal(dealer, extent->tokens, 1);
	}
	if (first_layer <= config->num_layers)
	{
		acts->gradient = deal(dealer, extent->tokens, h);
		acts->other = deal(dealer, extent->tokens, h);
	}
	deal_head(&acts->head, dealer, config, extent->texts);
	acts->logits = deal(dealer, extent->texts, k);
	acts->dlogits = deal(dealer, extent->texts, k);
	acts->dpooled = deal(dealer, extent->texts, h);
}

/* The embeddings with what their backward needs. */
static void
embed_training(Activations *acts, const TclsWeights *weights, const TclsDropout *dropout,
			   const TclsLayerContext *context)
{
	const TclsSequences *sequences = context->sequences;
	size_t		h = (size_t) context->config->hidden_size;
	size_t		tokens = (size_t) sequences->starts[sequences->count];

	tcls_embedding_forward(acts->embedding_sum, weights->word_embedding, weights->position_embedding,
						   weights->token_type_embedding, sequences->ids, sequences->starts,
						   (size_t) sequences->count, h);
	tcls_layernorm_forward(acts->hidden, acts->embedding_mean, acts->embedding_rstd, acts->embedding_sum,
						   weights->embedding_norm_weight, weights->embedding_norm_bias,
						   context->config->layer_norm_eps, tokens, h);
	if (dropout->probability > 0)
		tcls_dropout(acts->hidden, acts->hidden, dropout, tokens, h);
}

static void
embed_backward(float *gradient, const TclsWeights *gradients, const Activations *acts, const TclsWeights *weights,
			   const TclsDropout *dropout, const TclsLayerContext *context)
{
	const TclsSequences *sequences = context->sequences;
	size_t		h = (size_t) context->config->hidden_size;
	size_t		tokens = (size_t) sequences->starts[sequences->count];

	if (dropout->probability > 0)
		tcls_dropout(gradient, gradient, dropout, tokens, h);
	tcls_layernorm_backward(gradient, gradients->embedding_norm_weight, gradients->embedding_norm_bias, gradient,
							acts->embedding_sum, acts->embedding_mean, acts->embedding_rstd,
							weights->embedding_norm_weight, tokens, h);
	tcls_embedding_backward(gradients->word_embedding, gradients->position_embedding, gradients->token_type_embedding,
							gradient, sequences->ids, sequences->starts, (size_t) sequences->count, h);
}

/* Forward through the encoder; *last gets the hidden states (T, H) after the last layer. */
static TclsStatus
encode_training(const float **last, Activations *acts, const TclsWeights *weights, const TclsLayerContext *context,
				TclsArena *arena)
{
	const TclsConfig *config = context->config;
	int32_t		first = context->step->first_layer;
	TclsDropout dropout = tcls_layer_dropout(context->step, 0, TCLS_DROPOUT_EMBEDDING, config->hidden_dropout);

	if (first < 1)
		embed_training(acts, weights, &dropout, context);
	else
		TCLS_TRY(tcls_inference_hidden(acts->hidden, context->step->frozen, first - 1, context->sequences, arena,
									   context->host));
	*last = acts->hidden;
	for (int32_t layer = first < 1 ? 1 : first; layer <= config->num_layers; layer++)
	{
		TclsLayerSaved *saved = &acts->layers[layer - 1];

		saved->input = *last;
		TCLS_TRY(tcls_layer_forward(saved, &weights->layers[layer - 1], layer, context));
		*last = saved->output;
	}
	return TCLS_OK;
}

/* From acts->dpooled down to the first trained layer. */
static TclsStatus
encode_backward(const TclsWeights *gradients, const float *last, Activations *acts, const TclsWeights *weights,
				const TclsLayerContext *context)
{
	const TclsConfig *config = context->config;
	int32_t		first = context->step->first_layer;
	TclsDropout dropout = tcls_layer_dropout(context->step, 0, TCLS_DROPOUT_EMBEDDING, config->hidden_dropout);

	if (first > config->num_layers)
		return TCLS_OK;
	tcls_head_pool_backward(acts->gradient, acts->dpooled, last, config, context->sequences);
	for (int32_t layer = config->num_layers; layer >= first && layer >= 1; layer--)
		TCLS_TRY(tcls_layer_backward(acts->gradient, acts->other, &gradients->layers[layer - 1],
									 &acts->layers[layer - 1], &weights->layers[layer - 1], layer,
									 layer > first, context));
	if (first < 1)
		embed_backward(acts->gradient, gradients, acts, weights, &dropout, context);
	return TCLS_OK;
}

/* Loss of acts->logits, and acts->dlogits. */
static TclsStatus
loss_and_gradient(double *loss, Activations *acts, const TclsConfig *config, const TclsTargets *targets,
				  double normalizer, int32_t count, TclsHost *host)
{
	double		sum;
	double		weight;
	double		scale;

	TCLS_TRY(tcls_network_loss(&sum, &weight, acts->logits, config, targets, count, host));
	if (normalizer == 0)
		normalizer = weight;
	/* Class weights of 0 can take all weight from a batch: then nothing is learnt from it. */
	scale = normalizer > 0 ? 1.0 / normalizer : 0.0;
	*loss = sum * scale;
	tcls_loss_backward(acts->dlogits, acts->logits, config, targets, scale, count);
	return TCLS_OK;
}

TclsStatus
tcls_network_train(double *loss, float *logits, const TclsWeights *gradients, const TclsWeights *weights,
				   const TclsConfig *config, const TclsSequences *sequences, const TclsTargets *targets,
				   const TclsTrainStep *step, TclsArena *arena, TclsHost *host)
{
	TclsLayerContext context = {config, sequences, step, {NULL, NULL}, host};
	Dealer		dealer = {NULL, 0};
	Activations acts;
	TclsExtent	extent;
	const float *last;

	memset(&acts, 0, sizeof(acts));
	if (config->head == TCLS_HEAD_NONE)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "the model has no classification head");
	TCLS_TRY(tcls_sequences_check(&extent, sequences, config, host));
	TCLS_TRY(tcls_arena_alloc(&acts.layers, (size_t) config->num_layers, sizeof(TclsLayerSaved), arena));
	deal_activations(&acts, &dealer, config, &extent, step->first_layer);
	TCLS_TRY(tcls_arena_alloc(&dealer.block, dealer.used, sizeof(float), arena));
	dealer.used = 0;
	deal_activations(&acts, &dealer, config, &extent, step->first_layer);
	context.scratch = acts.scratch;

	TCLS_TRY(encode_training(&last, &acts, weights, &context, arena));
	tcls_head_pool(acts.head.pooled, last, config, sequences);
	TCLS_TRY(tcls_head_forward(acts.logits, &acts.head, weights, config, step, sequences->count, host));
	if (logits != NULL)
		memcpy(logits, acts.logits, extent.texts * (size_t) config->num_outputs * sizeof(float));
	TCLS_TRY(loss_and_gradient(loss, &acts, config, targets, step->normalizer, sequences->count, host));
	TCLS_TRY(tcls_head_backward(acts.dpooled, gradients, acts.dlogits, &acts.head, weights, config, step,
								sequences->count, host));
	return encode_backward(gradients, last, &acts, weights, &context);
}

size_t
tcls_network_train_bytes(const TclsConfig *config, int64_t tokens, int32_t longest)
{
	TclsExtent	extent = {(size_t) tokens, (size_t) tokens, (size_t) longest};
	Dealer		dealer = {NULL, 0};
	Activations acts;

	memset(&acts, 0, sizeof(acts));
	deal_activations(&acts, &dealer, config, &extent, 0);
	return dealer.used * sizeof(float) + (size_t) config->num_layers * sizeof(TclsLayerSaved) + ARENA_OVERHEAD;
}
