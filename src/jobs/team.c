/*
 * team.c
 *		The leader's side of a team.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "bridge/host_pg.h"
#include "jobs/job_launcher.h"
#include "jobs/team.h"
#include "jobs/team_helper.h"
#include "jobs/team_segment.h"

#define AWAIT_MS 1000			/* between looks at a helper that has not come */

struct TclsTeam
{
	TclsTeamSegment segment;
	BackgroundWorkerHandle *helpers[TCLS_TEAM_MAX];	/* by rank */
	int32		registered;		/* processes so far, the leader is the first */
};

StaticAssertDecl(sizeof(TclsHelperArguments) <= BGW_EXTRALEN, "helper arguments must fit into bgw_extra");

/* Floats between two looks for interrupts. */
#define PIECE ((size_t) 1 << 20)

/* count floats at from, or zeros where it is NULL. */
static void
fill_floats(float *to, const float *from, size_t count)
{
	for (size_t done = 0; done < count; done += PIECE)
	{
		size_t		piece = Min(PIECE, count - done);

		CHECK_FOR_INTERRUPTS();
		if (from != NULL)
			memcpy(to + done, from + done, piece * sizeof(float));
		else
			memset(to + done, 0, piece * sizeof(float));
	}
}

/* The model's weights into the first block; the others begin as zero. */
static void
move_weights(TclsTeam *team, TclsModel *model, TclsHost *host)
{
	const TclsExchange *exchange = &team->segment.exchange;
	size_t		total = model->plan.total;
	float	   *block = tcls_exchange_block(exchange, TCLS_SHARED_WEIGHTS, total);
	float	   *rest = block + total;
	float	   *end = exchange->block + tcls_exchange_block_floats(total, exchange->count);

	fill_floats(block, model->weights.block, total);
	fill_floats(rest, NULL, end - rest);
	memset(exchange->board, 0, tcls_exchange_board_doubles(exchange->count) * sizeof(double));
	tcls_free(model->weights.block, host);
	tcls_free(model->weights.layers, host);
	tcls_host_check(tcls_weights_bind(&model->weights, &model->config.numbers, &model->plan, block, host), host);
}

TclsTeam *
tcls_team_create(int64 job, TclsModel *model, TclsTableSource *source, const TclsJobOptions *options,
				 TclsHost *host)
{
	TclsTeam   *team = palloc0(sizeof(TclsTeam));

	team->registered = 1;
	tcls_team_segment_create(&team->segment, job, model, options, source->num_labels);
	tcls_table_source_share(&team->segment.shared->source, source, &team->segment.shared->files.fs);
	memcpy(team->segment.label_places, source->label_places, source->num_labels * sizeof(int32));
	move_weights(team, model, host);
	dsm_pin_mapping(team->segment.dsm);
	return team;
}

TclsExchange *
tcls_team_exchange(TclsTeam *team)
{
	return &team->segment.exchange;
}

static bool
register_helper(TclsTeam *team, int32 rank)
{
	const TclsTeamShared *shared = team->segment.shared;
	TclsHelperArguments arguments = {MyDatabaseId, GetAuthenticatedUserId(), rank};
	BackgroundWorker worker;

	tcls_launcher_describe(&worker, "textcls training helper", "textcls_helper_main",
						   UInt32GetDatum(dsm_segment_handle(team->segment.dsm)), &arguments, sizeof(arguments));
	snprintf(worker.bgw_name, BGW_MAXLEN, "textcls training, job " INT64_FORMAT ", worker %d of %d", shared->job,
			 rank + 1, shared->count);
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, &team->helpers[rank]);
}

bool
tcls_team_start(TclsTeam *team, const TclsTrainer *trainer)
{
	TclsTeamShared *shared = team->segment.shared;

	shared->state = trainer->state;
	if (trainer->lazy.rows > 0)
		memcpy(team->segment.row_steps, trainer->lazy.steps, trainer->lazy.rows * sizeof(int64));
	while (team->registered < shared->count && register_helper(team, team->registered))
		team->registered++;
	return team->registered == shared->count;
}

/* Raise when the helper has ended without coming. */
static void
check_start(const TclsTeam *team, int32 rank)
{
	pid_t		pid;
	BgwHandleStatus status = GetBackgroundWorkerPid(team->helpers[rank], &pid);

	if (status == BGWH_POSTMASTER_DIED)
		proc_exit(1);
	if (status == BGWH_STOPPED && pg_atomic_read_u32(&team->segment.shared->attached[rank]) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("worker %d of the training could not start", rank + 1),
				 errhint("See the server log.")));
}

void
tcls_team_await(TclsTeam *team)
{
	TclsTeamShared *shared = team->segment.shared;

	for (int32 rank = 1; rank < shared->count; rank++)
		while (pg_atomic_read_u32(&shared->attached[rank]) == 0)
		{
			check_start(team, rank);
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, AWAIT_MS, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
}

void
tcls_team_end(TclsTeam *team)
{
	tcls_team_segment_leave();
	pfree(team);
}
