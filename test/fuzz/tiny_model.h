/*
 * tiny_model.h
 *		A directory of the smallest model, made here, so that a run of a target takes microseconds.
 */
#ifndef TEXTCLS_TINY_MODEL_H
#define TEXTCLS_TINY_MODEL_H

#include "model_fixture.h"

#define TINY_VOCABULARY "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##c\nthe\ncafe\n!\n"

/* A one-layer model of the config with every parameter 0.25; all memory of the host. */
extern TclsStatus tiny_model_make(TclsModel *model, const char *config, TclsHost *host);

/*
 * Its directory: config.json, vocab.txt, tokenizer_config.json, one shard with its index, and
 * for an encoder the files of sentence-transformers.
 */
extern void tiny_model_directory(Fixture *fixture, const char *config);

extern const char *const tiny_bert; /* config.json of an encoder */
extern const char *const tiny_classifier;	/* of BERT's classifier */
extern const char *const tiny_distilbert;	/* of a multi-label classifier */

/* Images in the corpus are packed for this kernel, which every machine has. */
#define TINY_LAYOUT "fp32-plain-1"

#define TINY_SHARD "model-00001-of-00001.safetensors"
#define TINY_INDEX "model.safetensors.index.json"

#endif							/* TEXTCLS_TINY_MODEL_H */
