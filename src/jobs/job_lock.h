/*
 * job_lock.h
 *		Who is alive: session locks that vanish with their process.
 *
 * A worker holds one advisory lock that names its training slot of the database and one
 * that names its job.  They lie in classes of their own, apart from
 * the locks of pg_advisory_lock().
 */
#ifndef TEXTCLS_JOB_LOCK_H
#define TEXTCLS_JOB_LOCK_H

/* Take the job's lock as its worker, for the session; false when another process has it. */
extern bool tcls_job_lock_acquire(int64 job);

/* Keep workers from the job to the end of the transaction; false when one has it. */
extern bool tcls_job_lock_fence(int64 job);

/* Process of the job's worker, 0 for none. */
extern int	tcls_job_lock_holder(int64 job);

/* Take one of textcls.max_training_workers slots; -1 when all are taken. */
extern int	tcls_job_slot_acquire(void);
extern void tcls_job_slot_release(int slot);

/* Slots of this database that nobody holds. */
extern int	tcls_job_slots_free(void);

#endif							/* TEXTCLS_JOB_LOCK_H */
