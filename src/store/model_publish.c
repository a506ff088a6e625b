/*
 * model_publish.c
 *		Writing the model tables: publish, deploy, roll back, drop, grant.
 *
 * The tables are closed to all roles: statements run as their owner, after the caller
 * was checked.  Whoever changes a model first locks its row, and then looks
 * again with a snapshot that is younger than the lock.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_largeobject.h"
#include "catalog/pg_largeobject_metadata.h"
#include "catalog/pg_type.h"
#include "commands/alter.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "bridge/settings.h"
#include "store/catalog_rows.h"
#include "store/large_object.h"
#include "store/model_catalog.h"
#include "store/prepared_file.h"

/* The owner of the tables. */
static Oid
catalog_owner(void)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(tcls_catalog_relation("model")));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation textcls.model");
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

uint64
tcls_catalog_execute(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls, bool fetch)
{
	Oid			user;
	int			security;
	int			nest_level;
	uint64		processed;
	int			result;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(catalog_owner(),
						   security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	result = SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(result));
	processed = SPI_processed;
	if (!fetch)
		SPI_finish();
	AtEOXact_GUC(false, nest_level);
	SetUserIdAndSecContext(user, security);
	return processed;
}

bool
tcls_catalog_wants_deploy(const char *deploy)
{
	if (strcmp(deploy, "always") == 0)
		return true;
	if (strcmp(deploy, "never") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for deploy: \"%s\"", deploy),
			 errhint("Use \"always\" or \"never\".")));
}

/* The first row's columns, which are int8 and may be NULL (0). */
static int64
fetched_int64(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/*
 * Look from now on with a snapshot that is younger than the lock just taken, so that what others
 * committed while this session waited is seen.  tcls_catalog_end_change() ends it.
 */
static List *
begin_change(const char *model)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	return tcls_catalog_versions(model);
}

void
tcls_catalog_end_change(void)
{
	PopActiveSnapshot();
	CommandCounterIncrement();
}

/*
 * JSON with every character outside ASCII as \uXXXX: a vocabulary holds characters that the server's
 * encoding may lack, and its text is of use to nobody but us.  Such characters occur only within strings.
 */
static char *
escape_json_to_ascii(const char *json)
{
	StringInfoData out;

	initStringInfo(&out);
	while (*json != '\0')
	{
		pg_wchar	code;

		if (!IS_HIGHBIT_SET(*json))
		{
			appendStringInfoCharMacro(&out, *json++);
			continue;
		}
		if (!pg_utf8_islegal((const unsigned char *) json, pg_utf_mblen((const unsigned char *) json)))
			elog(ERROR, "text to store is not valid UTF-8");
		code = utf8_to_unicode((const unsigned char *) json);
		json += pg_utf_mblen((const unsigned char *) json);
		if (code >= 0x10000)
			appendStringInfo(&out, "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF));
		else
			appendStringInfo(&out, "\\u%04x", code);
	}
	return out.data;
}

/* A hash of all that the ready model is made from. */
static void
compute_fingerprint(uint8 digest[PG_SHA256_DIGEST_LENGTH], const TclsNewVersion *version)
{
	StringInfoData content;

	initStringInfo(&content);
	appendBinaryStringInfo(&content, (const char *) version->sha256, PG_SHA256_DIGEST_LENGTH);
	appendBinaryStringInfo(&content, version->config, strlen(version->config) + 1);
	appendBinaryStringInfo(&content, version->tokenizer, strlen(version->tokenizer) + 1);
	tcls_sha256(digest, content.data, content.len);
	pfree(content.data);
}

static Datum
digest_datum(const uint8 digest[PG_SHA256_DIGEST_LENGTH])
{
	bytea	   *bytes = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);

	SET_VARSIZE(bytes, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	memcpy(VARDATA(bytes), digest, PG_SHA256_DIGEST_LENGTH);
	return PointerGetDatum(bytes);
}

/* Make or lock the model's row and take the next number. */
static int32
take_number(const TclsNewVersion *version)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {CStringGetTextDatum(version->model), CStringGetTextDatum(version->purpose)};
	bool		isnull;
	int32		number;
	char	   *purpose;

	tcls_catalog_execute("INSERT INTO textcls.model AS m (name, purpose, last_number) VALUES ($1, $2, 1) "
						 "ON CONFLICT (name) DO UPDATE SET last_number = m.last_number + 1 "
						 "RETURNING last_number, purpose", 2, types, values, NULL, true);
	number = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	purpose = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
	if (strcmp(purpose, version->purpose) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" has the purpose %s, the new version %s",
						version->model, purpose, version->purpose),
				 errhint("Choose another name, or drop the model first.")));
	SPI_finish();
	return number;
}

/* The three columns of a comparison. */
static void
put_int8_check(Datum *values, char *nulls, const TclsInt8Check *check)
{
	values[0] = Int64GetDatum(check->rows);
	values[1] = Float8GetDatum(check->agreement);
	values[2] = Float8GetDatum(check->accuracy_change);
	nulls[0] = nulls[1] = check->rows == 0 ? 'n' : ' ';
	nulls[2] = check->rows == 0 || isnan(check->accuracy_change) ? 'n' : ' ';
}

static int64
insert_version(const TclsNewVersion *version, int32 number)
{
	Oid			types[] = {TEXTOID, INT4OID, INT8OID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, BYTEAOID, BYTEAOID, OIDOID,
		INT8OID, FLOAT8OID, FLOAT8OID};
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types) + 1];
	uint8		fingerprint[PG_SHA256_DIGEST_LENGTH];
	int64		id;

	memset(nulls, ' ', lengthof(types));
	compute_fingerprint(fingerprint, version);
	values[0] = CStringGetTextDatum(version->model);
	values[1] = Int32GetDatum(number);
	values[2] = Int64GetDatum(version->base_version);
	values[3] = CStringGetTextDatum(pg_any_to_server(version->config, strlen(version->config), PG_UTF8));
	values[4] = CStringGetTextDatum(escape_json_to_ascii(version->tokenizer));
	values[5] = PointerGetDatum(version->metrics);
	values[6] = PointerGetDatum(version->options);
	values[7] = digest_datum(version->sha256);
	values[8] = digest_datum(fingerprint);
	values[9] = ObjectIdGetDatum(version->weights);
	put_int8_check(values + 10, nulls + 10, &version->int8);
	nulls[2] = version->base_version == 0 ? 'n' : ' ';
	nulls[5] = version->metrics == NULL ? 'n' : ' ';
	nulls[6] = version->options == NULL ? 'n' : ' ';
	nulls[9] = OidIsValid(version->weights) ? ' ' : 'n';
	tcls_catalog_execute("INSERT INTO textcls.model_version "
						 "(model, number, base_version, config, tokenizer, metrics, options, sha256, fingerprint, "
						 "weights, int8_rows, int8_agreement, int8_accuracy_change) "
						 "VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id",
						 lengthof(types), types, values, nulls, true);
	id = fetched_int64(1);
	SPI_finish();
	return id;
}

void
tcls_catalog_set_deployed(const char *model, int64 version)
{
	Oid			types[] = {TEXTOID, INT8OID};
	Datum		values[] = {CStringGetTextDatum(model), Int64GetDatum(version)};

	tcls_catalog_execute("UPDATE textcls.model SET previous_version = deployed_version, deployed_version = $2 "
						 "WHERE name = $1 AND deployed_version IS DISTINCT FROM $2", 2, types, values, NULL, false);
}

/* GRANT or REVOKE SELECT on objects (list of oid) as the caller; role InvalidOid is PUBLIC. */
static void
change_privilege(List *objects, Oid role, bool is_grant, bool grant_option)
{
	GrantStmt  *statement = makeNode(GrantStmt);
	AccessPriv *privilege = makeNode(AccessPriv);
	RoleSpec   *grantee = makeNode(RoleSpec);
	ListCell   *cell;

	privilege->priv_name = "select";
	grantee->roletype = OidIsValid(role) ? ROLESPEC_CSTRING : ROLESPEC_PUBLIC;
	grantee->rolename = OidIsValid(role) ? GetUserNameFromId(role, false) : NULL;
	statement->is_grant = is_grant;
	statement->targtype = ACL_TARGET_OBJECT;
	statement->objtype = OBJECT_LARGEOBJECT;
	foreach(cell, objects)
		statement->objects = lappend(statement->objects, makeFloat(psprintf("%u", lfirst_oid(cell))));
	statement->privileges = list_make1(privilege);
	statement->grantees = list_make1(grantee);
	statement->grant_option = grant_option;
	statement->behavior = DROP_CASCADE;
	ExecuteGrantStmt(statement);
	CommandCounterIncrement();
}

/* The ACL of an object, or NULL when nothing was ever granted. */
static Acl *
object_acl(Oid object)
{
	Relation	metadata = table_open(LargeObjectMetadataRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Acl		   *acl = NULL;

	ScanKeyInit(&key, Anum_pg_largeobject_metadata_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
	scan = systable_beginscan(metadata, LargeObjectMetadataOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_largeobject_metadata_lomacl,
										 RelationGetDescr(metadata), &isnull);

		if (!isnull)
			acl = DatumGetAclPCopy(value);
	}
	systable_endscan(scan);
	table_close(metadata, AccessShareLock);
	return acl;
}

/*
 * Give the new object the owner and the readers of the last version's.  UPDATE is not
 * passed on: a version never changes.
 */
static void
inherit_privileges(Oid object, Oid last, Oid owner)
{
	Acl		   *acl = object_acl(last);
	Relation	metadata;

	if (owner != GetUserId())
	{
		metadata = table_open(LargeObjectMetadataRelationId, RowExclusiveLock);
		AlterObjectOwner_internal(metadata, object, owner);
		table_close(metadata, RowExclusiveLock);
		CommandCounterIncrement();
	}
	for (int i = 0; acl != NULL && i < ACL_NUM(acl); i++)
	{
		const AclItem *item = &ACL_DAT(acl)[i];

		if (item->ai_grantee != owner && (ACLITEM_GET_PRIVS(*item) & ACL_SELECT) != 0)
			change_privilege(list_make1_oid(object), item->ai_grantee, true,
							 (ACLITEM_GET_GOPTIONS(*item) & ACL_SELECT) != 0);
	}
}

int64
tcls_catalog_publish(const TclsNewVersion *version, int32 *number)
{
	List	   *versions;
	int64		id;

	tcls_catalog_check_writable(version->model);
	*number = take_number(version);
	versions = begin_change(version->model);
	if (versions != NIL)
		tcls_catalog_check_owner(version->model, versions);
	id = insert_version(version, *number);
	if (version->deploy || versions == NIL)
		tcls_catalog_set_deployed(version->model, id);
	if (OidIsValid(version->weights))
	{
		TclsVersion *last = versions == NIL ? NULL : llast(versions);
		Oid			owner = last == NULL ? InvalidOid : tcls_object_owner(last->weights);

		if (OidIsValid(owner))
			inherit_privileges(version->weights, last->weights, owner);
		tcls_object_describe(version->weights, psprintf("model \"%s\" version %d", version->model, *number));
	}
	tcls_catalog_end_change();
	return id;
}

List *
tcls_catalog_lock(const char *model, int64 *deployed, int64 *previous)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(model)};
	List	   *versions;

	if (tcls_catalog_model_rows(model) != NIL)
		tcls_catalog_check_owner(model, tcls_catalog_versions(model));
	if (tcls_catalog_execute("SELECT deployed_version, previous_version FROM textcls.model WHERE name = $1 FOR UPDATE",
							 1, types, values, NULL, true) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist", model)));
	*deployed = fetched_int64(1);
	*previous = fetched_int64(2);
	SPI_finish();
	versions = begin_change(model);
	tcls_catalog_check_owner(model, versions);
	return versions;
}

static TclsVersion *
version_numbered(List *versions, const char *model, int32 number)
{
	ListCell   *cell;

	foreach(cell, versions)
		if (((TclsVersion *) lfirst(cell))->number == number)
			return lfirst(cell);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no version %d", model, number),
			 errhint("See the view textcls.model_versions.")));
}

static TclsVersion *
version_with_id(List *versions, int64 id)
{
	ListCell   *cell;

	foreach(cell, versions)
		if (((TclsVersion *) lfirst(cell))->id == id)
			return lfirst(cell);
	return NULL;
}

void
tcls_catalog_deploy(const char *model, int32 number)
{
	int64		deployed;
	int64		previous;
	List	   *versions = tcls_catalog_lock(model, &deployed, &previous);

	tcls_catalog_set_deployed(model, version_numbered(versions, model, number)->id);
	tcls_catalog_end_change();
}

void
tcls_catalog_set_precision(const char *model, int precision)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {CStringGetTextDatum(model), CStringGetTextDatum(tcls_settings_precision_word(precision))};
	int64		deployed;
	int64		previous;

	(void) tcls_catalog_lock(model, &deployed, &previous);
	tcls_catalog_execute("UPDATE textcls.model SET precision = $2 WHERE name = $1", 2, types, values, NULL, false);
	tcls_catalog_end_change();
}

void
tcls_catalog_set_int8(const TclsVersion *version, const TclsInt8Check *check)
{
	Oid			types[] = {INT8OID, INT8OID, FLOAT8OID, FLOAT8OID};
	Datum		values[lengthof(types)] = {Int64GetDatum(version->id)};
	char		nulls[] = "    ";
	int64		deployed;
	int64		previous;
	List	   *versions = tcls_catalog_lock(version->model, &deployed, &previous);

	(void) version_numbered(versions, version->model, version->number);
	put_int8_check(values + 1, nulls + 1, check);
	tcls_catalog_execute("UPDATE textcls.model_version SET int8_rows = $2, int8_agreement = $3, "
						 "int8_accuracy_change = $4 WHERE id = $1", lengthof(types), types, values, nulls, false);
	tcls_catalog_end_change();
}

int32
tcls_catalog_rollback(const char *model)
{
	int64		deployed;
	int64		previous;
	List	   *versions = tcls_catalog_lock(model, &deployed, &previous);
	TclsVersion *version = version_with_id(versions, previous);

	if (version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no previously deployed version", model),
				 errhint("Choose a version with textcls.deploy().")));
	tcls_catalog_set_deployed(model, version->id);
	tcls_catalog_end_change();
	return version->number;
}

/* A training of the model that waits or runs would publish into nothing. */
static void
check_no_job(const char *model)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(model)};
	int64		job;

	if (tcls_catalog_execute("SELECT id FROM textcls.job WHERE model = $1 AND (state = 'queued' OR "
							 "state = 'running' AND textcls.job_is_alive(id)) LIMIT 1",
							 1, types, values, NULL, true) == 0)
	{
		SPI_finish();
		return;
	}
	job = fetched_int64(1);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("model \"%s\" is being trained by job " INT64_FORMAT, model, job),
			 errhint("Wait for it with textcls.wait_job(), or stop it with textcls.cancel_job().")));
}

void
tcls_catalog_delete_version(const TclsVersion *version)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(version->id)};

	tcls_catalog_execute("DELETE FROM textcls.model_version WHERE id = $1", 1, types, values, NULL, false);
	tcls_catalog_execute("UPDATE textcls.model SET previous_version = NULL WHERE previous_version = $1",
						 1, types, values, NULL, false);
	if (OidIsValid(version->weights) && tcls_object_exists(version->weights))
		tcls_object_unlink(version->weights);
	tcls_prepared_file_remove(version->fingerprint);
}

void
tcls_catalog_delete_model(const char *model)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(model)};

	tcls_catalog_execute("DELETE FROM textcls.model WHERE name = $1", 1, types, values, NULL, false);
}

static void
drop_version(List *versions, const char *model, int32 number, int64 deployed)
{
	TclsVersion *version = version_numbered(versions, model, number);

	if (version->id == deployed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("version %d of model \"%s\" is deployed", number, model),
				 errhint("Deploy another version first, or drop the whole model.")));
	tcls_catalog_delete_version(version);
}

static void
drop_model(List *versions, const char *model)
{
	ListCell   *cell;

	check_no_job(model);
	foreach(cell, versions)
		tcls_catalog_delete_version(lfirst(cell));
	tcls_catalog_delete_model(model);
}

int32
tcls_catalog_drop(const char *model, int32 number)
{
	int64		deployed;
	int64		previous;
	List	   *versions = tcls_catalog_lock(model, &deployed, &previous);

	if (number != 0)
		drop_version(versions, model, number, deployed);
	else
		drop_model(versions, model);
	tcls_catalog_end_change();
	return number != 0 ? 1 : list_length(versions);
}

/* Objects (oid) of all versions that exist. */
static List *
objects_of(List *versions)
{
	List	   *objects = NIL;
	ListCell   *cell;

	foreach(cell, versions)
	{
		Oid			object = ((TclsVersion *) lfirst(cell))->weights;

		if (OidIsValid(object) && tcls_object_exists(object))
			objects = lappend_oid(objects, object);
	}
	return objects;
}

void
tcls_catalog_grant(const char *model, Oid role)
{
	int64		deployed;
	int64		previous;

	change_privilege(objects_of(tcls_catalog_lock(model, &deployed, &previous)), role, true, false);
	tcls_catalog_end_change();
}

void
tcls_catalog_revoke(const char *model, Oid role)
{
	int64		deployed;
	int64		previous;

	change_privilege(objects_of(tcls_catalog_lock(model, &deployed, &previous)), role, false, false);
	tcls_catalog_end_change();
}
