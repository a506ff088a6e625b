/*
 * job_launcher.h
 *		Starts workers: at commit, when another one ends, and after a restart.
 */
#ifndef TEXTCLS_JOB_LAUNCHER_H
#define TEXTCLS_JOB_LAUNCHER_H

#include "postmaster/bgworker.h"

/* What a worker is told; the rest is in the job's row. */
typedef struct TclsWorkerArguments
{
	Oid			database;
	Oid			role;
} TclsWorkerArguments;

/*
 * A worker of a training for bgw_main_arg, with the arguments that lie in bgw_extra; the caller adds its
 * name and whom it notifies.
 */
extern void tcls_launcher_describe(BackgroundWorker *out, const char *type, const char *function, Datum main_arg,
								   const void *arguments, Size size);

/* Called by _PG_init: transaction callbacks, and the sweeper where the library is preloaded. */
extern void tcls_launcher_define(void);

/* Start a worker for the job when this transaction commits; nothing happens when it aborts. */
extern void tcls_launcher_add(int64 job, Oid role);

/* Whether the job was added by this transaction, which has not committed yet. */
extern bool tcls_launcher_is_pending(int64 job);

/*
 * Start workers for committed queued jobs as far as slots are free.  Needs a
 * snapshot.  Returns workers started.
 */
extern int	tcls_launcher_start_queued(void);

/*
 * Queue the interrupted jobs of a role, of everybody for InvalidOid, again, and start
 * them and those already queued at commit.  Returns the number of such jobs.
 */
extern int	tcls_launcher_resume(Oid role);

#endif							/* TEXTCLS_JOB_LAUNCHER_H */
