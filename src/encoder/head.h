/*
 * head.h
 *		Pooling and classification head.
 *
 *		hidden -> pooled [-> dense -> tanh or relu] -> dropout -> classifier -> logits
 */
#ifndef TEXTCLS_HEAD_H
#define TEXTCLS_HEAD_H

#include "encoder/network.h"

typedef struct TclsHeadSaved
{
	float	   *pooled;			/* (B, H) */
	float	   *dense;			/* (B, H) before its activation; unused without a dense layer */
	float	   *features;		/* (B, H) input of the classifier */
} TclsHeadSaved;

/* pooled (B, H) from hidden (T, H) as the config says, and back. */
extern void tcls_head_pool(float *pooled, const float *hidden, const TclsConfig *config,
						   const TclsSequences *sequences);
extern void tcls_head_pool_backward(float *dhidden, const float *dpooled, const float *hidden,
									const TclsConfig *config, const TclsSequences *sequences);

/* logits (B, K) from saved->pooled; step NULL: inference. */
extern TclsStatus tcls_head_forward(float *logits, const TclsHeadSaved *saved, const TclsWeights *weights,
									const TclsConfig *config, const TclsTrainStep *step, int32_t count,
									TclsHost *host);

/* dpooled (B, H) from dlogits (B, K); saved->features is overwritten. */
extern TclsStatus tcls_head_backward(float *dpooled, const TclsWeights *gradients, const float *dlogits,
									 const TclsHeadSaved *saved, const TclsWeights *weights,
									 const TclsConfig *config, const TclsTrainStep *step, int32_t count,
									 TclsHost *host);

#endif							/* TEXTCLS_HEAD_H */
