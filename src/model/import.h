/*
 * import.h
 *		A Hugging Face model directory to the stored form and back.
 *
 * The files are given as bytes with their names relative to the directory, so
 * that a directory, large objects and bytea all come in the same way.  Used:
 * config.json, tokenizer.json or vocab.txt (with tokenizer_config.json),
 * model.safetensors or else all model-*.safetensors (checked against
 * model.safetensors.index.json, where that is given), and of sentence-transformers
 * modules.json, 1_Pooling/config.json and sentence_bert_config.json.  No name inside
 * a file is ever followed to anything but these given files.
 */
#ifndef TEXTCLS_IMPORT_H
#define TEXTCLS_IMPORT_H

#include "model/model.h"

typedef struct TclsFile
{
	const char *name;
	const void *data;
	size_t		size;
} TclsFile;

typedef struct TclsImported
{
	TclsBytes	config;			/* JSON to store */
	TclsBytes	tokenizer;		/* tokenizer.json to store */
	size_t		weights_size;	/* bytes of the safetensors file that tcls_import_write_weights writes */
	TclsModelConfig model;		/* parsed */
	const TclsFile *files;
	int32_t		count;
} TclsImported;

/* Which of the directory's names are wanted, so that the caller reads no others. */
extern bool tcls_import_wants(const char *name);

/* Check everything (as tcls_model_read does) and prepare config and tokenizer. */
extern TclsStatus tcls_import_prepare(TclsImported *out, const TclsFile *files, int32_t count, TclsHost *host);

/* All tensors of all shards, those of no use here too: name, dtype and bytes kept, so that an export loses none. */
extern TclsStatus tcls_import_write_weights(const TclsWriter *writer, const TclsImported *imported, TclsHost *host);

/*
 * The files of an exported directory: config.json, tokenizer.json, vocab.txt,
 * tokenizer_config.json, special_tokens_map.json.  model.safetensors is the stored object itself.
 * *files is an array from the host.
 */
extern TclsStatus tcls_export_files(TclsFile **files, int32_t *count, const TclsStoredModel *stored, TclsHost *host);

#endif							/* TEXTCLS_IMPORT_H */
