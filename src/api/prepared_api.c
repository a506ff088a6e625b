/*
 * prepared_api.c
 *		The prepared files: make one, and what there is.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "bridge/engine.h"
#include "bridge/settings.h"
#include "kernels/packed.h"
#include "store/model_cache.h"
#include "store/model_catalog.h"
#include "store/model_precision.h"
#include "store/prepared_directory.h"
#include "store/prepared_file.h"

PG_FUNCTION_INFO_V1(textcls_prepare);
PG_FUNCTION_INFO_V1(textcls_prepared_files);

/* The kernel of the precision that a call names. */
static const TclsPackedKernel *
kernel_of(const char *precision)
{
	int			number;

	if (!tcls_settings_read_precision(&number, precision) || number == TCLS_PRECISION_AUTO)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no precision \"%s\"", precision),
				 errhint("Use \"fp32\", \"bf16\" or \"int8\".")));
	return tcls_packed_best((TclsPrecision) number);
}

Datum
textcls_prepare(PG_FUNCTION_ARGS)
{
	TclsVersion *version = tcls_catalog_resolve(PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0)), 0);
	const TclsPackedKernel *kernel;
	Datum		values[8];
	bool		nulls[8] = {false};
	TupleDesc	desc;
	instr_time	start;
	instr_time	duration;
	bool		was_built;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tcls_engine_start();
	kernel = PG_ARGISNULL(1) ? tcls_precision_kernel(NULL, version) : kernel_of(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	INSTR_TIME_SET_CURRENT(start);
	values[5] = Int64GetDatum((int64) tcls_cache_prepare(&was_built, version, kernel));
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	values[0] = CStringGetTextDatum(version->model);
	values[1] = CStringGetTextDatum(tcls_precision_name(kernel->precision));
	values[2] = Int32GetDatum(version->number);
	values[3] = CStringGetTextDatum(kernel->name);
	values[4] = CStringGetTextDatum(kernel->layout);
	values[6] = BoolGetDatum(was_built);
	values[7] = Float8GetDatum(INSTR_TIME_GET_MILLISEC(duration));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* The version that a file is of and that the caller may use, a deployed one first; NULL where there is none. */
static TclsVersion *
version_of(List *versions, const TclsPreparedFile *file)
{
	TclsVersion *found = NULL;
	ListCell   *cell;

	foreach(cell, versions)
	{
		TclsVersion *version = lfirst(cell);

		if (memcmp(version->fingerprint, file->fingerprint, sizeof(file->fingerprint)) == 0 &&
			(found == NULL || (version->is_deployed && !found->is_deployed)) &&
			tcls_catalog_may_use(version->weights))
			found = version;
	}
	return found;
}

/* Append a row; version and kernel may be NULL. */
static void
put_prepared_file(ReturnSetInfo *result, const TclsPreparedFile *file, const TclsVersion *version)
{
	const TclsPackedKernel *kernel = tcls_packed_by_layout(file->layout);
	Datum		values[10] = {0};
	bool		nulls[10] = {version == NULL, version == NULL, kernel == NULL, kernel == NULL};

	if (version != NULL)
	{
		values[0] = CStringGetTextDatum(version->model);
		values[1] = Int32GetDatum(version->number);
	}
	if (kernel != NULL)
	{
		values[2] = CStringGetTextDatum(tcls_precision_name(kernel->precision));
		values[3] = CStringGetTextDatum(kernel->name);
	}
	values[4] = CStringGetTextDatum(file->layout);
	values[5] = Int64GetDatum((int64) file->status.st_size);
	values[6] = TimestampTzGetDatum(file->prepared_at);
	values[7] = TimestampTzGetDatum(file->last_used_at);
	values[8] = BoolGetDatum(tcls_prepared_file_is_mapped(file->name, &file->status));
	values[9] = BoolGetDatum(file->is_verified);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * Files of the whole server, among them those of other databases and of models that were dropped: only who
 * may see the server's statistics sees what is not of a model of his own.
 */
Datum
textcls_prepared_files(PG_FUNCTION_ARGS)
{
	bool		sees_all = has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
	List	   *versions = tcls_catalog_versions(NULL);
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, tcls_prepared_list())
	{
		TclsPreparedFile *file = lfirst(cell);
		TclsVersion *version = version_of(versions, file);

		if (version != NULL || sees_all)
			put_prepared_file((ReturnSetInfo *) fcinfo->resultinfo, file, version);
	}
	PG_RETURN_NULL();
}
