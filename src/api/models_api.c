/*
 * models_api.c
 *		Models in and out, deployed, granted, dropped, checked.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "bridge/host_pg.h"
#include "model/import.h"
#include "store/large_object.h"
#include "store/model_cache.h"
#include "store/model_catalog.h"
#include "store/model_check.h"
#include "store/server_files.h"

#define WEIGHTS_FILE "model.safetensors"

PG_FUNCTION_INFO_V1(textcls_import_model_directory);
PG_FUNCTION_INFO_V1(textcls_import_model_objects);
PG_FUNCTION_INFO_V1(textcls_import_model_bytes);
PG_FUNCTION_INFO_V1(textcls_export_model);
PG_FUNCTION_INFO_V1(textcls_model_files);
PG_FUNCTION_INFO_V1(textcls_deploy);
PG_FUNCTION_INFO_V1(textcls_rollback);
PG_FUNCTION_INFO_V1(textcls_drop_model);
PG_FUNCTION_INFO_V1(textcls_drop_all_models);
PG_FUNCTION_INFO_V1(textcls_grant_model);
PG_FUNCTION_INFO_V1(textcls_revoke_model);
PG_FUNCTION_INFO_V1(textcls_verify);
PG_FUNCTION_INFO_V1(textcls_repair);
PG_FUNCTION_INFO_V1(textcls_may_use);

/* The text argument, in the server's encoding; NULL is an ERROR. */
static char *
required_text(FunctionCallInfo fcinfo, int index, const char *name)
{
	if (PG_ARGISNULL(index))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(index));
}

static char *
optional_text(FunctionCallInfo fcinfo, int index)
{
	return PG_ARGISNULL(index) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(index));
}

/* A version's number; 0 when the argument is NULL. */
static int32
optional_number(FunctionCallInfo fcinfo, int index)
{
	if (PG_ARGISNULL(index))
		return 0;
	if (PG_GETARG_INT32(index) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a version's number must be positive: %d", PG_GETARG_INT32(index))));
	return PG_GETARG_INT32(index);
}

/* What may be said before any byte is read. */
static void
check_import(const char *name, const char *deploy)
{
	PreventCommandIfReadOnly("textcls.import_model()");
	tcls_catalog_check_writable(name);
	(void) tcls_catalog_wants_deploy(deploy);
}

/* Check the files, copy the tensors into a large object, publish. */
static int64
import_files(const char *name, const TclsFile *files, int count, const char *deploy, const char *origin, TclsHost *host)
{
	TclsImported imported;
	TclsNewVersion version = {0};
	TclsObjectWriter *writer;
	int32		number;

	tcls_host_check_context(tcls_import_prepare(&imported, files, count, host), host, "%s", origin);
	writer = tcls_object_create();
	tcls_host_check_context(tcls_import_write_weights(&writer->writer, &imported, host), host, "%s", origin);
	version.weights = tcls_object_finish(writer, version.sha256);
	version.model = name;
	version.purpose = imported.model.numbers.head == TCLS_HEAD_NONE ? "encoder" : "classifier";
	version.config = pnstrdup(imported.config.data, imported.config.size);
	version.tokenizer = pnstrdup(imported.tokenizer.data, imported.tokenizer.size);
	version.deploy = tcls_catalog_wants_deploy(deploy);
	return tcls_catalog_publish(&version, &number);
}

Datum
textcls_import_model_directory(PG_FUNCTION_ARGS)
{
	TclsHost   *host = tcls_host_create(CurrentMemoryContext);
	char	   *name = required_text(fcinfo, 0, "name");
	char	   *directory = required_text(fcinfo, 1, "directory");
	char	   *deploy = required_text(fcinfo, 2, "deploy");
	TclsFile   *files;
	int			count;

	check_import(name, deploy);
	tcls_server_files_read(&files, &count, directory, host);
	PG_RETURN_INT64(import_files(name, files, count, deploy, psprintf("Directory \"%s\".", directory), host));
}

static void
add_file(TclsFile *files, int *count, const char *name, const char *content)
{
	TclsFile   *file = &files[(*count)++];

	file->name = name;
	file->data = pg_server_to_any(content, strlen(content), PG_UTF8);
	file->size = strlen(file->data);
}

/*
 * The files beside the weights, from the arguments config, tokenizer and tokenizer_config.  A
 * tokenizer that begins as a JSON object is tokenizer.json, any other vocab.txt.
 */
static void
add_text_files(TclsFile *files, int *count, FunctionCallInfo fcinfo)
{
	char	   *tokenizer = required_text(fcinfo, 2, "tokenizer");
	char	   *tokenizer_config = optional_text(fcinfo, 4);

	add_file(files, count, "config.json", required_text(fcinfo, 1, "config"));
	add_file(files, count, tokenizer[strspn(tokenizer, " \t\r\n")] == '{' ? "tokenizer.json" : "vocab.txt", tokenizer);
	if (tokenizer_config != NULL)
		add_file(files, count, "tokenizer_config.json", tokenizer_config);
}

#define TEXT_FILES 3			/* most that add_text_files() adds */

static void
add_object(TclsFile *file, const char *name, Oid object, TclsHost *host)
{
	if (!tcls_object_exists(object))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("large object %u does not exist", object)));
	if (!tcls_object_readable(object, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for large object %u", object)));
	file->name = name;
	file->data = tcls_object_read(object, &file->size, host);
}

Datum
textcls_import_model_objects(PG_FUNCTION_ARGS)
{
	TclsHost   *host = tcls_host_create(CurrentMemoryContext);
	char	   *name = required_text(fcinfo, 0, "name");
	char	   *deploy = required_text(fcinfo, 5, "deploy");
	TclsFile   *files;
	Datum	   *objects;
	bool	   *nulls;
	int			shards;
	int			count = 0;

	check_import(name, deploy);
	if (PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "weights")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), OIDOID, sizeof(Oid), true, TYPALIGN_INT, &objects, &nulls, &shards);
	files = palloc((TEXT_FILES + shards) * sizeof(TclsFile));
	add_text_files(files, &count, fcinfo);
	for (int i = 0; i < shards; i++)
		add_object(&files[count++],
				   shards == 1 ? WEIGHTS_FILE : psprintf("model-%05d-of-%05d.safetensors", i + 1, shards),
				   nulls[i] ? InvalidOid : DatumGetObjectId(objects[i]), host);
	PG_RETURN_INT64(import_files(name, files, count, deploy, "Model from large objects.", host));
}

Datum
textcls_import_model_bytes(PG_FUNCTION_ARGS)
{
	TclsHost   *host = tcls_host_create(CurrentMemoryContext);
	char	   *name = required_text(fcinfo, 0, "name");
	char	   *deploy = required_text(fcinfo, 5, "deploy");
	TclsFile	files[TEXT_FILES + 1];
	int			count = 0;
	bytea	   *weights;
	void	   *aligned;

	check_import(name, deploy);
	if (PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "weights")));
	add_text_files(files, &count, fcinfo);
	weights = PG_GETARG_BYTEA_PP(3);
	tcls_host_check(tcls_alloc(&aligned, VARSIZE_ANY_EXHDR(weights), 1, host), host);
	memcpy(aligned, VARDATA_ANY(weights), VARSIZE_ANY_EXHDR(weights));
	files[count].name = WEIGHTS_FILE;
	files[count].data = aligned;
	files[count++].size = VARSIZE_ANY_EXHDR(weights);
	PG_RETURN_INT64(import_files(name, files, count, deploy, "Model from bytea.", host));
}

/* The files of a version beside its weights. */
static TclsFile *
text_files(int *count, const TclsVersion *version, TclsHost *host)
{
	TclsStoredModel stored = {0};
	TclsFile   *files;
	char	   *config;
	char	   *tokenizer;

	tcls_catalog_texts(version->id, &config, &stored.config_size, &tokenizer, &stored.tokenizer_size);
	stored.config = config;
	stored.tokenizer = tokenizer;
	tcls_host_check_context(tcls_export_files(&files, count, &stored, host), host,
							"Model \"%s\" version %d.", version->model, version->number);
	return files;
}

Datum
textcls_export_model(PG_FUNCTION_ARGS)
{
	TclsHost   *host = tcls_host_create(CurrentMemoryContext);
	TclsVersion *version = tcls_catalog_resolve(optional_text(fcinfo, 0), optional_number(fcinfo, 2));
	char	   *directory = tcls_server_files_make_directory(required_text(fcinfo, 1, "directory"));
	TclsFile   *files;
	int			count;

	files = text_files(&count, version, host);
	for (int i = 0; i < count; i++)
		tcls_server_files_write(directory, files[i].name, files[i].data, files[i].size);
	tcls_server_files_write_weights(directory, WEIGHTS_FILE, version, host);
	PG_RETURN_INT32(count + 1);
}

static void
put_file(ReturnSetInfo *result, const char *name, const void *data, size_t size)
{
	Datum		values[2];
	bool		nulls[2] = {false, false};
	bytea	   *content;

	if (size > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("file \"%s\" is too large for bytea: %zu bytes", name, size),
				 errhint("Export the large object named by textcls.model_versions with lo_export.")));
	content = palloc(VARHDRSZ + size);
	SET_VARSIZE(content, VARHDRSZ + size);
	memcpy(VARDATA(content), data, size);
	values[0] = CStringGetTextDatum(name);
	values[1] = PointerGetDatum(content);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	pfree(content);
}

Datum
textcls_model_files(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TclsHost   *host = tcls_host_create(CurrentMemoryContext);
	TclsVersion *version = tcls_catalog_resolve(optional_text(fcinfo, 0), optional_number(fcinfo, 1));
	TclsStoredModel stored;
	TclsFile   *files;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	files = text_files(&count, version, host);
	for (int i = 0; i < count; i++)
		put_file(result, files[i].name, files[i].data, files[i].size);
	tcls_cache_read_stored(&stored, version, host);
	put_file(result, WEIGHTS_FILE, stored.weights, stored.weights_size);
	PG_RETURN_NULL();
}

Datum
textcls_deploy(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("textcls.deploy()");
	tcls_catalog_deploy(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT32(1));
	PG_RETURN_VOID();
}

Datum
textcls_rollback(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("textcls.rollback()");
	PG_RETURN_INT32(tcls_catalog_rollback(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

Datum
textcls_drop_model(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("textcls.drop_model()");
	PG_RETURN_INT32(tcls_catalog_drop(required_text(fcinfo, 0, "model"), optional_number(fcinfo, 1)));
}

Datum
textcls_drop_all_models(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("textcls.drop_all_models()");
	PG_RETURN_INT32(tcls_check_drop_all());
}

/* The role '-' is PUBLIC. */
Datum
textcls_grant_model(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("textcls.grant_model()");
	tcls_catalog_grant(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

Datum
textcls_revoke_model(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("textcls.revoke_model()");
	tcls_catalog_revoke(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

/* Rows of model, version, weights, text. */
static void
put_findings(ReturnSetInfo *result, List *findings)
{
	ListCell   *cell;

	foreach(cell, findings)
	{
		TclsFinding *finding = lfirst(cell);
		Datum		values[4] = {0};
		bool		nulls[4] = {finding->model == NULL, finding->number == 0, !OidIsValid(finding->object), false};

		if (finding->model != NULL)
			values[0] = CStringGetTextDatum(finding->model);
		values[1] = Int32GetDatum(finding->number);
		values[2] = ObjectIdGetDatum(finding->object);
		values[3] = CStringGetTextDatum(finding->text);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

Datum
textcls_verify(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	put_findings((ReturnSetInfo *) fcinfo->resultinfo, tcls_check_verify());
	PG_RETURN_NULL();
}

Datum
textcls_repair(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("textcls.repair()");
	InitMaterializedSRF(fcinfo, 0);
	put_findings((ReturnSetInfo *) fcinfo->resultinfo, tcls_check_repair());
	PG_RETURN_NULL();
}

Datum
textcls_may_use(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tcls_catalog_may_use(PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0)));
}
