/*
 * jobs_api.c
 *		Functions on jobs that exist: cancel, wait, resume, look.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "jobs/job_launcher.h"
#include "jobs/job_lock.h"
#include "jobs/job_table.h"

#define POLL_MS 50
#define TEND_MS 1000
#define INTERRUPTED_MS 2000		/* without a lock holder for so long, a running job is interrupted */

PG_FUNCTION_INFO_V1(textcls_cancel_job);
PG_FUNCTION_INFO_V1(textcls_wait_job);
PG_FUNCTION_INFO_V1(textcls_resume_jobs);
PG_FUNCTION_INFO_V1(textcls_job_is_alive);

/* The job's newest state; an ERROR when there is no such job or it is not the caller's. */
static TclsJobStatus *
look_at(int64 id)
{
	TclsJobStatus *status = tcls_job_status(id);
	Oid			role;

	if (status == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT " does not exist", id)));
	role = get_role_oid(status->role_name, true);
	if (!superuser() && !(OidIsValid(role) && has_privs_of_role(GetUserId(), role)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for job " INT64_FORMAT, id)));
	return status;
}

static bool
has_ended(const TclsJobStatus *status)
{
	return status->state != TCLS_JOB_QUEUED && status->state != TCLS_JOB_RUNNING;
}

/*
 * A worker that holds the lock gets a signal, whose effect no ROLLBACK undoes; a job
 * without one is changed in its row, where a worker that is just about to begin finds it.
 */
Datum
textcls_cancel_job(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	int			pid;

	if (has_ended(look_at(id)))
		PG_RETURN_BOOL(false);
	pid = tcls_job_lock_holder(id);
	if (pid != 0 && pid != MyProcPid)
		PG_RETURN_BOOL(kill(pid, SIGINT) == 0);
	PG_RETURN_BOOL(tcls_job_cancel(id));
}

static void
raise_end(int64 id, const TclsJobStatus *status)
{
	const char *code = status->error_state;

	if (status->state == TCLS_JOB_CANCELLED)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("job " INT64_FORMAT " was cancelled", id)));
	if (status->state == TCLS_JOB_FAILED)
		ereport(ERROR,
				(errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])),
				 errmsg_internal("%s", status->error),
				 status->error_detail != NULL ? errdetail_internal("%s", status->error_detail) : 0,
				 status->error_hint != NULL ? errhint("%s", status->error_hint) : 0,
				 errcontext("textcls job " INT64_FORMAT, id)));
}

/*
 * Once a second, look whether a job that has not ended makes progress; *looked is when
 * it was last seen well.
 */
static void
tend(int64 id, const TclsJobStatus *status, TimestampTz *looked)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!TimestampDifferenceExceeds(*looked, now, TEND_MS))
		return;
	if (tcls_job_lock_holder(id) != 0)
		*looked = now;
	else if (status->state == TCLS_JOB_QUEUED)
	{
		if (!RecoveryInProgress())
			(void) tcls_launcher_start_queued();
		*looked = now;
	}
	else if (TimestampDifferenceExceeds(*looked, now, INTERRUPTED_MS))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " is interrupted", id),
				 errhint("Call textcls.resume_jobs() to let it go on.")));
}

static TimestampTz
deadline_of(const Interval *timeout)
{
	int64		days = (int64) timeout->month * DAYS_PER_MONTH + timeout->day;

	return GetCurrentTimestamp() + days * USECS_PER_DAY + timeout->time;
}

/*
 * The state is read with a new snapshot each time, in any isolation level.  The
 * statement's own snapshot stays while it waits, as with pg_sleep().
 */
Datum
textcls_wait_job(PG_FUNCTION_ARGS)
{
	int64		id;
	bool		forever = PG_ARGISNULL(1);
	TimestampTz deadline = forever ? 0 : deadline_of(PG_GETARG_INTERVAL_P(1));
	TimestampTz looked = GetCurrentTimestamp();
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext look;			/* of one look: there are many in an hour */
	TclsJobStatus *status;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	id = PG_GETARG_INT64(0);
	if (tcls_launcher_is_pending(id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " starts when this transaction commits", id),
				 errhint("Wait for it in another transaction, or call finetune() with wait => true.")));
	look = AllocSetContextCreate(caller, "textcls wait", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(look);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(look);
		status = look_at(id);
		if (has_ended(status) || (!forever && GetCurrentTimestamp() >= deadline))
			break;
		tend(id, status, &looked);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	raise_end(id, status);
	MemoryContextSwitchTo(caller);
	PG_RETURN_TEXT_P(cstring_to_text(tcls_job_state_name(status->state)));
}

Datum
textcls_resume_jobs(PG_FUNCTION_ARGS)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot resume jobs during recovery")));
	PG_RETURN_INT32(tcls_launcher_resume(superuser() ? InvalidOid : GetUserId()));
}

Datum
textcls_job_is_alive(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tcls_job_lock_holder(PG_GETARG_INT64(0)) != 0);
}
