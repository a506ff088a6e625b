/*
 * job_lock.c
 *		Advisory session locks as signs of life.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"

#include "bridge/settings.h"
#include "jobs/job_lock.h"

/* locktag_field4 of our locks; pg_advisory_lock() has 1 and 2. */
#define JOB_CLASS	7301
#define SLOT_CLASS	7302

/* Both exclude each other and themselves; only a worker's is a sign of life. */
#define WORKER_MODE	ExclusiveLock
#define FENCE_MODE	AccessExclusiveLock

static LOCKTAG
job_tag(int64 job)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (job >> 32), (uint32) job, JOB_CLASS);
	return tag;
}

static LOCKTAG
slot_tag(int slot)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, (uint32) slot, SLOT_CLASS);
	return tag;
}

bool
tcls_job_lock_acquire(int64 job)
{
	LOCKTAG		tag = job_tag(job);

	return LockAcquire(&tag, WORKER_MODE, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

bool
tcls_job_lock_fence(int64 job)
{
	LOCKTAG		tag = job_tag(job);

	return LockAcquire(&tag, FENCE_MODE, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

int
tcls_job_lock_holder(int64 job)
{
	LOCKTAG		tag = job_tag(job);
	LockData   *locks = GetLockStatusData();
	int			pid = 0;

	for (int i = 0; i < locks->nelements; i++)
	{
		LockInstanceData *lock = &locks->locks[i];

		if (memcmp(&lock->locktag, &tag, sizeof(tag)) == 0 && (lock->holdMask & LOCKBIT_ON(WORKER_MODE)) != 0)
			pid = lock->pid;
	}
	pfree(locks->locks);
	pfree(locks);
	return pid;
}

int
tcls_job_slot_acquire(void)
{
	for (int slot = 0; slot < tcls_setting_max_training_workers; slot++)
	{
		LOCKTAG		tag = slot_tag(slot);

		if (LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL)
			return slot;
	}
	return -1;
}

void
tcls_job_slot_release(int slot)
{
	LOCKTAG		tag = slot_tag(slot);

	LockRelease(&tag, ExclusiveLock, true);
}

int
tcls_job_slots_free(void)
{
	LockData   *locks = GetLockStatusData();
	int			taken = 0;

	for (int i = 0; i < locks->nelements; i++)
	{
		LockInstanceData *lock = &locks->locks[i];

		if (lock->locktag.locktag_type == LOCKTAG_ADVISORY &&
			lock->locktag.locktag_field1 == MyDatabaseId &&
			lock->locktag.locktag_field4 == SLOT_CLASS && lock->holdMask != 0)
			taken++;
	}
	pfree(locks->locks);
	pfree(locks);
	return Max(tcls_setting_max_training_workers - taken, 0);
}
