/*
 * catalog_rows.h
 *		The columns of the model tables by number; for this room only.
 */
#ifndef TEXTCLS_CATALOG_ROWS_H
#define TEXTCLS_CATALOG_ROWS_H

#include "store/model_catalog.h"

enum ModelColumn
{
	MODEL_NAME = 1,
	MODEL_PURPOSE,
	MODEL_DEPLOYED_VERSION,
	MODEL_PREVIOUS_VERSION
};

enum VersionColumn
{
	VERSION_ID = 1,
	VERSION_MODEL,
	VERSION_NUMBER,
	VERSION_BASE_VERSION,
	VERSION_CONFIG,
	VERSION_TOKENIZER,
	VERSION_METRICS,
	VERSION_OPTIONS,
	VERSION_SHA256,
	VERSION_FINGERPRINT,
	VERSION_WEIGHTS
};

typedef struct TclsModelRow
{
	char	   *name;
	char	   *purpose;
	int64		deployed_version;	/* 0: none */
	int64		previous_version;	/* 0: none */
} TclsModelRow;

/* The row under the active snapshot, or NULL. */
extern TclsModelRow *tcls_catalog_model_row(const char *model);

/* OID of the schema textcls and of a relation in it; an ERROR without the extension. */
extern Oid	tcls_catalog_schema(void);
extern Oid	tcls_catalog_relation(const char *name);

/* Raise insufficient_privilege unless the caller owns the newest of these versions. */
extern void tcls_catalog_check_owner(const char *model, List *versions);

#endif							/* TEXTCLS_CATALOG_ROWS_H */
