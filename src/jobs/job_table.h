/*
 * job_table.h
 *		Rows of textcls.job, job_log and checkpoint, and which state may follow which.
 *
 * All writing is done through the store as the extension's owner; the callers
 * have checked the role.  Every function runs in the caller's transaction.
 */
#ifndef TEXTCLS_JOB_TABLE_H
#define TEXTCLS_JOB_TABLE_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/*
 * An interrupted job is not a state of its own: it is a running job whose lock
 * nobody holds (job_lock.h), which stays true after any kind of crash.
 */
typedef enum TclsJobState
{
	TCLS_JOB_QUEUED,
	TCLS_JOB_RUNNING,
	TCLS_JOB_DONE,
	TCLS_JOB_FAILED,
	TCLS_JOB_CANCELLED
} TclsJobState;

#define TCLS_JOB_STATES 5

typedef struct TclsJob
{
	int64		id;
	TclsJobState state;
	char	   *role_name;
	Oid			relid;
	char	   *relation_name;	/* qualified, as it was at the call */
	char	   *label_column;
	char	   *text_column;
	char	   *model;
	int64		base_version;	/* 0: from scratch */
	Jsonb	   *options;
	char	   *deploy;			/* "always" or "never" */
	int32		attempts;		/* starts since the last checkpoint */
} TclsJob;

/* What a reader who waits wants to know. */
typedef struct TclsJobStatus
{
	TclsJobState state;
	char	   *role_name;
	char	   *error;			/* NULL unless failed */
	char	   *error_state;	/* SQLSTATE */
	char	   *error_detail;
	char	   *error_hint;
} TclsJobStatus;

typedef struct TclsJobProgress
{
	const char *phase;
	int64		step;
	int64		total_steps;	/* 0: the phase has no steps, the fields below do not count */
	double		epoch;
	double		loss;
	double		seconds_left;	/* below 0: unknown */
} TclsJobProgress;

typedef struct TclsJobLogRow
{
	int64		step;
	double		epoch;
	double		loss;
	double		learning_rate;
	double		tokens_per_second;
	bool		is_evaluation;
	double		eval_loss;
	double		eval_accuracy;
	double		eval_macro_f1;
} TclsJobLogRow;

typedef struct TclsJobResult
{
	int64		model_version;
	int32		version_number;
	Jsonb	   *metrics;
} TclsJobResult;

typedef struct TclsJobCheckpoint
{
	int64		step;
	int64		examples;		/* number of examples and their hash, in order: */
	int64		examples_hash;	/* a resume needs the same ones */
	uint8		sha256[32];
	Oid			weights;
} TclsJobCheckpoint;

extern const char *tcls_job_state_name(TclsJobState state);

/* Insert a row in the state job->state; sets and returns its id. */
extern int64 tcls_job_insert(TclsJob *job);

/*
 * Make the job running and count the attempt.  NULL when there is no such job
 * (its transaction rolled back) or it has ended meanwhile.
 */
extern TclsJob *tcls_job_claim(int64 id);

/* running -> queued, of a job whose worker is gone.  False if the job was not running. */
extern bool tcls_job_requeue(int64 id);

/* The last state of a job; frees its checkpoint and sends the notification.  False when the state does not allow it. */
extern bool tcls_job_cancel(int64 id);
extern bool tcls_job_fail(int64 id, const ErrorData *error);
extern void tcls_job_finish(int64 id, const TclsJobResult *result);

/*
 * Reports of the worker.  They raise query_canceled when the job is no longer
 * running, so that a row that was cancelled or deleted stops its worker.
 */
extern void tcls_job_report(int64 id, const TclsJobProgress *progress);
extern void tcls_job_report_rows(int64 id, int64 rows_read, int64 skipped, int64 truncated);
extern void tcls_job_warn(int64 id, const char *warning);
extern void tcls_job_log(int64 id, const TclsJobLogRow *row);

/* Replace the checkpoint, free the one before and forget the attempts. */
extern void tcls_job_put_checkpoint(int64 id, const TclsJobCheckpoint *checkpoint);
extern bool tcls_job_get_checkpoint(int64 id, TclsJobCheckpoint *checkpoint);

/*
 * The newest committed state, whatever snapshot the transaction has; NULL when
 * there is none.
 */
extern TclsJobStatus *tcls_job_status(int64 id);

/* A job that a worker could be started for. */
typedef struct TclsWaitingJob
{
	int64		id;
	Oid			role;
} TclsWaitingJob;

/* Queued jobs whose role may log in, oldest first; *jobs is palloc'ed. */
extern int	tcls_job_list_queued(TclsWaitingJob **jobs);

/* Running jobs of the role, of everybody when role is InvalidOid; the caller looks who is alive. */
extern int	tcls_job_list_running(TclsWaitingJob **jobs, Oid role);

#endif							/* TEXTCLS_JOB_TABLE_H */
