/*
 * weights.h
 *		All parameters of a model: one block of floats, named pointers into it.
 *
 * The plan lists the parameters in block order under canonical names, which are
 * BERT's without the "bert." prefix: "embeddings.word_embeddings.weight",
 * "encoder.layer.0.attention.self.query.weight", ..., "head.dense.weight",
 * "classifier.weight".  Query, key and value of a layer lie side by side, so
 * that they are one (3H, H) matrix and one (3H) bias.  Each tensor begins at a
 * multiple of 16 floats except key and value, which follow query with no gap.
 *
 * Gradients and optimizer moments use the same plan and struct.
 */
#ifndef TEXTCLS_WEIGHTS_H
#define TEXTCLS_WEIGHTS_H

#include "encoder/config.h"

typedef struct TclsParameter
{
	char		name[64];
	int32_t		rank;			/* 1 or 2 */
	int64_t		shape[2];		/* row-major, (out, in) for matrices */
	size_t		offset;			/* floats from the start of the block */
	size_t		count;			/* floats */
	int32_t		layer;			/* 0 embeddings, 1..L encoder layers, L + 1 head */
	bool		decays;			/* weight decay applies: matrices; not biases, not layer norms */
} TclsParameter;

typedef struct TclsParameterPlan
{
	TclsParameter *items;
	int32_t		count;
	size_t		total;			/* floats of the block, gaps included */
	size_t		parameters;		/* floats without gaps */
} TclsParameterPlan;

typedef struct TclsLayerWeights
{
	float	   *qkv_weight;		/* (3H, H) */
	float	   *qkv_bias;		/* (3H) */
	float	   *attention_output_weight;	/* (H, H) */
	float	   *attention_output_bias;	/* (H) */
	float	   *attention_norm_weight;	/* (H) */
	float	   *attention_norm_bias;	/* (H) */
	float	   *up_weight;		/* (F, H) */
	float	   *up_bias;		/* (F) */
	float	   *down_weight;	/* (H, F) */
	float	   *down_bias;		/* (H) */
	float	   *output_norm_weight; /* (H) */
	float	   *output_norm_bias;	/* (H) */
} TclsLayerWeights;

typedef struct TclsWeights
{
	float	   *block;
	float	   *word_embedding; /* (V, H) */
	float	   *position_embedding; /* (P, H) */
	float	   *token_type_embedding;	/* (type_vocab_size, H) or NULL */
	float	   *embedding_norm_weight;	/* (H) */
	float	   *embedding_norm_bias;	/* (H) */
	TclsLayerWeights *layers;	/* (L) */
	float	   *dense_weight;	/* (H, H) or NULL */
	float	   *dense_bias;		/* (H) or NULL */
	float	   *classifier_weight;	/* (K, H) or NULL */
	float	   *classifier_bias;	/* (K) or NULL */
} TclsWeights;

/* The plan of a checked config; from the host, the caller's. */
extern TclsStatus tcls_parameter_plan_create(TclsParameterPlan *out, const TclsConfig *config, TclsHost *host);
extern void tcls_parameter_plan_destroy(TclsParameterPlan *plan, TclsHost *host);

/* Point into a block of plan->total floats, which is borrowed. */
extern TclsStatus tcls_weights_bind(TclsWeights *out, const TclsConfig *config, const TclsParameterPlan *plan,
									float *block, TclsHost *host);

/*
 * BERT's initialisation of the parameters of layers >= first_layer: matrices
 * normal with standard deviation 0.02, biases 0, norm weights 1.
 */
extern void tcls_weights_initialize(float *block, const TclsParameterPlan *plan, int32_t first_layer, uint64_t seed);

#endif							/* TEXTCLS_WEIGHTS_H */
