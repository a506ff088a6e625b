/*
 * inference.h
 *		The network on weights that were packed once for one kernel: what serves and evaluates.
 *
 *		block:	[embeddings, norm | of each layer: qkv, projection, up, down, biases, norms | head]
 *				each piece at a multiple of 64 bytes; the four matrices of a layer in the kernel's
 *				layout, everything else in fp32
 *
 * Embeddings and head stay in fp32: they cost nothing, and the head decides.
 */
#ifndef TEXTCLS_INFERENCE_H
#define TEXTCLS_INFERENCE_H

#include "base/arena.h"
#include "encoder/sequences.h"
#include "encoder/weights.h"
#include "kernels/packed.h"

/* The matrices of a layer in the kernel's layout. */
typedef struct TclsPackedLayer
{
	const void *qkv;			/* (3H, H) */
	const void *attention_output;	/* (H, H) */
	const void *up;				/* (F, H) */
	const void *down;			/* (H, F) */
} TclsPackedLayer;

typedef struct TclsInference
{
	TclsConfig	config;
	const TclsPackedKernel *kernel;
	const void *block;			/* borrowed, read-only */
	TclsWeights weights;		/* all that is not packed; the matrices of its layers are NULL */
	TclsPackedLayer *layers;	/* (L) */
} TclsInference;

/* Bytes of the block of a checked config. */
extern size_t tcls_inference_size(const TclsConfig *config, const TclsPackedKernel *kernel);

/* Fill a block (64-byte aligned). */
extern TclsStatus tcls_inference_pack(void *block, const TclsWeights *weights, const TclsConfig *config,
									  const TclsPackedKernel *kernel, TclsHost *host);

/* Point into a filled block, which is borrowed and only read; a few host allocations hold the small structs. */
extern TclsStatus tcls_inference_bind(TclsInference *out, const void *block, const TclsConfig *config,
									  const TclsPackedKernel *kernel, TclsHost *host);
extern void tcls_inference_free(TclsInference *inference, TclsHost *host);

/*
 * logits (B, K) and pooled (B, H) of a batch; either may be NULL.  pooled is the pooled hidden
 * state before any head.  A text's result does not depend on its batch mates beyond rounding.
 * Scratch comes from the arena, which the caller resets.
 */
extern TclsStatus tcls_inference_forward(float *logits, float *pooled, const TclsInference *inference,
										 const TclsSequences *sequences, TclsArena *arena, TclsHost *host);

/* The hidden states (T, H) after the first layers; 0 of them: of the embeddings. */
extern TclsStatus tcls_inference_hidden(float *hidden, const TclsInference *inference, int32_t layers,
										const TclsSequences *sequences, TclsArena *arena, TclsHost *host);

#endif							/* TEXTCLS_INFERENCE_H */
