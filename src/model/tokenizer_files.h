/*
 * tokenizer_files.h
 *		The files of a directory that make a tokenizer.
 */
#ifndef TEXTCLS_TOKENIZER_FILES_H
#define TEXTCLS_TOKENIZER_FILES_H

#include "model/import.h"

/*
 * tokenizer.json as it is given, or made from vocab.txt and tokenizer_config.json.
 * Where both settings are given they must agree.  *tokenizer is the caller's.
 */
extern TclsStatus tcls_tokenizer_files_read(TclsTokenizer *tokenizer, TclsBytes *json, const TclsFile *files,
											int32_t count, TclsHost *host);

/* tokenizer_config.json and special_tokens_map.json of a stored model. */
extern TclsStatus tcls_tokenizer_files_write(TclsBytes *config, TclsBytes *special_tokens,
											 const TclsTokenizer *tokenizer, const TclsStoredModel *stored,
											 int32_t max_length, TclsHost *host);

#endif							/* TEXTCLS_TOKENIZER_FILES_H */
