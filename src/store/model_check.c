/*
 * model_check.c
 *		Finds and removes what is broken or belongs to nothing.
 *
 * For administrators: the SQL functions are closed to PUBLIC.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "bridge/host_pg.h"
#include "store/catalog_rows.h"
#include "store/large_object.h"
#include "store/model_check.h"

static List *
add_finding(List *findings, const char *model, int32 number, Oid object, char *text)
{
	TclsFinding *finding = palloc(sizeof(TclsFinding));

	finding->model = model;
	finding->number = number;
	finding->object = object;
	finding->text = text;
	return lappend(findings, finding);
}

/* What is wrong with the version's weights, or NULL. */
static char *
weights_problem(const TclsVersion *version)
{
	uint8		sha256[PG_SHA256_DIGEST_LENGTH];

	if (!OidIsValid(version->weights))
		return NULL;
	if (!tcls_object_exists(version->weights))
		return "weights are missing";
	tcls_object_stream(sha256, NULL, version->weights, tcls_host_create(CurrentMemoryContext));
	if (memcmp(sha256, version->sha256, PG_SHA256_DIGEST_LENGTH) != 0)
		return "weights are not those that were published";
	return NULL;
}

/* Objects with our comment that neither a version nor a checkpoint refers to. */
static List *
orphans(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *findings = NIL;
	uint64		count;

	count = tcls_catalog_execute("SELECT m.oid, d.description FROM pg_largeobject_metadata m "
								 "JOIN pg_description d ON d.objoid = m.oid AND d.objsubid = 0 "
								 "AND d.classoid = 'pg_catalog.pg_largeobject'::regclass "
								 "WHERE starts_with(d.description, '" TCLS_OBJECT_COMMENT "') "
								 "AND NOT EXISTS (SELECT FROM textcls.model_version v WHERE v.weights = m.oid) "
								 "AND NOT EXISTS (SELECT FROM textcls.checkpoint c WHERE c.weights = m.oid) "
								 "ORDER BY m.oid", 0, NULL, NULL, NULL, true);
	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;
		Oid			object = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		char	   *comment = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2);
		MemoryContext spi = MemoryContextSwitchTo(caller);

		findings = add_finding(findings, NULL, 0, object,
							   psprintf("belongs to nothing, was %s", comment + strlen(TCLS_OBJECT_COMMENT)));
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	return findings;
}

/* The newest of the versions whose weights are sound, or NULL; findings about the others. */
static TclsVersion *
newest_sound(List **findings, List *versions)
{
	TclsVersion *newest = NULL;
	ListCell   *cell;

	foreach(cell, versions)
	{
		TclsVersion *version = lfirst(cell);
		char	   *problem = weights_problem(version);

		if (problem == NULL)
			newest = version;
		else
			*findings = add_finding(*findings, version->model, version->number, version->weights, problem);
	}
	return newest;
}

static TclsVersion *
deployed_version(List *versions)
{
	ListCell   *cell;

	foreach(cell, versions)
		if (((TclsVersion *) lfirst(cell))->is_deployed)
			return lfirst(cell);
	return NULL;
}

List *
tcls_check_verify(void)
{
	List	   *findings = NIL;
	ListCell   *cell;

	foreach(cell, tcls_catalog_model_rows(NULL))
	{
		TclsModelRow *row = lfirst(cell);
		List	   *versions = tcls_catalog_versions(row->name);

		newest_sound(&findings, versions);
		if (deployed_version(versions) == NULL)
			findings = add_finding(findings, row->name, 0, InvalidOid, "deployed version is missing");
	}
	return list_concat(findings, orphans());
}

/* Whether the version is one of those that the findings are about. */
static bool
is_found(List *findings, const TclsVersion *version)
{
	ListCell   *cell;

	foreach(cell, findings)
		if (((TclsFinding *) lfirst(cell))->number == version->number)
			return true;
	return false;
}

static List *
repair_model(List *actions, const char *model)
{
	int64		deployed;
	int64		previous;
	List	   *broken = NIL;
	List	   *versions = tcls_catalog_lock(model, &deployed, &previous);
	TclsVersion *sound = newest_sound(&broken, versions);
	TclsVersion *current = deployed_version(versions);
	ListCell   *cell;

	if (sound != NULL && (current == NULL || is_found(broken, current)))
	{
		tcls_catalog_set_deployed(model, sound->id);
		actions = add_finding(actions, model, sound->number, sound->weights, "deployed");
	}
	foreach(cell, versions)
	{
		TclsVersion *version = lfirst(cell);

		if (!is_found(broken, version))
			continue;
		tcls_catalog_delete_version(version);
		actions = add_finding(actions, model, version->number, version->weights, "version removed");
	}
	if (sound == NULL)
	{
		tcls_catalog_delete_model(model);
		actions = add_finding(actions, model, 0, InvalidOid, "model removed");
	}
	tcls_catalog_end_change();
	return actions;
}

List *
tcls_check_repair(void)
{
	List	   *actions = NIL;
	ListCell   *cell;

	foreach(cell, tcls_catalog_model_rows(NULL))
		actions = repair_model(actions, ((TclsModelRow *) lfirst(cell))->name);
	foreach(cell, orphans())
	{
		TclsFinding *orphan = lfirst(cell);

		tcls_object_unlink(orphan->object);
		actions = add_finding(actions, NULL, 0, orphan->object, psprintf("unlinked: %s", orphan->text));
	}
	return actions;
}

int32
tcls_check_drop_all(void)
{
	List	   *rows = tcls_catalog_model_rows(NULL);
	List	   *checkpoints = NIL;
	MemoryContext caller = CurrentMemoryContext;
	uint64		count;
	ListCell   *cell;

	foreach(cell, rows)
		tcls_catalog_drop(((TclsModelRow *) lfirst(cell))->name, 0);
	count = tcls_catalog_execute("DELETE FROM textcls.checkpoint RETURNING weights", 0, NULL, NULL, NULL, true);
	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;
		Datum		object = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		MemoryContext spi = MemoryContextSwitchTo(caller);

		checkpoints = lappend_oid(checkpoints, DatumGetObjectId(object));
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	foreach(cell, checkpoints)
		if (tcls_object_exists(lfirst_oid(cell)))
			tcls_object_unlink(lfirst_oid(cell));
	return list_length(rows);
}
