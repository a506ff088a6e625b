/*
 * network.h
 *		Training of encoder, pooling and head together, and what comes behind the logits.
 *
 * Inference has a file of its own, inference.h.  Gradients are added (+=) to parameters, activations are assigned (=).
 *
 * The weight of a text in a loss: class_weights[label] for single label (1 without); 1 for
 * binary and multi-label, where PyTorch's mean does not divide by the weights.
 */
#ifndef TEXTCLS_NETWORK_H
#define TEXTCLS_NETWORK_H

#include "encoder/inference.h"

/* Logits to probabilities in place, (B, K): softmax or sigmoid as the problem says. */
extern void tcls_network_probabilities(float *logits, const TclsConfig *config, int32_t count);

typedef struct TclsTargets
{
	const int32_t *labels;		/* (B) for single label and binary, else NULL */
	const float *multi;			/* (B, K) of 0 and 1 for multi-label, else NULL */
	const float *class_weights; /* (K, for binary 2) or NULL */
	float		label_smoothing;	/* single label only */
} TclsTargets;

typedef struct TclsTrainStep
{
	uint64_t	dropout_seed;	/* differs from step to step; masks are functions of it */
	bool		dropout;		/* in the layers that are trained, frozen ones run as in inference */
	int32_t		first_layer;	/* gradients of layers below are neither computed nor wanted; L + 1: head only */
	const TclsInference *frozen;	/* packed weights of the layers below first_layer; NULL if that is 0 */
	double		normalizer;		/* the loss is the sum over texts divided by this (0: by the weight of this batch) */
} TclsTrainStep;

/*
 * Forward and backward of one batch.  *loss gets the loss (weighted mean as
 * PyTorch's cross_entropy / binary_cross_entropy_with_logits reduce it); its
 * gradients are added to gradients.  logits (B, K) may be NULL.
 */
extern TclsStatus tcls_network_train(double *loss, float *logits, const TclsWeights *gradients,
									 const TclsWeights *weights, const TclsConfig *config,
									 const TclsSequences *sequences, const TclsTargets *targets,
									 const TclsTrainStep *step, TclsArena *arena, TclsHost *host);

/* The loss of given logits alone, as above, for evaluation: sum over texts and sum of weights. */
extern TclsStatus tcls_network_loss(double *loss_sum, double *weight_sum, const float *logits,
									const TclsConfig *config, const TclsTargets *targets, int32_t count,
									TclsHost *host);

/* An upper bound of the arena bytes that a training step over tokens in texts of at most longest tokens needs. */
extern size_t tcls_network_train_bytes(const TclsConfig *config, int64_t tokens, int32_t longest);

#endif							/* TEXTCLS_NETWORK_H */
