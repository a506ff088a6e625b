/*
 * training_worker.c
 *		The background worker of one job.
 *
 *		connect -> slot -> lock -> claim -> run -> (done | failed | cancelled) -> start the next
 *
 * It runs as the submitting role.  SIGTERM (shutdown, pg_terminate_backend) ends the process at the
 * next poll without a word: the job stays "running" in its row, which without a
 * lock holder means interrupted.  SIGINT is a cancel, which is final.  It exits by 0 or 1
 * only: any other end would restart the whole server.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "jobs/job_launcher.h"
#include "jobs/job_lock.h"
#include "jobs/job_table.h"
#include "jobs/training.h"

#define MAX_ATTEMPTS 3
#define LOCK_TRIES 20			/* of LOCK_WAIT_MS each: who queued the job again may still be committing */
#define LOCK_WAIT_MS 100

PGDLLEXPORT void textcls_worker_main(Datum main_arg);

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(TopMemoryContext);
}

/* As the role, with settings that do not depend on what ALTER ROLE or ALTER DATABASE say. */
static void
connect_as_submitter(void)
{
	TclsWorkerArguments arguments;

	memcpy(&arguments, MyBgworkerEntry->bgw_extra, sizeof(arguments));
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(arguments.database, arguments.role, 0);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("row_security", "on", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("default_transaction_read_only", "off", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("default_transaction_deferrable", "off", PGC_USERSET, PGC_S_SESSION);
	MemoryContextSwitchTo(TopMemoryContext);
}

static bool
lock_job(int64 job)
{
	for (int i = 0; i < LOCK_TRIES; i++)
	{
		bool		locked;

		begin();
		locked = tcls_job_lock_acquire(job);
		commit();
		if (locked)
			return true;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOCK_WAIT_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

static int
take_slot(void)
{
	int			slot;

	begin();
	slot = tcls_job_slot_acquire();
	commit();
	return slot;
}

/* The job in TopMemoryContext, or NULL when there is nothing (more) to do. */
static TclsJob *
claim(int64 id)
{
	TclsJob    *job;
	MemoryContext old;

	begin();
	old = MemoryContextSwitchTo(TopMemoryContext);
	job = tcls_job_claim(id);
	MemoryContextSwitchTo(old);
	commit();
	return job;
}

static void
check_attempts(const TclsJob *job)
{
	if (job->attempts > MAX_ATTEMPTS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the worker of job " INT64_FORMAT " was lost %d times without reaching a checkpoint",
						job->id, MAX_ATTEMPTS),
				 errhint("See the server log for what ended it. A lower textcls.checkpoint_interval lets a job get "
						 "further.")));
}

/* Leave the error's transaction and write the job's last state. */
static void
record_error(int64 id)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(TopMemoryContext);
	pqsignal(SIGINT, SIG_IGN);
	QueryCancelPending = false;
	RESUME_INTERRUPTS();

	begin();
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		(void) tcls_job_cancel(id);
	else if (error->sqlerrcode != ERRCODE_ADMIN_SHUTDOWN)	/* of a helper: interrupts as that of this process does */
		(void) tcls_job_fail(id, error);
	commit();
	ereport(LOG,
			(errmsg("job " INT64_FORMAT " ended: %s", id, error->message)));
}

/* Whatever happens, SIGINT no longer matters afterwards. */
static void
run(int64 id)
{
	PG_TRY();
	{
		TclsJob    *job = lock_job(id) ? claim(id) : NULL;

		if (job != NULL)
		{
			check_attempts(job);
			tcls_training_run(job, true);
		}
		pqsignal(SIGINT, SIG_IGN);
	}
	PG_CATCH();
	{
		record_error(id);
	}
	PG_END_TRY();
	QueryCancelPending = false;
}

/* The slot is released before the look at what is queued: see job_launcher.c. */
static void
start_next(int slot)
{
	begin();
	tcls_job_slot_release(slot);
	commit();
	begin();
	(void) tcls_launcher_start_queued();
	commit();
}

void
textcls_worker_main(Datum main_arg)
{
	int64		job = DatumGetInt64(main_arg);
	int			slot;

	connect_as_submitter();
	pgstat_report_appname("textcls");
	slot = take_slot();
	if (slot < 0)
		proc_exit(0);
	run(job);
	start_next(slot);
	proc_exit(0);
}
