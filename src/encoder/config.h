/*
 * config.h
 *		The numbers that make an encoder and its head, free of any file format.
 *
 * Letters for shapes, everywhere: T tokens of a batch end to end, B texts,
 * H hidden size, F intermediate size, L layers, A heads, V vocabulary,
 * P positions, K outputs of the head.
 */
#ifndef TEXTCLS_CONFIG_H
#define TEXTCLS_CONFIG_H

#include <stdbool.h>

#include "base/host.h"

typedef enum TclsHiddenAct
{
	TCLS_GELU,					/* x * Phi(x), by erf */
	TCLS_GELU_TANH,				/* gelu_new, gelu_pytorch_tanh */
	TCLS_RELU
} TclsHiddenAct;

typedef enum TclsPooling
{
	TCLS_POOL_MEAN,
	TCLS_POOL_CLS,
	TCLS_POOL_MAX
} TclsPooling;

typedef enum TclsHead
{
	TCLS_HEAD_NONE,				/* an encoder; K = 0 */
	TCLS_HEAD_LINEAR,			/* pooled -> classifier; ours */
	TCLS_HEAD_DENSE_TANH,		/* pooled -> dense -> tanh -> classifier; BERT's pooler */
	TCLS_HEAD_DENSE_RELU		/* pooled -> dense -> relu -> classifier; DistilBERT's pre_classifier */
} TclsHead;

typedef enum TclsProblem
{
	TCLS_SINGLE_LABEL,			/* softmax over K labels, cross entropy */
	TCLS_BINARY,				/* one logit (K = 1) for two labels, sigmoid; label 1 where p >= 0.5 */
	TCLS_MULTI_LABEL			/* K independent sigmoids, binary cross entropy */
} TclsProblem;

typedef struct TclsConfig
{
	int32_t		vocab_size;
	int32_t		hidden_size;
	int32_t		num_layers;
	int32_t		num_heads;
	int32_t		intermediate_size;
	int32_t		max_positions;
	int32_t		type_vocab_size;	/* 0: no token type embedding (DistilBERT) */
	float		layer_norm_eps;
	float		hidden_dropout;
	float		attention_dropout;
	float		classifier_dropout; /* before the classifier */
	TclsHiddenAct hidden_act;
	TclsPooling pooling;
	TclsHead	head;
	TclsProblem problem;
	int32_t		num_outputs;	/* K */
} TclsConfig;

/*
 * Ranges and divisibility (H % A = 0, all sizes positive and small enough that
 * no product below overflows), TCLS_UNSUPPORTED or TCLS_BAD_FILE with the culprit's name.
 */
extern TclsStatus tcls_config_check(const TclsConfig *config, TclsHost *host);

#endif							/* TEXTCLS_CONFIG_H */
