/*
 * job_table.c
 *		Rows of textcls.job and its two companions.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_largeobject.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "jobs/job_table.h"
#include "store/large_object.h"
#include "store/model_catalog.h"

#define JOB_CHANNEL "textcls_job"

static const char *const state_names[TCLS_JOB_STATES] = {"queued", "running", "done", "failed", "cancelled"};

/* may_follow[from][to]; running after running is a job that was interrupted. */
static const bool may_follow[TCLS_JOB_STATES][TCLS_JOB_STATES] = {
	/*						queued	running done	failed	cancelled */
	[TCLS_JOB_QUEUED] =		{false, true,	false,	true,	true},
	[TCLS_JOB_RUNNING] =	{true,	true,	true,	true,	true},
	[TCLS_JOB_DONE] =		{false, false,	false,	false,	false},
	[TCLS_JOB_FAILED] =		{false, false,	false,	false,	false},
	[TCLS_JOB_CANCELLED] =	{false, false,	false,	false,	false},
};

/* Statements that change the state have the job as $1 and the states it may come from as $2. */
#define WHERE_LEGAL " WHERE id = $1 AND state = ANY ($2)"

const char *
tcls_job_state_name(TclsJobState state)
{
	return state_names[state];
}

static TclsJobState
state_from_name(const char *name)
{
	for (int i = 0; i < TCLS_JOB_STATES; i++)
		if (strcmp(name, state_names[i]) == 0)
			return (TclsJobState) i;
	elog(ERROR, "unknown job state \"%s\"", name);
}

/* text[] of the states that may come before one. */
static Datum
predecessors(TclsJobState to)
{
	Datum		names[TCLS_JOB_STATES];
	int			count = 0;

	for (int from = 0; from < TCLS_JOB_STATES; from++)
		if (may_follow[from][to])
			names[count++] = CStringGetTextDatum(state_names[from]);
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Column number column (from 1) of the first row fetched, as text in the context given; NULL for NULL. */
static char *
fetched_text(int column, MemoryContext context)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);

	return value != NULL ? MemoryContextStrdup(context, value) : NULL;
}

static Datum
fetched_datum(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

int64
tcls_job_insert(TclsJob *job)
{
	Oid			types[10] = {
		TEXTOID, TEXTOID, OIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, JSONBOID, TEXTOID
	};
	Datum		values[10];
	char		nulls[11] = "          ";
	bool		isnull;

	values[0] = CStringGetTextDatum(job->role_name);
	values[1] = CStringGetTextDatum(state_names[job->state]);
	values[2] = ObjectIdGetDatum(job->relid);
	values[3] = CStringGetTextDatum(job->relation_name);
	values[4] = CStringGetTextDatum(job->label_column);
	values[5] = CStringGetTextDatum(job->text_column);
	values[6] = CStringGetTextDatum(job->model);
	values[7] = Int64GetDatum(job->base_version);
	values[8] = JsonbPGetDatum(job->options);
	values[9] = CStringGetTextDatum(job->deploy);
	if (job->base_version == 0)
		nulls[7] = 'n';
	tcls_catalog_execute("INSERT INTO textcls.job (kind, role_name, state, relation, relation_name, label_column,"
						 " text_column, model, base_version, options, deploy, started_at)"
						 " VALUES ('finetune', $1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
						 " CASE WHEN $2 = 'running' THEN pg_catalog.clock_timestamp() END) RETURNING id",
						 10, types, values, nulls, true);
	job->id = DatumGetInt64(fetched_datum(0, 1, &isnull));
	SPI_finish();
	return job->id;
}

static TclsJob *
fetched_job(MemoryContext context)
{
	TclsJob    *job = MemoryContextAllocZero(context, sizeof(TclsJob));
	MemoryContext old;
	Datum		datum;
	bool		isnull;

	job->state = TCLS_JOB_RUNNING;
	job->id = DatumGetInt64(fetched_datum(0, 1, &isnull));
	job->role_name = fetched_text(2, context);
	job->relid = DatumGetObjectId(fetched_datum(0, 3, &isnull));
	job->relation_name = fetched_text(4, context);
	job->label_column = fetched_text(5, context);
	job->text_column = fetched_text(6, context);
	job->model = fetched_text(7, context);
	datum = fetched_datum(0, 8, &isnull);
	job->base_version = isnull ? 0 : DatumGetInt64(datum);
	datum = fetched_datum(0, 9, &isnull);
	old = MemoryContextSwitchTo(context);
	job->options = DatumGetJsonbPCopy(datum);
	MemoryContextSwitchTo(old);
	job->deploy = fetched_text(10, context);
	job->attempts = DatumGetInt32(fetched_datum(0, 11, &isnull));
	return job;
}

TclsJob *
tcls_job_claim(int64 id)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[2] = {INT8OID, TEXTARRAYOID};
	Datum		values[2] = {Int64GetDatum(id), predecessors(TCLS_JOB_RUNNING)};
	TclsJob    *job = NULL;

	if (tcls_catalog_execute("UPDATE textcls.job SET state = 'running', attempts = attempts + 1, phase = 'load',"
							 " started_at = COALESCE(started_at, pg_catalog.clock_timestamp()),"
							 " updated_at = pg_catalog.clock_timestamp(), eta = NULL" WHERE_LEGAL
							 " RETURNING id, role_name, relation, relation_name, label_column, text_column, model,"
							 " base_version, options, deploy, attempts",
							 2, types, values, NULL, true) == 1)
		job = fetched_job(context);
	SPI_finish();
	return job;
}

bool
tcls_job_requeue(int64 id)
{
	Oid			types[2] = {INT8OID, TEXTARRAYOID};
	Datum		values[2] = {Int64GetDatum(id), predecessors(TCLS_JOB_QUEUED)};

	return tcls_catalog_execute("UPDATE textcls.job SET state = 'queued', eta = NULL,"
								" updated_at = pg_catalog.clock_timestamp()" WHERE_LEGAL,
								2, types, values, NULL, false) == 1;
}

static void
free_checkpoint(int64 id)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum(id)};
	Oid			weights = InvalidOid;
	bool		isnull;

	if (tcls_catalog_execute("DELETE FROM textcls.checkpoint WHERE job = $1 RETURNING weights",
							 1, types, values, NULL, true) == 1)
		weights = DatumGetObjectId(fetched_datum(0, 1, &isnull));
	SPI_finish();
	/* The owner may have unlinked it; the job must still be able to end. */
	if (OidIsValid(weights) && LargeObjectExists(weights))
		tcls_object_unlink(weights);
}

static void
notify(int64 id, TclsJobState state, const char *model, int32 version)
{
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfo(&payload, "{\"job\": " INT64_FORMAT ", \"state\": \"%s\", \"model\": ", id, state_names[state]);
	escape_json(&payload, model);
	if (version > 0)
		appendStringInfo(&payload, ", \"version\": %d}", version);
	else
		appendStringInfoString(&payload, ", \"version\": null}");
	Async_Notify(JOB_CHANNEL, payload.data);
	pfree(payload.data);
}

/*
 * Run the UPDATE of a last state.  values[0] is the job and values[1] is filled
 * in here; the statement ends in RETURNING model.
 */
static bool
end_job(const char *sql, TclsJobState state, int32 version, int nargs, Oid *types, Datum *values, const char *nulls)
{
	MemoryContext context = CurrentMemoryContext;
	int64		id = DatumGetInt64(values[0]);
	char	   *model = NULL;

	types[0] = INT8OID;
	types[1] = TEXTARRAYOID;
	values[1] = predecessors(state);
	if (tcls_catalog_execute(sql, nargs, types, values, nulls, true) == 1)
		model = fetched_text(1, context);
	SPI_finish();
	if (model == NULL)
		return false;
	free_checkpoint(id);
	notify(id, state, model, version);
	pfree(model);
	return true;
}

bool
tcls_job_cancel(int64 id)
{
	Oid			types[2];
	Datum		values[2] = {Int64GetDatum(id)};

	return end_job("UPDATE textcls.job SET state = 'cancelled', phase = NULL, eta = NULL,"
				   " updated_at = pg_catalog.clock_timestamp(), finished_at = pg_catalog.clock_timestamp()"
				   WHERE_LEGAL " RETURNING model",
				   TCLS_JOB_CANCELLED, 0, 2, types, values, NULL);
}

bool
tcls_job_fail(int64 id, const ErrorData *error)
{
	Oid			types[6] = {0, 0, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[6] = {Int64GetDatum(id)};
	const char *texts[6] = {
		NULL, NULL, error->message, unpack_sql_state(error->sqlerrcode), error->detail, error->hint
	};
	char		nulls[7] = "      ";

	for (int i = 2; i < 6; i++)
	{
		if (texts[i] != NULL)
			values[i] = CStringGetTextDatum(texts[i]);
		else
			nulls[i] = 'n';
	}
	return end_job("UPDATE textcls.job SET state = 'failed', error = $3, error_state = $4, error_detail = $5,"
				   " error_hint = $6, eta = NULL, updated_at = pg_catalog.clock_timestamp(),"
				   " finished_at = pg_catalog.clock_timestamp()" WHERE_LEGAL " RETURNING model",
				   TCLS_JOB_FAILED, 0, 6, types, values, nulls);
}

static void
raise_stopped(int64 id)
{
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("job " INT64_FORMAT " is no longer running", id)));
}

void
tcls_job_finish(int64 id, const TclsJobResult *result)
{
	Oid			types[4] = {0, 0, INT8OID, JSONBOID};
	Datum		values[4] = {Int64GetDatum(id)};

	values[2] = Int64GetDatum(result->model_version);
	values[3] = JsonbPGetDatum(result->metrics);
	if (!end_job("UPDATE textcls.job SET state = 'done', model_version = $3, metrics = $4, phase = NULL, eta = NULL,"
				 " updated_at = pg_catalog.clock_timestamp(), finished_at = pg_catalog.clock_timestamp()"
				 WHERE_LEGAL " RETURNING model",
				 TCLS_JOB_DONE, result->version_number, 4, types, values, NULL))
		raise_stopped(id);
}

/* An UPDATE of a running job, whose id is $1. */
static void
update_running(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	types[0] = INT8OID;
	if (tcls_catalog_execute(sql, nargs, types, values, nulls, false) != 1)
		raise_stopped(DatumGetInt64(values[0]));
}

void
tcls_job_report(int64 id, const TclsJobProgress *progress)
{
	Oid			types[7] = {0, TEXTOID, INT8OID, INT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID};
	Datum		values[7] = {Int64GetDatum(id)};
	char		nulls[8] = "       ";

	values[1] = CStringGetTextDatum(progress->phase);
	values[2] = Int64GetDatum(progress->step);
	values[3] = Int64GetDatum(progress->total_steps);
	values[4] = Float8GetDatum(progress->epoch);
	values[5] = Float8GetDatum(progress->loss);
	values[6] = Float8GetDatum(progress->seconds_left);
	if (progress->total_steps == 0)
		memset(nulls + 2, 'n', 4);
	if (progress->seconds_left < 0)
		nulls[6] = 'n';
	update_running("UPDATE textcls.job SET phase = $2, step = COALESCE($3, step),"
				   " total_steps = COALESCE($4, total_steps), epoch = COALESCE($5, epoch), loss = COALESCE($6, loss),"
				   " eta = pg_catalog.make_interval(secs => $7), updated_at = pg_catalog.clock_timestamp()"
				   " WHERE id = $1 AND state = 'running'",
				   7, types, values, nulls);
}

void
tcls_job_report_rows(int64 id, int64 rows_read, int64 skipped, int64 truncated)
{
	Oid			types[4] = {0, INT8OID, INT8OID, INT8OID};
	Datum		values[4];

	values[0] = Int64GetDatum(id);
	values[1] = Int64GetDatum(rows_read);
	values[2] = Int64GetDatum(skipped);
	values[3] = Int64GetDatum(truncated);
	update_running("UPDATE textcls.job SET rows_read = $2, rows_skipped = $3, rows_truncated = $4,"
				   " warnings = NULL, updated_at = pg_catalog.clock_timestamp() WHERE id = $1 AND state = 'running'",
				   4, types, values, NULL);
}

void
tcls_job_warn(int64 id, const char *warning)
{
	Oid			types[2] = {0, TEXTOID};
	Datum		values[2];

	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(warning);
	update_running("UPDATE textcls.job SET warnings = pg_catalog.array_append(warnings, $2)"
				   " WHERE id = $1 AND state = 'running'",
				   2, types, values, NULL);
}

void
tcls_job_log(int64 id, const TclsJobLogRow *row)
{
	Oid			types[9];
	Datum		values[9];
	char		nulls[10] = "         ";

	for (int i = 0; i < 9; i++)
		types[i] = i < 2 ? INT8OID : FLOAT8OID;
	values[0] = Int64GetDatum(id);
	values[1] = Int64GetDatum(row->step);
	values[2] = Float8GetDatum(row->epoch);
	values[3] = Float8GetDatum(row->loss);
	values[4] = Float8GetDatum(row->learning_rate);
	values[5] = Float8GetDatum(row->tokens_per_second);
	values[6] = Float8GetDatum(row->eval_loss);
	values[7] = Float8GetDatum(row->eval_accuracy);
	values[8] = Float8GetDatum(row->eval_macro_f1);
	if (!row->is_evaluation)
		memset(nulls + 6, 'n', 3);
	tcls_catalog_execute("INSERT INTO textcls.job_log (job, step, epoch, loss, learning_rate, tokens_per_second,"
						 " eval_loss, eval_accuracy, eval_macro_f1) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
						 9, types, values, nulls, false);
}

void
tcls_job_put_checkpoint(int64 id, const TclsJobCheckpoint *checkpoint)
{
	Oid			types[6] = {INT8OID, INT8OID, INT8OID, INT8OID, BYTEAOID, OIDOID};
	Datum		values[6];
	bytea	   *sha256 = palloc(VARHDRSZ + sizeof(checkpoint->sha256));

	SET_VARSIZE(sha256, VARHDRSZ + sizeof(checkpoint->sha256));
	memcpy(VARDATA(sha256), checkpoint->sha256, sizeof(checkpoint->sha256));
	free_checkpoint(id);
	values[0] = Int64GetDatum(id);
	values[1] = Int64GetDatum(checkpoint->step);
	values[2] = Int64GetDatum(checkpoint->examples);
	values[3] = Int64GetDatum(checkpoint->examples_hash);
	values[4] = PointerGetDatum(sha256);
	values[5] = ObjectIdGetDatum(checkpoint->weights);
	tcls_catalog_execute("INSERT INTO textcls.checkpoint (job, step, examples, examples_hash, sha256, weights)"
						 " VALUES ($1, $2, $3, $4, $5, $6)",
						 6, types, values, NULL, false);
	update_running("UPDATE textcls.job SET attempts = 0 WHERE id = $1 AND state = 'running'",
				   1, types, values, NULL);
}

bool
tcls_job_get_checkpoint(int64 id, TclsJobCheckpoint *checkpoint)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum(id)};
	bool		isnull;
	bool		found;

	found = tcls_catalog_execute("SELECT step, examples, examples_hash, sha256, weights FROM textcls.checkpoint"
								 " WHERE job = $1", 1, types, values, NULL, true) == 1;
	if (found)
	{
		bytea	   *sha256 = DatumGetByteaPP(fetched_datum(0, 4, &isnull));

		checkpoint->step = DatumGetInt64(fetched_datum(0, 1, &isnull));
		checkpoint->examples = DatumGetInt64(fetched_datum(0, 2, &isnull));
		checkpoint->examples_hash = DatumGetInt64(fetched_datum(0, 3, &isnull));
		memcpy(checkpoint->sha256, VARDATA_ANY(sha256), sizeof(checkpoint->sha256));
		checkpoint->weights = DatumGetObjectId(fetched_datum(0, 5, &isnull));
	}
	SPI_finish();
	return found;
}

static char *
column_text(HeapTuple tuple, TupleDesc columns, const char *name)
{
	return SPI_getvalue(tuple, columns, SPI_fnumber(columns, name));
}

TclsJobStatus *
tcls_job_status(int64 id)
{
	Oid			relid = get_relname_relid("job", get_namespace_oid("textcls", false));
	Relation	relation = table_open(relid, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleDesc	columns = RelationGetDescr(relation);
	TclsJobStatus *status = NULL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, SPI_fnumber(columns, "id"), BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	scan = systable_beginscan(relation, RelationGetPrimaryKeyIndex(relation), true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		status = palloc0(sizeof(TclsJobStatus));
		status->state = state_from_name(column_text(tuple, columns, "state"));
		status->role_name = column_text(tuple, columns, "role_name");
		status->error = column_text(tuple, columns, "error");
		status->error_state = column_text(tuple, columns, "error_state");
		status->error_detail = column_text(tuple, columns, "error_detail");
		status->error_hint = column_text(tuple, columns, "error_hint");
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
	return status;
}

static int
list_jobs(TclsWaitingJob **jobs, const char *sql, int nargs, Oid *types, Datum *values)
{
	MemoryContext context = CurrentMemoryContext;
	int			count = (int) tcls_catalog_execute(sql, nargs, types, values, NULL, true);

	*jobs = MemoryContextAlloc(context, (count + 1) * sizeof(TclsWaitingJob));
	for (int i = 0; i < count; i++)
	{
		bool		isnull;

		(*jobs)[i].id = DatumGetInt64(fetched_datum(i, 1, &isnull));
		(*jobs)[i].role = DatumGetObjectId(fetched_datum(i, 2, &isnull));
	}
	SPI_finish();
	return count;
}

int
tcls_job_list_queued(TclsWaitingJob **jobs)
{
	return list_jobs(jobs, "SELECT j.id, r.oid FROM textcls.job j JOIN pg_catalog.pg_roles r"
					 " ON r.rolname = j.role_name WHERE j.state = 'queued' AND r.rolcanlogin ORDER BY j.id",
					 0, NULL, NULL);
}

int
tcls_job_list_running(TclsWaitingJob **jobs, Oid role)
{
	Oid			types[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(role)};

	return list_jobs(jobs, "SELECT j.id, r.oid FROM textcls.job j JOIN pg_catalog.pg_roles r"
					 " ON r.rolname = j.role_name WHERE j.state = 'running' AND ($1 = 0 OR r.oid = $1) ORDER BY j.id",
					 1, types, values);
}
