/*
 * network.h
 *		Encoder, pooling and head together: what the rooms above call.
 *
 * Batches have variable length and no padding: the tokens of all texts lie end
 * to end.  A text's result does not depend on its batch mates beyond rounding.
 * Gradients are added (+=) to parameters, activations are assigned (=).
 *
 * The weight of a text in a loss: class_weights[label] for single label (1 without); 1 for
 * binary and multi-label, where PyTorch's mean does not divide by the weights.
 */
#ifndef TEXTCLS_NETWORK_H
#define TEXTCLS_NETWORK_H

#include "base/arena.h"
#include "encoder/weights.h"

typedef struct TclsSequences
{
	const int32_t *ids;			/* (T) token ids, each in 0..V-1 */
	const int32_t *starts;		/* (B + 1) first token of each text, starts[B] = T */
	int32_t		count;			/* B */
} TclsSequences;

/*
 * logits (B, K) and pooled (B, H) of a batch; either may be NULL.  pooled is the
 * pooled hidden state before any head.  Every text needs 1..P tokens, and ids must be in
 * range (checked: TCLS_BAD_ARGUMENT).  Scratch comes from the arena, which the caller resets.
 */
extern TclsStatus tcls_network_forward(float *logits, float *pooled, const TclsWeights *weights,
									   const TclsConfig *config, const TclsSequences *sequences,
									   TclsArena *arena, TclsHost *host);

/* The hidden states after the last layer, (T, H). */
extern TclsStatus tcls_network_hidden(float *hidden, const TclsWeights *weights, const TclsConfig *config,
									  const TclsSequences *sequences, TclsArena *arena, TclsHost *host);

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
