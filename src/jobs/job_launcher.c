/*
 * job_launcher.c
 *		Registers background workers for jobs.
 *
 * A job's row becomes visible when its transaction commits, so its worker is
 * registered in the commit callback, where nothing may raise: a worker that
 * cannot be registered leaves the job queued.  A worker without a free slot
 * exits, and its job is started by a worker that ends.  No wake-up is lost: who
 * holds a slot releases it before it looks for queued jobs that nobody holds;
 * a job is committed before its worker looks for a slot, and only then is it held.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "bridge/settings.h"
#include "jobs/job_launcher.h"
#include "jobs/job_lock.h"
#include "jobs/job_table.h"

#define SWEEPER_RESTART_S 10

PGDLLEXPORT void textcls_sweeper_main(Datum main_arg);
PGDLLEXPORT void textcls_sweep_database_main(Datum main_arg);

typedef struct PendingJob
{
	int64		job;
	Oid			role;
	bool		is_new;			/* of this transaction, not one that was queued before */
	SubTransactionId subtransaction;
	struct PendingJob *next;
} PendingJob;

/* In TopTransactionContext, by job. */
static PendingJob *pending = NULL;

StaticAssertDecl(sizeof(TclsWorkerArguments) <= BGW_EXTRALEN, "worker arguments must fit into bgw_extra");

void
tcls_launcher_describe(BackgroundWorker *out, const char *type, const char *function, Datum main_arg,
					   const void *arguments, Size size)
{
	memset(out, 0, sizeof(*out));
	strlcpy(out->bgw_type, type, BGW_MAXLEN);
	strlcpy(out->bgw_library_name, "textcls", BGW_MAXLEN);
	strlcpy(out->bgw_function_name, function, BGW_MAXLEN);
	out->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	out->bgw_start_time = BgWorkerStart_RecoveryFinished;
	out->bgw_restart_time = BGW_NEVER_RESTART;
	out->bgw_main_arg = main_arg;
	memcpy(out->bgw_extra, arguments, size);
}

static bool
register_worker(int64 job, Oid role)
{
	BackgroundWorker worker;
	TclsWorkerArguments arguments = {MyDatabaseId, role};

	tcls_launcher_describe(&worker, "textcls training", "textcls_worker_main", Int64GetDatum(job), &arguments,
						   sizeof(arguments));
	snprintf(worker.bgw_name, BGW_MAXLEN, "textcls training, job " INT64_FORMAT, job);
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

/* More workers than there are slots would only exit; whether one is free they find out themselves. */
static void
start_pending(void)
{
	int			slots = tcls_setting_max_training_workers;

	for (PendingJob *item = pending; item != NULL && slots > 0; item = item->next, slots--)
	{
		if (!register_worker(item->job, item->role))
		{
			ereport(WARNING,
					(errmsg("job " INT64_FORMAT " stays queued: no background worker is free", item->job),
					 errhint("Raise max_worker_processes, or call textcls.resume_jobs() later.")));
			break;
		}
	}
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (pending == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot prepare a transaction that queued a textcls job")));
			break;
		case XACT_EVENT_COMMIT:
			start_pending();
			pending = NULL;
			break;
		case XACT_EVENT_ABORT:
			pending = NULL;
			break;
		default:
			break;
	}
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	PendingJob **link = &pending;

	while (*link != NULL)
	{
		PendingJob *item = *link;

		if (item->subtransaction == mine && event == SUBXACT_EVENT_ABORT_SUB)
		{
			*link = item->next;
			continue;
		}
		if (item->subtransaction == mine && event == SUBXACT_EVENT_COMMIT_SUB)
			item->subtransaction = parent;
		link = &item->next;
	}
}

void
tcls_launcher_define(void)
{
	BackgroundWorker worker;

	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, "textcls sweeper", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "textcls sweeper", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "textcls", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "textcls_sweeper_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = SWEEPER_RESTART_S;
	RegisterBackgroundWorker(&worker);
}

static void
add(int64 job, Oid role, bool is_new)
{
	PendingJob *item = MemoryContextAlloc(TopTransactionContext, sizeof(PendingJob));
	PendingJob **link = &pending;

	item->job = job;
	item->role = role;
	item->is_new = is_new;
	item->subtransaction = GetCurrentSubTransactionId();
	while (*link != NULL && (*link)->job < job)
		link = &(*link)->next;
	item->next = *link;
	*link = item;
}

void
tcls_launcher_add(int64 job, Oid role)
{
	add(job, role, true);
}

static PendingJob *
find_pending(int64 job)
{
	PendingJob *item = pending;

	while (item != NULL && item->job != job)
		item = item->next;
	return item;
}

bool
tcls_launcher_is_pending(int64 job)
{
	PendingJob *item = find_pending(job);

	return item != NULL && item->is_new;
}

int
tcls_launcher_start_queued(void)
{
	int			slots = tcls_job_slots_free();
	int			started = 0;
	int			count;
	TclsWaitingJob *jobs;

	if (slots == 0)
		return 0;
	count = tcls_job_list_queued(&jobs);
	for (int i = 0; i < count && started < slots; i++)
	{
		if (find_pending(jobs[i].id) != NULL || tcls_job_lock_holder(jobs[i].id) != 0)
			continue;
		if (!register_worker(jobs[i].id, jobs[i].role))
			break;
		started++;
	}
	pfree(jobs);
	return started;
}

/* The fence: no worker begins the job between the look at it and the end of this transaction. */
int
tcls_launcher_resume(Oid role)
{
	TclsWaitingJob *jobs;
	int			count = tcls_job_list_running(&jobs, role);
	int			resumed = 0;

	for (int i = 0; i < count; i++)
		if (tcls_job_lock_fence(jobs[i].id))
			tcls_job_requeue(jobs[i].id);
	pfree(jobs);

	count = tcls_job_list_queued(&jobs);
	for (int i = 0; i < count; i++)
	{
		if ((OidIsValid(role) && jobs[i].role != role) || find_pending(jobs[i].id) != NULL)
			continue;
		add(jobs[i].id, jobs[i].role, false);
		resumed++;
	}
	pfree(jobs);
	return resumed;
}

/* OIDs of the databases that can be connected to, in CurrentMemoryContext. */
static List *
list_databases(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *databases = NIL;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old = MemoryContextSwitchTo(context);

		if (database->datallowconn && !database->datistemplate)
			databases = lappend_oid(databases, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return databases;
}

/* Run textcls_sweep_database_main in one database and wait for its end. */
static void
sweep_database(Oid database)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;

	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, "textcls sweeper of a database", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "textcls sweeper", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "textcls", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "textcls_sweep_database_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		ereport(LOG,
				(errmsg("textcls could not look for interrupted jobs in database %u: no background worker is free",
						database)));
		return;
	}
	if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED)
		proc_exit(1);
	pfree(handle);
}

/*
 * The sweeper looks into each database once, then idles: the server restarts it
 * after a crash of any process, and then it looks again.
 */
void
textcls_sweeper_main(Datum main_arg)
{
	ListCell   *cell;
	List	   *databases;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	CurrentMemoryContext = TopMemoryContext;
	databases = list_databases();
	foreach(cell, databases)
		sweep_database(lfirst_oid(cell));
	for (;;)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
textcls_sweep_database_main(Datum main_arg)
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(main_arg), InvalidOid, 0);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(get_extension_oid("textcls", true)))
		(void) tcls_launcher_resume(InvalidOid);
	PopActiveSnapshot();
	CommitTransactionCommand();
	proc_exit(0);
}
