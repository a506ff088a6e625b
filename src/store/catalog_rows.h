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
	MODEL_PREVIOUS_VERSION,
	MODEL_PRECISION
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
	VERSION_WEIGHTS,
	VERSION_INT8_ROWS,
	VERSION_INT8_AGREEMENT,
	VERSION_INT8_ACCURACY_CHANGE
};

typedef struct TclsModelRow
{
	char	   *name;
	char	   *purpose;
	int64		deployed_version;	/* 0: none */
	int64		previous_version;	/* 0: none */
	int			precision;		/* a TclsPrecision or TCLS_PRECISION_AUTO */
} TclsModelRow;

/* Rows (TclsModelRow *) of one model, or of all when NULL, by name. */
extern List *tcls_catalog_model_rows(const char *model);

/* OID of a relation in the schema textcls; an ERROR without the extension. */
extern Oid	tcls_catalog_relation(const char *name);

/* Raise insufficient_privilege unless the caller owns the newest of these versions. */
extern void tcls_catalog_check_owner(const char *model, List *versions);

/*
 * Lock the row of a model that the caller must own; its versions as they are under the lock.  Until
 * tcls_catalog_end_change() the active snapshot is younger than the lock.
 */
extern List *tcls_catalog_lock(const char *model, int64 *deployed, int64 *previous);
extern void tcls_catalog_end_change(void);

/* Steps of dropping and deploying, under the lock.  A version goes with its object and prepared file. */
extern void tcls_catalog_set_deployed(const char *model, int64 version);
extern void tcls_catalog_delete_version(const TclsVersion *version);
extern void tcls_catalog_delete_model(const char *model);

#endif							/* TEXTCLS_CATALOG_ROWS_H */
