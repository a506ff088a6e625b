/*
 * sentence_modules.h
 *		What the files of sentence-transformers and of tokenizers say beside config.json.
 */
#ifndef TEXTCLS_SENTENCE_MODULES_H
#define TEXTCLS_SENTENCE_MODULES_H

#include "model/import.h"

/* The file of this name, or NULL. */
extern const TclsFile *tcls_import_find(const TclsFile *files, int32_t count, const char *name);

/*
 * Pooling and normalisation of an encoder out of modules.json and 1_Pooling/config.json,
 * where they are; a module that we cannot run is TCLS_UNSUPPORTED.
 */
extern TclsStatus tcls_sentence_modules_read(TclsModelConfig *config, const TclsFile *files, int32_t count,
											 TclsHost *host);

/* Lower *max_length to the limits of tokenizer_config.json and sentence_bert_config.json. */
extern TclsStatus tcls_sentence_limits_read(int32_t *max_length, const TclsFile *files, int32_t count, TclsHost *host);

#endif							/* TEXTCLS_SENTENCE_MODULES_H */
