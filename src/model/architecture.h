/*
 * architecture.h
 *		The model families: how their files name what the encoder computes with.
 *
 * A further family that the encoder can run is a further entry in the table of
 * architecture.c and nothing else.
 */
#ifndef TEXTCLS_ARCHITECTURE_H
#define TEXTCLS_ARCHITECTURE_H

#include "encoder/config.h"

#define TCLS_TENSOR_NAME_SIZE 160	/* of the buffers below */

/* The numbers of a config.json; a family's key may be NULL when it has no such number. */
typedef enum TclsConfigKey
{
	TCLS_KEY_VOCAB_SIZE,
	TCLS_KEY_HIDDEN_SIZE,
	TCLS_KEY_NUM_LAYERS,
	TCLS_KEY_NUM_HEADS,
	TCLS_KEY_INTERMEDIATE_SIZE,
	TCLS_KEY_MAX_POSITIONS,
	TCLS_KEY_TYPE_VOCAB_SIZE,
	TCLS_KEY_LAYER_NORM_EPS,
	TCLS_KEY_HIDDEN_DROPOUT,
	TCLS_KEY_ATTENTION_DROPOUT,
	TCLS_KEY_CLASSIFIER_DROPOUT,
	TCLS_KEY_HIDDEN_ACT,
	TCLS_KEY_COUNT
} TclsConfigKey;

/* Replace the first occurrence of one text in a canonical parameter name by another. */
typedef struct TclsRename
{
	const char *from;			/* NULL ends a list */
	const char *to;
} TclsRename;

typedef struct TclsArchitecture
{
	const char *model_type;		/* of config.json */
	const char *base_class;		/* "architectures" of an encoder */
	const char *sequence_class; /* "architectures" of a classifier */
	const char *prefix;			/* of the encoder's tensors in a classifier */
	TclsHead	head;			/* of sequence_class */
	bool		dense_has_prefix;	/* the head's dense layer belongs to the encoder */
	float		layer_norm_eps; /* where the file gives none */
	float		classifier_dropout; /* where the file gives none; negative: as the hidden dropout */
	const char *keys[TCLS_KEY_COUNT];
	TclsRename	renames[12];
} TclsArchitecture;

/* NULL for an index out of range. */
extern const TclsArchitecture *tcls_architecture_get(int32_t index);

/* *index gets the family of config.json's "model_type"; TCLS_UNSUPPORTED names those there are. */
extern TclsStatus tcls_architecture_find(int32_t *index, const char *model_type, TclsHost *host);

/*
 * The name of a canonical parameter in the family's files.  Variants 0 to 3 are the
 * names met in files: bit 0 leaves the prefix out, bit 1 writes layer norms the
 * old way (gamma, beta).  False when the variant is no different from a lower one.
 */
extern bool tcls_architecture_tensor_name(char name[TCLS_TENSOR_NAME_SIZE], const TclsArchitecture *architecture,
										  const char *canonical, int variant);

#define TCLS_NAME_VARIANTS 4

#endif							/* TEXTCLS_ARCHITECTURE_H */
