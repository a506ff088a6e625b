/*
 * layer.h
 *		One encoder layer: attention and feed-forward, each with residual and norm behind it.
 *
 *		x -> qkv -> attention -> dense + x -> norm -> up -> act -> down + residual -> norm -> y
 */
#ifndef TEXTCLS_LAYER_H
#define TEXTCLS_LAYER_H

#include "encoder/network.h"
#include "kernels/kernels.h"

/* The places of dropout; with the layer they name a mask. */
typedef enum TclsDropoutPlace
{
	TCLS_DROPOUT_EMBEDDING,
	TCLS_DROPOUT_ATTENTION,
	TCLS_DROPOUT_ATTENTION_OUTPUT,
	TCLS_DROPOUT_OUTPUT,
	TCLS_DROPOUT_CLASSIFIER
} TclsDropoutPlace;

/* Scratch that all layers share. */
typedef struct TclsLayerScratch
{
	float	   *wide;			/* (T, max(F, 4H)) */
	float	   *attention;		/* tcls_attention_scratch of the longest text */
} TclsLayerScratch;

/* What the backward of a layer needs of its forward. */
typedef struct TclsLayerSaved
{
	const float *input;			/* (T, H) output of the layer before */
	float	   *qkv;			/* (T, 3H) */
	float	   *logsum;			/* (T, A) */
	float	   *context;		/* (T, H) */
	float	   *attention_sum;	/* (T, H) before its norm */
	float	   *attention_mean; /* (T) */
	float	   *attention_rstd; /* (T) */
	float	   *attention_normed;	/* (T, H) */
	float	   *up;				/* (T, F) before the activation */
	float	   *output_sum;		/* (T, H) before its norm */
	float	   *output_mean;	/* (T) */
	float	   *output_rstd;	/* (T) */
	float	   *output;			/* (T, H) */
} TclsLayerSaved;

/* All that the layers of a batch have in common. */
typedef struct TclsLayerContext
{
	const TclsConfig *config;
	const TclsSequences *sequences;
	const TclsTrainStep *step;
	TclsLayerScratch scratch;
	TclsHost   *host;
} TclsLayerContext;

/* Between up and down. */
extern TclsActivation tcls_layer_activation(const TclsConfig *config);

/* The mask of a place; probability 0 where the step wants no dropout. */
extern TclsDropout tcls_layer_dropout(const TclsTrainStep *step, int32_t layer, TclsDropoutPlace place,
									  float probability);

/* saved->input is set; everything else in saved is filled. */
extern TclsStatus tcls_layer_forward(TclsLayerSaved *saved, const TclsLayerWeights *weights, int32_t layer,
									 const TclsLayerContext *context);

/*
 * gradient (T, H): that of the output on entry, that of the input on return, which is not
 * computed unless wanted.  other (T, H) is scratch.  saved->up is overwritten.
 */
extern TclsStatus tcls_layer_backward(float *gradient, float *other, const TclsLayerWeights *gradients,
									  const TclsLayerSaved *saved, const TclsLayerWeights *weights, int32_t layer,
									  bool wants_input, const TclsLayerContext *context);

#endif							/* TEXTCLS_LAYER_H */
