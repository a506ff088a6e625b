/*
 * kernels.h
 *		The ops of a transformer encoder on raw floats.
 *
 * Letters for shapes: T tokens of a batch end to end, B texts, H hidden size,
 * F intermediate size, A heads, D = H / A head size, V vocabulary, P positions,
 * K classes.  All matrices are row-major without gaps unless a stride is given.
 *
 * Gradients are added (+=) to parameters and assigned (=) to activations.
 * Nothing here allocates, fails or asks the host: sizes are checked above, and a
 * caller that has much work polls between calls.
 *
 * Each op has one body that is compiled for several instruction sets (variant.h).
 */
#ifndef TEXTCLS_KERNELS_H
#define TEXTCLS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- instruction sets (dispatch.c) ---- */

typedef enum TclsIsa
{
	TCLS_ISA_PLAIN,				/* what the compiler assumes of every CPU */
	TCLS_ISA_AVX2,				/* with FMA */
	TCLS_ISA_AVX512,			/* F, BW, DQ, VL */
	TCLS_ISA_AVX512_VNNI,
	TCLS_ISA_AMX				/* TILE, INT8, BF16, with the permission of the operating system */
} TclsIsa;

#define TCLS_ISA_COUNT 5
#define TCLS_ISA_BEST TCLS_ISA_AMX

extern bool tcls_isa_supported(TclsIsa isa);
extern TclsIsa tcls_isa(void);	/* in use: the best supported one unless selected */
extern void tcls_isa_select(TclsIsa best);	/* this one, or the best below it that the CPU has */
extern const char *tcls_isa_name(TclsIsa isa);

/* ---- dropout (dropout.c) ---- */

/*
 * The mask of one place in the network at one step: a function of the key and
 * the element's row and column, never stored.  probability 0: no dropout.
 */
typedef struct TclsDropout
{
	uint64_t	key;
	float		probability;	/* 0 <= p < 1 */
} TclsDropout;

/* y = x * mask / (1 - p), (rows, columns); y may be x.  The backward is the same map of the gradient. */
extern void tcls_dropout(float *y, const float *x, const TclsDropout *dropout, size_t rows, size_t columns);

/* y = residual + x * mask / (1 - p); y may be x or residual. */
extern void tcls_dropout_add(float *y, const float *x, const float *residual, const TclsDropout *dropout,
							 size_t rows, size_t columns);

/* ---- layer norm (layernorm.c) ---- */

/* y = (x - mean) * rstd * weight + bias, (T, H); mean and rstd (T) may both be NULL; y may be x. */
extern void tcls_layernorm_forward(float *y, float *mean, float *rstd, const float *x, const float *weight,
								   const float *bias, float epsilon, size_t rows, size_t columns);

/* dx = ..., dweight +=, dbias +=; dx may be dy; dweight and dbias may both be NULL. */
extern void tcls_layernorm_backward(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
									const float *mean, const float *rstd, const float *weight,
									size_t rows, size_t columns);

/* ---- activations (gelu.c) ---- */

typedef enum TclsActivation
{
	TCLS_ACTIVATION_GELU,
	TCLS_ACTIVATION_GELU_TANH,
	TCLS_ACTIVATION_RELU,
	TCLS_ACTIVATION_TANH
} TclsActivation;

extern void tcls_activation_forward(float *y, const float *x, TclsActivation activation, size_t count);

/* y = f(x) again, and dx = dy * f'(x); y may be x, dx may be dy. */
extern void tcls_activation_backward(float *dx, float *y, const float *dy, const float *x,
									 TclsActivation activation, size_t count);

/* ---- softmax and sigmoid (softmax.c) ---- */

/* y = softmax of each row, (rows, columns); y may be x. */
extern void tcls_softmax_forward(float *y, const float *x, size_t rows, size_t columns);

/* y = 1 / (1 + e^-x); y may be x. */
extern void tcls_sigmoid_forward(float *y, const float *x, size_t count);

/* ---- embedding (embedding.c) ---- */

/*
 * y (T, H) = word[ids[t]] + position[t - start of its text] + type; type (H) may
 * be NULL.  starts (B + 1).
 */
extern void tcls_embedding_forward(float *y, const float *word, const float *position, const float *type,
								   const int32_t *ids, const int32_t *starts, size_t texts, size_t columns);

extern void tcls_embedding_backward(float *dword, float *dposition, float *dtype, const float *dy,
									const int32_t *ids, const int32_t *starts, size_t texts, size_t columns);

/* ---- attention (attention.c, attention_forward.c) ---- */

typedef struct TclsAttention
{
	size_t		tokens;			/* n of this text */
	size_t		heads;			/* A */
	size_t		head_size;		/* D */
	size_t		first_token;	/* of this text in the batch: names the rows of the dropout mask */
	TclsDropout dropout;		/* of the probabilities */
} TclsAttention;

/* Floats of scratch (64-byte aligned) that both directions need for texts of at most so many tokens. */
extern size_t tcls_attention_scratch(size_t tokens, size_t head_size);

/* What the forward alone needs of it. */
extern size_t tcls_attention_forward_scratch(size_t tokens, size_t head_size);

/*
 * One head of one text: its columns of context (n, H) from those of qkv (n, 3H), whose
 * rows are query, key and value side by side.  logsum (n, A), which the backward
 * needs, may be NULL.
 */
extern void tcls_attention_forward(float *context, float *logsum, const float *qkv,
								   const TclsAttention *shape, size_t head, float *scratch);

/* The head's columns of dqkv (n, 3H) from those of dcontext (n, H). */
extern void tcls_attention_backward(float *dqkv, const float *dcontext, const float *qkv, const float *context,
									const float *logsum, const TclsAttention *shape, size_t head, float *scratch);

/* ---- pooling (pooling.c) ---- */

typedef enum TclsPoolKind
{
	TCLS_POOL_KIND_MEAN,
	TCLS_POOL_KIND_FIRST,
	TCLS_POOL_KIND_MAX
} TclsPoolKind;

/* y (B, H) from x (T, H). */
extern void tcls_pooling_forward(float *y, const float *x, TclsPoolKind kind, const int32_t *starts,
								 size_t texts, size_t columns);

/* dx (T, H); x is the input of the forward (read for the maximum only). */
extern void tcls_pooling_backward(float *dx, const float *dy, const float *x, TclsPoolKind kind,
								  const int32_t *starts, size_t texts, size_t columns);

/* ---- losses (crossentropy.c) ---- */

/*
 * Softmax cross entropy with class weights (K, or NULL) and label smoothing.
 * Returns the sum over texts; *weight_sum gets the sum of the labels' weights.
 */
extern double tcls_crossentropy_forward(double *weight_sum, const float *logits, const int32_t *labels,
										const float *weights, float smoothing, size_t texts, size_t classes);

/* dlogits = gradient of that sum times scale. */
extern void tcls_crossentropy_backward(float *dlogits, const float *logits, const int32_t *labels,
									   const float *weights, float smoothing, double scale,
									   size_t texts, size_t classes);

/* Binary cross entropy of logits (B, K) against targets (B, K) of 0..1, each element times weights (B, K) or 1. */
extern double tcls_binary_crossentropy_forward(const float *logits, const float *targets, const float *weights,
											   size_t count);
extern void tcls_binary_crossentropy_backward(float *dlogits, const float *logits, const float *targets,
											  const float *weights, double scale, size_t count);

/* ---- small sums (vector.c) ---- */

/* rows of y = x (columns), to begin a product with its bias. */
extern void tcls_broadcast_rows(float *y, const float *x, size_t rows, size_t columns);

/* y = residual + x in each row. */
extern void tcls_broadcast_add(float *y, const float *residual, const float *x, size_t rows, size_t columns);

/* y (columns) += the sum of the rows of x. */
extern void tcls_sum_rows(float *y, const float *x, size_t rows, size_t columns);

#endif							/* TEXTCLS_KERNELS_H */
