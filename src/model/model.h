/*
 * model.h
 *		A model as it is trained and prepared, and the three texts it is stored as.
 *
 * Stored form of a version: config (JSON in Hugging Face's words), tokenizer
 * (tokenizer.json) and weights (one safetensors file under Hugging Face's tensor
 * names, in the data type it came in).  TclsModel is all of it in fp32; what serves is TclsPrepared.
 */
#ifndef TEXTCLS_MODEL_H
#define TEXTCLS_MODEL_H

#include "encoder/weights.h"
#include "tokenizer/tokenizer.h"

/* What a config.json says beyond the numbers: which model family, which labels. */
typedef struct TclsModelConfig
{
	TclsConfig	numbers;
	int32_t		architecture;	/* index of the family, see architecture.h */
	int32_t		max_length;		/* tokens a text is cut to: the model's own limit, at most 512 */
	bool		normalizes;		/* embed() gives unit vectors (sentence-transformers' Normalize) */
	char	  **labels;			/* (num_labels), NUL-terminated */
	int32_t		num_labels;		/* K; 2 for TCLS_BINARY; 0 without a head */
} TclsModelConfig;

typedef struct TclsModel
{
	TclsModelConfig config;
	TclsTokenizer tokenizer;
	TclsParameterPlan plan;
	TclsWeights weights;
} TclsModel;

typedef struct TclsStoredModel
{
	const char *config;			/* JSON */
	size_t		config_size;
	const char *tokenizer;		/* tokenizer.json */
	size_t		tokenizer_size;
	const void *weights;		/* safetensors */
	size_t		weights_size;
} TclsStoredModel;

/*
 * Read the stored form into memory of the host.  Everything is checked: names and
 * shapes against the plan, vocabulary against the embedding, finite values.
 */
extern TclsStatus tcls_model_read(TclsModel *out, const TclsStoredModel *stored, TclsHost *host);

/* Config JSON alone, e.g. for a view; labels come from the host. */
extern TclsStatus tcls_model_config_read(TclsModelConfig *out, const char *json, size_t size, TclsHost *host);

/* Config JSON in Hugging Face's words, ours included (pooling: "textcls_pooling", ...). */
extern TclsStatus tcls_model_config_write(TclsBytes *out, const TclsModelConfig *config, TclsHost *host);

/*
 * The safetensors file of a block of fp32 parameters under the family's tensor
 * names, data from a 64-byte boundary on.
 */
extern TclsStatus tcls_model_weights_write(const TclsWriter *writer, const TclsModelConfig *config,
										   const TclsParameterPlan *plan, const float *block, TclsHost *host);

#endif							/* TEXTCLS_MODEL_H */
