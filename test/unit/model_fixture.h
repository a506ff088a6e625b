/*
 * model_fixture.h
 *		The model directories of test/data/models as files in memory.
 */
#ifndef TEXTCLS_MODEL_FIXTURE_H
#define TEXTCLS_MODEL_FIXTURE_H

#include "model/import.h"
#include "model/prepared.h"
#include "unit.h"

#define FIXTURE_MODELS "../data/models/"
#define FIXTURE_MAX_FILES 16

typedef struct Fixture
{
	TclsFile	files[FIXTURE_MAX_FILES];
	int32_t		count;
} Fixture;

/* The files of a directory that an import wants; memory of malloc. */
extern void fixture_load(Fixture *fixture, const char *directory);
extern void fixture_free(Fixture *fixture);

/* The file of this name, which must be there. */
extern TclsFile *fixture_find(Fixture *fixture, const char *name);

/* Put other bytes in the file's place, or add the file.  The bytes are copied. */
extern void fixture_set(Fixture *fixture, const char *name, const void *data, size_t size);
extern void fixture_remove(Fixture *fixture, const char *name);

/* Replace the first occurrence of a text in the file, which must be there. */
extern void fixture_edit(Fixture *fixture, const char *name, const char *from, const char *to);

/* Import to the stored form: config, tokenizer and weights are memory of the host. */
extern TclsStatus fixture_import(TclsStoredModel *stored, TclsBytes *weights, const Fixture *fixture, TclsHost *host);

/* A directory's model; the program ends when it is none. */
extern void fixture_read_model(TclsModel *model, const char *directory, TclsHost *host);

/* The same ready to serve in fp32. */
extern void fixture_prepare_model(TclsPrepared *model, const char *directory, TclsHost *host);

#endif							/* TEXTCLS_MODEL_FIXTURE_H */
