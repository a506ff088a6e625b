/*
 * team_segment.c
 *		Layout of the segment, meetings, and how a process leaves.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shm_toc.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#include "bridge/settings.h"
#include "jobs/team_segment.h"
#include "kernels/gemm.h"

#define MAGIC UINT64CONST(0x74657874636c7331)

enum
{
	KEY_SHARED = 1,
	KEY_BLOCK,
	KEY_BOARD,
	KEY_PLACES,
	KEY_CLASS_WEIGHTS,
	KEY_SETTINGS,
	KEY_TOKENIZER,
	KEY_ROW_STEPS,
	KEY_COUNT = KEY_ROW_STEPS
};

/* Which of the team this process is; 0 also in a process that is in none. */
static int32 my_rank = 0;

/* The segment of the team that this process is in. */
static dsm_segment *joined = NULL;

/* ---- leaving ---- */

/*
 * Of two failures the leader raises the first.  The stop comes after the failure's text, and
 * from who wrote it.
 */
static bool
claim_failure(TclsTeamShared *shared, int32 rank)
{
	uint32		none = 0;

	return pg_atomic_compare_exchange_u32(&shared->failed, &none, rank);
}

static void
stop(TclsTeamShared *shared)
{
	pg_write_barrier();
	pg_atomic_write_u32(&shared->stop, 1);
	ConditionVariableBroadcast(&shared->change);
}

/*
 * At the end of the mapping, by an error, SIGTERM or the end of the work.  The sleep at a meeting is cancelled while
 * its memory is still there.
 */
static void
leave(dsm_segment *dsm, Datum arg)
{
	TclsTeamShared *shared = (TclsTeamShared *) DatumGetPointer(arg);

	joined = NULL;
	ConditionVariableCancelSleep();
	if (my_rank == 0)
		stop(shared);
	else if (pg_atomic_read_u32(&shared->finished[my_rank]) == 0 && claim_failure(shared, my_rank))
	{
		shared->failure.terminated = true;
		stop(shared);
	}
}

/*
 * While the statistics still work, which the last one to leave tells of the files that it removes; the
 * server itself would do it later.
 */
static void
leave_at_exit(int code, Datum arg)
{
	tcls_team_segment_leave();
}

static void
join(TclsTeamSegment *segment)
{
	static bool is_registered = false;

	if (!is_registered)
		before_shmem_exit(leave_at_exit, 0);
	is_registered = true;
	joined = segment->dsm;
	on_dsm_detach(segment->dsm, leave, PointerGetDatum(segment->shared));
}

void
tcls_team_segment_leave(void)
{
	if (joined != NULL)
		dsm_detach(joined);
}

void
tcls_team_segment_fail(TclsTeamSegment *segment, const ErrorData *error)
{
	TclsTeamFailure *failure = &segment->shared->failure;

	if (!claim_failure(segment->shared, my_rank))
		return;
	failure->sqlstate = error->sqlerrcode;
	strlcpy(failure->message, error->message, sizeof(failure->message));
	strlcpy(failure->detail, error->detail != NULL ? error->detail : "", sizeof(failure->detail));
	strlcpy(failure->hint, error->hint != NULL ? error->hint : "", sizeof(failure->hint));
	stop(segment->shared);
}

void
tcls_team_segment_poll(const TclsTeamSegment *segment)
{
	CHECK_FOR_INTERRUPTS();
	if (pg_atomic_read_u32(&segment->shared->stop) != 0)
		proc_exit(0);
}

static void
raise_failure(TclsTeamShared *shared)
{
	const TclsTeamFailure *failure = &shared->failure;
	int			rank = (int) pg_atomic_read_u32(&shared->failed);

	pg_read_barrier();
	if (failure->terminated)
		ereport(ERROR,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("worker %d of the training was terminated", rank + 1)));
	ereport(ERROR,
			(errcode(failure->sqlstate),
			 errmsg_internal("%s", failure->message),
			 failure->detail[0] != '\0' ? errdetail_internal("%s", failure->detail) : 0,
			 failure->hint[0] != '\0' ? errhint("%s", failure->hint) : 0,
			 errcontext("worker %d of the training", rank + 1)));
}

/* The last to arrive begins the next phase; its write, a full barrier, publishes what all have written. */
static void
arrive_and_wait(TclsTeamShared *shared)
{
	uint32		phase = pg_atomic_read_u32(&shared->phase);

	if (pg_atomic_add_fetch_u32(&shared->arrived, 1) == (uint32) shared->count)
	{
		pg_atomic_write_u32(&shared->arrived, 0);
		pg_atomic_fetch_add_u32(&shared->phase, 1);
		ConditionVariableBroadcast(&shared->change);
		return;
	}
	ConditionVariablePrepareToSleep(&shared->change);
	while (pg_atomic_read_u32(&shared->phase) == phase && pg_atomic_read_u32(&shared->stop) == 0)
		ConditionVariableSleep(&shared->change, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	pg_memory_barrier();
}

static TclsStatus
meet(void *context)
{
	TclsTeamSegment *segment = context;

	arrive_and_wait(segment->shared);
	if (my_rank > 0)
		tcls_team_segment_poll(segment);
	else if (pg_atomic_read_u32(&segment->shared->stop) != 0)
		raise_failure(segment->shared);
	return TCLS_OK;
}

/* ---- layout ---- */

static void *
align(void *chunk)
{
	return (void *) TYPEALIGN(TCLS_ALIGNMENT, chunk);
}

/* Point into the segment of this process. */
static void
bind_segment(TclsTeamSegment *segment, shm_toc *toc)
{
	segment->shared = shm_toc_lookup(toc, KEY_SHARED, false);
	segment->label_places = shm_toc_lookup(toc, KEY_PLACES, false);
	segment->class_weights = shm_toc_lookup(toc, KEY_CLASS_WEIGHTS, true);
	segment->settings = shm_toc_lookup(toc, KEY_SETTINGS, false);
	segment->tokenizer = shm_toc_lookup(toc, KEY_TOKENIZER, false);
	segment->row_steps = shm_toc_lookup(toc, KEY_ROW_STEPS, false);
	segment->exchange = (TclsExchange) {
		.rank = my_rank,
		.count = segment->shared->count,
		.block = align(shm_toc_lookup(toc, KEY_BLOCK, false)),
		.board = align(shm_toc_lookup(toc, KEY_BOARD, false)),
		.meet = meet,
		.context = segment
	};
}

static void
name_segment(void *megabytes)
{
	errcontext("%zu MB of dynamic shared memory for the workers of a training", *(size_t *) megabytes);
}

/* A full /dev/shm is told by the server in words that do not say what wanted the memory. */
static dsm_segment *
create_dsm(Size size)
{
	size_t		megabytes = size / (1024 * 1024) + 1;
	ErrorContextCallback callback = {error_context_stack, name_segment, &megabytes};
	dsm_segment *dsm;

	error_context_stack = &callback;
	dsm = dsm_create(size, 0);
	error_context_stack = callback.previous;
	return dsm;
}

static void
append_settings(StringInfo out)
{
	for (int i = 0; tcls_settings_of_computing[i] != NULL; i++)
	{
		const char *name = tcls_settings_of_computing[i];
		const char *value = GetConfigOption(name, false, false);

		appendBinaryStringInfo(out, name, strlen(name) + 1);
		appendBinaryStringInfo(out, value, strlen(value) + 1);
	}
	appendStringInfoChar(out, '\0');
}

static void *
add(shm_toc *toc, uint64 key, const void *data, Size size)
{
	void	   *chunk = shm_toc_allocate(toc, size);

	if (data != NULL)
		memcpy(chunk, data, size);
	shm_toc_insert(toc, key, chunk);
	return chunk;
}

static void
initialize(TclsTeamShared *shared, int64 job, const TclsModel *model, const TclsJobOptions *options)
{
	memset(shared, 0, sizeof(*shared));
	shared->job = job;
	shared->count = options->training_workers;
	shared->leader = MyProc;
	shared->config = model->config;
	shared->config.labels = NULL;
	shared->options = options->train;
	shared->options.class_weights = NULL;
	shared->total = model->plan.total;
	shared->tokenizer_size = model->tokenizer.size;
	shared->bf16 = tcls_gemm_bf16();
	pg_atomic_init_u32(&shared->stop, 0);
	pg_atomic_init_u32(&shared->failed, 0);
	for (int rank = 0; rank < TCLS_TEAM_MAX; rank++)
	{
		pg_atomic_init_u32(&shared->attached[rank], 0);
		pg_atomic_init_u32(&shared->finished[rank], 0);
	}
	ConditionVariableInit(&shared->change);
	pg_atomic_init_u32(&shared->arrived, 0);
	pg_atomic_init_u32(&shared->phase, 0);
}

void
tcls_team_segment_create(TclsTeamSegment *out, int64 job, const TclsModel *model, const TclsJobOptions *options,
						 int32 num_labels)
{
	int32		count = options->training_workers;
	Size		block = tcls_exchange_block_floats(model->plan.total, count) * sizeof(float) + TCLS_ALIGNMENT;
	Size		board = tcls_exchange_board_doubles(count) * sizeof(double) + TCLS_ALIGNMENT;
	Size		places = num_labels * sizeof(int32);
	Size		row_steps = model->config.numbers.vocab_size * sizeof(int64);
	Size		class_weights = options->train.class_weights != NULL ? model->config.num_labels * sizeof(float) : 0;
	StringInfoData settings;
	shm_toc_estimator estimator;
	shm_toc    *toc;

	initStringInfo(&settings);
	append_settings(&settings);
	shm_toc_initialize_estimator(&estimator);
	shm_toc_estimate_chunk(&estimator, sizeof(TclsTeamShared));
	shm_toc_estimate_chunk(&estimator, block);
	shm_toc_estimate_chunk(&estimator, board);
	shm_toc_estimate_chunk(&estimator, places);
	shm_toc_estimate_chunk(&estimator, class_weights);
	shm_toc_estimate_chunk(&estimator, settings.len);
	shm_toc_estimate_chunk(&estimator, model->tokenizer.size);
	shm_toc_estimate_chunk(&estimator, row_steps);
	shm_toc_estimate_keys(&estimator, KEY_COUNT);

	out->dsm = create_dsm(shm_toc_estimate(&estimator));
	toc = shm_toc_create(MAGIC, dsm_segment_address(out->dsm), dsm_segment_map_length(out->dsm));
	my_rank = 0;
	initialize(add(toc, KEY_SHARED, NULL, sizeof(TclsTeamShared)), job, model, options);
	(void) add(toc, KEY_BLOCK, NULL, block);
	(void) add(toc, KEY_BOARD, NULL, board);
	(void) add(toc, KEY_PLACES, NULL, places);
	(void) add(toc, KEY_SETTINGS, settings.data, settings.len);
	if (class_weights > 0)
		(void) add(toc, KEY_CLASS_WEIGHTS, options->train.class_weights, class_weights);
	(void) add(toc, KEY_TOKENIZER, model->tokenizer.block, model->tokenizer.size);
	(void) add(toc, KEY_ROW_STEPS, NULL, row_steps);
	bind_segment(out, toc);
	join(out);
	SharedFileSetInit(&out->shared->files, out->dsm);
	pfree(settings.data);
}

bool
tcls_team_segment_attach(TclsTeamSegment *out, dsm_handle handle, int32 rank)
{
	shm_toc    *toc;

	out->dsm = dsm_attach(handle);
	if (out->dsm == NULL)
		return false;
	toc = shm_toc_attach(MAGIC, dsm_segment_address(out->dsm));
	if (toc == NULL)
		elog(ERROR, "the segment of a training is damaged");
	my_rank = rank;
	bind_segment(out, toc);
	join(out);
	SharedFileSetAttach(&out->shared->files, out->dsm);
	pg_atomic_write_u32(&out->shared->attached[rank], 1);
	SetLatch(&out->shared->leader->procLatch);
	return true;
}
