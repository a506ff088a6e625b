/*
 * model_catalog.h
 *		Rows of textcls.model and textcls.model_version: find, publish, deploy, drop.
 *
 * Reading is an index scan under the active snapshot (so that ROLLBACK, REPEATABLE READ,
 * parallel workers and standbys all see the right row); writing is done as the
 * extension's owner after the caller was checked.  The privileges on a model
 * are those on the large objects of its versions; they are checked here on
 * every call against the current user.
 */
#ifndef TEXTCLS_MODEL_CATALOG_H
#define TEXTCLS_MODEL_CATALOG_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* How int8 compares with fp32 on rows of a table. */
typedef struct TclsInt8Check
{
	int64		rows;			/* 0: never compared */
	double		agreement;		/* share of the rows that get the same label, or labels */
	double		accuracy_change;	/* of int8 against fp32; NaN where the rows have no labels */
} TclsInt8Check;

typedef struct TclsVersion
{
	int64		id;				/* unique in the database */
	char	   *model;
	char	   *purpose;		/* "tokenizer", "encoder", "classifier" */
	int32		number;			/* 1.. within the model */
	int64		base_version;	/* 0: none */
	Oid			weights;		/* large object; InvalidOid for a bare tokenizer */
	uint8		sha256[32];		/* of the large object's bytes */
	uint8		fingerprint[32];	/* of config, tokenizer and weights: equal for equal content only */
	bool		is_deployed;
	int			precision;		/* the model's: a TclsPrecision or TCLS_PRECISION_AUTO */
	TclsInt8Check int8;
} TclsVersion;

/*
 * The version a call means: model NULL is textcls.default_model, else the one
 * deployed classifier the caller may use; number 0 is the deployed one.  Raises
 * undefined_object, insufficient_privilege or ambiguous_parameter (with candidates in the hint).
 * Result in the current memory context.
 */
extern TclsVersion *tcls_catalog_resolve(const char *model, int32 number);

/* By id; NULL when there is none.  No privilege check. */
extern TclsVersion *tcls_catalog_version(int64 id);

/* The first version of a model (its base is the default base of later ones); no privilege check. */
extern TclsVersion *tcls_catalog_first(const char *model);

/* All versions (TclsVersion *) of a model, or of all models when NULL, oldest first; no privilege check. */
extern List *tcls_catalog_versions(const char *model);

/* Whether the current user may use a version with this object; the privilege check of every call. */
extern bool tcls_catalog_may_use(Oid weights);

/* Config JSON and tokenizer.json of a version, UTF-8 whatever the server's encoding, palloc'ed. */
extern void tcls_catalog_texts(int64 version, char **config, size_t *config_size,
							   char **tokenizer, size_t *tokenizer_size);

/* Raise data_corrupted unless the digest of the bytes that were read is the published one. */
extern void tcls_catalog_check_sha256(const TclsVersion *version, const uint8 *sha256);

/* Raise unless the caller may create models (CREATE on schema textcls) or, if it exists, owns this one. */
extern void tcls_catalog_check_writable(const char *model);

/* What a deploy argument says: "always" or "never", else an ERROR. */
extern bool tcls_catalog_wants_deploy(const char *deploy);

typedef struct TclsNewVersion
{
	const char *model;
	const char *purpose;
	int64		base_version;	/* 0: none */
	const char *config;			/* JSON, UTF-8, NUL-terminated */
	const char *tokenizer;		/* tokenizer.json, UTF-8, NUL-terminated */
	Oid			weights;		/* large object, owned by the model's owner (the caller) */
	uint8		sha256[32];
	Jsonb	   *metrics;		/* or NULL */
	Jsonb	   *options;		/* training options, or NULL */
	TclsInt8Check int8;			/* rows 0: not compared */
	bool		deploy;			/* always done for a model's first version */
} TclsNewVersion;

/*
 * Insert the version (and the model, when new) for the current user, copy the
 * ACL of the model's last object to the new one.  Returns id; *number the number within the model.
 */
extern int64 tcls_catalog_publish(const TclsNewVersion *version, int32 *number);

extern void tcls_catalog_deploy(const char *model, int32 number);

/* The precision of all versions of a model, which textcls.precision may overrule in a session. */
extern void tcls_catalog_set_precision(const char *model, int precision);

/* Store a comparison with a version; the caller must own the model. */
extern void tcls_catalog_set_int8(const TclsVersion *version, const TclsInt8Check *check);

/* Swaps the deployed and the previously deployed version; the number now deployed. */
extern int32 tcls_catalog_rollback(const char *model);

/* One version, or the whole model when number is 0; unlinks the large objects.  Returns versions dropped. */
extern int32 tcls_catalog_drop(const char *model, int32 number);

/* GRANT SELECT on (or REVOKE ALL from) the objects of all versions, as the caller, who must own them. */
extern void tcls_catalog_grant(const char *model, Oid role);
extern void tcls_catalog_revoke(const char *model, Oid role);

/*
 * Run one fixed SQL statement as the extension's owner with search_path pg_catalog
 * (SPI, read-write).  The statement must be fully qualified; values come as parameters.
 * Returns SPI_processed; with fetch the rows are in SPI_tuptable and the
 * caller calls SPI_finish(); otherwise SPI is finished here.
 */
extern uint64 tcls_catalog_execute(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls,
								   bool fetch);

#endif							/* TEXTCLS_MODEL_CATALOG_H */
