/*
 * model_catalog.c
 *		Reading the model tables: index scans under the active snapshot.
 *
 * Not SPI: a query as another role is not allowed in a parallel worker, and its
 * planning alone takes longer than these scans.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "bridge/compat.h"
#include "bridge/settings.h"
#include "store/catalog_rows.h"
#include "store/large_object.h"
#include "store/model_catalog.h"

#define MAX_MODEL_NAME 255		/* bytes */

static Oid
catalog_schema(void)
{
	return get_namespace_oid("textcls", false);
}

Oid
tcls_catalog_relation(const char *name)
{
	Oid			relation = get_relname_relid(name, catalog_schema());

	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"textcls.%s\" does not exist", name),
				 errhint("Run CREATE EXTENSION textcls in this database.")));
	return relation;
}

/* A scan over one of the tables in the order of one of its indexes. */
typedef struct RowScan
{
	Relation	table;
	Relation	index;
	SysScanDesc scan;
} RowScan;

/* key NULL: all rows. */
static void
row_scan_begin(RowScan *scan, const char *table, const char *index, ScanKey key)
{
	scan->table = table_open(tcls_catalog_relation(table), AccessShareLock);
	scan->index = index_open(tcls_catalog_relation(index), AccessShareLock);
	scan->scan = systable_beginscan_ordered(scan->table, scan->index, GetActiveSnapshot(), key != NULL ? 1 : 0, key);
}

static HeapTuple
row_scan_next(RowScan *scan)
{
	return systable_getnext_ordered(scan->scan, ForwardScanDirection);
}

static void
row_scan_end(RowScan *scan)
{
	systable_endscan_ordered(scan->scan);
	index_close(scan->index, AccessShareLock);
	table_close(scan->table, AccessShareLock);
}

static int64
get_int64(HeapTuple tuple, int column, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/* missing where it is NULL. */
static double
get_float8(HeapTuple tuple, int column, TupleDesc desc, double missing)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? missing : DatumGetFloat8(value);
}

static char *
get_cstring(HeapTuple tuple, int column, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* A SHA-256 out of a bytea column; zeros where it is missing. */
static void
get_digest(uint8 digest[PG_SHA256_DIGEST_LENGTH], HeapTuple tuple, int column, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	memset(digest, 0, PG_SHA256_DIGEST_LENGTH);
	if (!isnull)
	{
		bytea	   *bytes = DatumGetByteaPP(value);

		if (VARSIZE_ANY_EXHDR(bytes) == PG_SHA256_DIGEST_LENGTH)
			memcpy(digest, VARDATA_ANY(bytes), PG_SHA256_DIGEST_LENGTH);
	}
}

static TclsModelRow *
read_model_row(HeapTuple tuple, TupleDesc desc)
{
	TclsModelRow *row = palloc(sizeof(TclsModelRow));

	row->name = get_cstring(tuple, MODEL_NAME, desc);
	row->purpose = get_cstring(tuple, MODEL_PURPOSE, desc);
	row->deployed_version = get_int64(tuple, MODEL_DEPLOYED_VERSION, desc);
	row->previous_version = get_int64(tuple, MODEL_PREVIOUS_VERSION, desc);
	if (!tcls_settings_read_precision(&row->precision, get_cstring(tuple, MODEL_PRECISION, desc)))
		elog(ERROR, "model \"%s\" has an unknown precision", row->name);
	return row;
}

List *
tcls_catalog_model_rows(const char *model)
{
	RowScan		scan;
	ScanKeyData key;
	HeapTuple	tuple;
	List	   *rows = NIL;

	/* The column's collation is "C", which is the one ScanKeyInit() takes. */
	if (model != NULL)
		ScanKeyInit(&key, MODEL_NAME, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(model));
	row_scan_begin(&scan, "model", "model_pkey", model != NULL ? &key : NULL);
	while (HeapTupleIsValid(tuple = row_scan_next(&scan)))
		rows = lappend(rows, read_model_row(tuple, RelationGetDescr(scan.table)));
	row_scan_end(&scan);
	return rows;
}

/* The row, or NULL. */
static TclsModelRow *
model_row(const char *model)
{
	List	   *rows = tcls_catalog_model_rows(model);

	return rows == NIL ? NULL : linitial(rows);
}

/* All but what the model's row holds. */
static TclsVersion *
read_version(HeapTuple tuple, TupleDesc desc)
{
	TclsVersion *version = palloc0(sizeof(TclsVersion));
	bool		isnull;
	Datum		value;

	version->id = get_int64(tuple, VERSION_ID, desc);
	version->model = get_cstring(tuple, VERSION_MODEL, desc);
	version->number = DatumGetInt32(heap_getattr(tuple, VERSION_NUMBER, desc, &isnull));
	version->base_version = get_int64(tuple, VERSION_BASE_VERSION, desc);
	value = heap_getattr(tuple, VERSION_WEIGHTS, desc, &isnull);
	version->weights = isnull ? InvalidOid : DatumGetObjectId(value);
	get_digest(version->sha256, tuple, VERSION_SHA256, desc);
	get_digest(version->fingerprint, tuple, VERSION_FINGERPRINT, desc);
	version->int8.rows = get_int64(tuple, VERSION_INT8_ROWS, desc);
	version->int8.agreement = get_float8(tuple, VERSION_INT8_AGREEMENT, desc, 0);
	version->int8.accuracy_change = get_float8(tuple, VERSION_INT8_ACCURACY_CHANGE, desc, get_float8_nan());
	return version;
}

static void
set_model_fields(TclsVersion *version, const TclsModelRow *row)
{
	version->purpose = row->purpose;
	version->is_deployed = version->id == row->deployed_version;
	version->precision = row->precision;
}

TclsVersion *
tcls_catalog_version(int64 id)
{
	RowScan		scan;
	ScanKeyData key;
	HeapTuple	tuple;
	TclsVersion *version = NULL;
	TclsModelRow *row;

	ScanKeyInit(&key, VERSION_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	row_scan_begin(&scan, "model_version", "model_version_pkey", &key);
	if (HeapTupleIsValid(tuple = row_scan_next(&scan)))
		version = read_version(tuple, RelationGetDescr(scan.table));
	row_scan_end(&scan);
	if (version == NULL || (row = model_row(version->model)) == NULL)
		return NULL;
	set_model_fields(version, row);
	return version;
}

/* Versions of one model, oldest first. */
static List *
versions_of(const TclsModelRow *row)
{
	RowScan		scan;
	ScanKeyData key;
	HeapTuple	tuple;
	List	   *versions = NIL;

	ScanKeyInit(&key, VERSION_MODEL, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(row->name));
	row_scan_begin(&scan, "model_version", "model_version_model_number_key", &key);
	while (HeapTupleIsValid(tuple = row_scan_next(&scan)))
	{
		TclsVersion *version = read_version(tuple, RelationGetDescr(scan.table));

		set_model_fields(version, row);
		versions = lappend(versions, version);
	}
	row_scan_end(&scan);
	return versions;
}

List *
tcls_catalog_versions(const char *model)
{
	List	   *versions = NIL;
	ListCell   *cell;

	foreach(cell, tcls_catalog_model_rows(model))
		versions = list_concat(versions, versions_of(lfirst(cell)));
	return versions;
}

TclsVersion *
tcls_catalog_first(const char *model)
{
	List	   *versions = tcls_catalog_versions(model);

	return versions == NIL ? NULL : linitial(versions);
}

/*
 * A bare tokenizer has no object to carry privileges, and its vocabulary tells about the texts it was
 * learnt from: only those who may read the tables themselves may use it.
 */
bool
tcls_catalog_may_use(Oid weights)
{
	if (!OidIsValid(weights))
		return pg_class_aclcheck(tcls_catalog_relation("model_version"), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	return tcls_object_readable(weights, GetUserId());
}

/* Deployed classifiers (TclsVersion *) that the caller may use. */
static List *
usable_classifiers(void)
{
	List	   *usable = NIL;
	ListCell   *cell;

	foreach(cell, tcls_catalog_model_rows(NULL))
	{
		TclsModelRow *row = lfirst(cell);
		TclsVersion *version;

		if (strcmp(row->purpose, "classifier") == 0 && row->deployed_version != 0 &&
			(version = tcls_catalog_version(row->deployed_version)) != NULL && tcls_catalog_may_use(version->weights))
			usable = lappend(usable, version);
	}
	return usable;
}

static char *
join_names(List *versions)
{
	StringInfoData names;
	ListCell   *cell;

	initStringInfo(&names);
	foreach(cell, versions)
		appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "", ((TclsVersion *) lfirst(cell))->model);
	return names.data;
}

static TclsVersion *
only_classifier(void)
{
	List	   *usable = usable_classifiers();

	if (usable == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no classifier that you may use"),
				 errhint("Train one with textcls.finetune(), or ask a model's owner for textcls.grant_model().")));
	if (list_length(usable) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_PARAMETER),
				 errmsg("there are several classifiers, and the call names none"),
				 errhint("Name one, or set textcls.default_model. Classifiers you may use: %s.", join_names(usable))));
	return linitial(usable);
}

static void
report_undefined_model(const char *model)
{
	List	   *usable = usable_classifiers();

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" does not exist", model),
			 usable == NIL ? 0 : errhint("Classifiers you may use: %s.", join_names(usable))));
}

static TclsVersion *
numbered_version(const char *model, int32 number)
{
	ListCell   *cell;

	foreach(cell, tcls_catalog_versions(model))
	{
		TclsVersion *version = lfirst(cell);

		if (version->number == number)
			return version;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no version %d", model, number),
			 errhint("See the view textcls.model_versions.")));
}

static void
check_usable(const TclsVersion *version)
{
	if (tcls_catalog_may_use(version->weights))
		return;
	if (OidIsValid(version->weights) && !tcls_object_exists(version->weights))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("weights of model \"%s\" version %d are missing", version->model, version->number),
				 errdetail("Large object %u does not exist.", version->weights),
				 errhint("Restore it from a dump with large objects (pg_dump --blobs), or remove the version with "
						 "textcls.repair().")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for model \"%s\"", version->model),
			 errhint("The model's owner can grant it with textcls.grant_model().")));
}

TclsVersion *
tcls_catalog_resolve(const char *model, int32 number)
{
	TclsModelRow *row;
	TclsVersion *version;

	if (model == NULL && tcls_setting_default_model[0] != '\0')
		model = tcls_setting_default_model;
	if (model == NULL)
	{
		version = only_classifier();
		if (number == 0)
			return version;
		model = version->model;
	}
	row = model_row(model);
	if (row == NULL)
		report_undefined_model(model);
	if (number != 0)
		version = numbered_version(model, number);
	else if (row->deployed_version == 0 || (version = tcls_catalog_version(row->deployed_version)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no deployed version", model),
				 errhint("Choose one with textcls.deploy().")));
	check_usable(version);
	return version;
}

void
tcls_catalog_texts(int64 version, char **config, size_t *config_size, char **tokenizer, size_t *tokenizer_size)
{
	RowScan		scan;
	ScanKeyData key;
	HeapTuple	tuple;
	TupleDesc	desc;
	bool		isnull;
	Jsonb	   *json;

	ScanKeyInit(&key, VERSION_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(version));
	row_scan_begin(&scan, "model_version", "model_version_pkey", &key);
	tuple = row_scan_next(&scan);
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model version with id " INT64_FORMAT " does not exist", version)));
	desc = RelationGetDescr(scan.table);
	json = DatumGetJsonbP(heap_getattr(tuple, VERSION_CONFIG, desc, &isnull));
	*config = JsonbToCString(NULL, &json->root, VARSIZE(json));
	*config = pg_server_to_any(*config, strlen(*config), PG_UTF8);
	*tokenizer = get_cstring(tuple, VERSION_TOKENIZER, desc);
	row_scan_end(&scan);
	*config_size = strlen(*config);
	*tokenizer_size = strlen(*tokenizer);
}

void
tcls_catalog_check_sha256(const TclsVersion *version, const uint8 *sha256)
{
	if (memcmp(sha256, version->sha256, PG_SHA256_DIGEST_LENGTH) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("weights of model \"%s\" version %d are not those that were published",
						version->model, version->number),
				 errdetail("The SHA-256 of large object %u differs from the catalog's.", version->weights),
				 errhint("Deploy another version, or restore the object.")));
}

void
tcls_catalog_check_owner(const char *model, List *versions)
{
	TclsVersion *newest = versions == NIL ? NULL : llast(versions);
	Oid			owner = newest == NULL ? InvalidOid : tcls_object_owner(newest->weights);

	if (superuser() || (OidIsValid(owner) && has_privs_of_role(GetUserId(), owner)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of model \"%s\"", model)));
}

void
tcls_catalog_check_writable(const char *model)
{
	if (model[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("a model's name must not be empty")));
	if (strlen(model) > MAX_MODEL_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("a model's name must not be longer than %d bytes", MAX_MODEL_NAME)));
	if (model_row(model) != NULL)
		tcls_catalog_check_owner(model, tcls_catalog_versions(model));
	else if (tcls_compat_schema_aclcheck(catalog_schema(), GetUserId(), ACL_CREATE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to create a model"),
				 errhint("An administrator can allow it with GRANT CREATE ON SCHEMA textcls.")));
}
