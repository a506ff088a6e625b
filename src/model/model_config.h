/*
 * model_config.h
 *		config.json between its JSON and TclsModelConfig; see model.h for whole texts.
 *
 * Ours beside Hugging Face's words, so that a stored config says all by itself:
 *		textcls_head			none, linear, dense_tanh, dense_relu
 *		textcls_pooling			mean, cls, max
 *		textcls_problem_type	binary (the other kinds are problem_type's)
 *		textcls_max_length		tokens a text is cut to
 *		textcls_normalizes		embeddings are unit vectors
 */
#ifndef TEXTCLS_MODEL_CONFIG_H
#define TEXTCLS_MODEL_CONFIG_H

#include <jansson.h>

#include "model/model.h"

#define TCLS_MAX_LABELS 10000
#define TCLS_MAX_LABEL_SIZE 255 /* bytes */
#define TCLS_MAX_LENGTH 512		/* default limit of tokens, where a model could take more */

extern TclsStatus tcls_model_config_parse(TclsModelConfig *out, const json_t *json, TclsHost *host);

/*
 * What the other rooms rely on: numbers that the encoder can run, labels that fit its
 * outputs, a family that exists, texts no longer than the positions.
 */
extern TclsStatus tcls_model_config_check(const TclsModelConfig *config, TclsHost *host);

/* The tokenizer gives no id that the embedding has no row for. */
extern TclsStatus tcls_model_check_vocabulary(const TclsTokenizer *tokenizer, const TclsConfig *numbers,
											  TclsHost *host);

/* Set the members of ours, and with a head its labels; the numbers stay as they are. */
extern TclsStatus tcls_model_config_annotate(json_t *json, const TclsModelConfig *config, TclsHost *host);

/* Append JSON for people: indented, numbers as short as they can be. */
extern TclsStatus tcls_model_config_dump(TclsBytes *out, const json_t *json, TclsHost *host);

#endif							/* TEXTCLS_MODEL_CONFIG_H */
