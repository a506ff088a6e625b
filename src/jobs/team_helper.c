/*
 * team_helper.c
 *		A background worker that computes for another process's training.
 *
 *		connect -> attach -> trainer -> (meet, compute, meet, ...) -> exit
 *
 * Its errors are the leader's to report.  SIGINT, as of pg_cancel_backend, is such an error and so cancels the
 * training; SIGTERM ends the process, and the leader with it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "bridge/engine.h"
#include "bridge/host_pg.h"
#include "jobs/team_helper.h"
#include "jobs/team_segment.h"

PGDLLEXPORT void textcls_helper_main(Datum main_arg);

/* The team of this process, for the core's poll. */
static TclsTeamSegment segment;

static TclsStatus
helper_poll(void *context)
{
	tcls_team_segment_poll(&segment);
	return TCLS_OK;
}

static void
begin(TclsHelperArguments *arguments)
{
	memcpy(arguments, MyBgworkerEntry->bgw_extra, sizeof(*arguments));
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(arguments->database, arguments->role, 0);
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "textcls training helper");
	MemoryContextSwitchTo(TopMemoryContext);
	pgstat_report_appname("textcls");
}

static void
apply_settings(const char *settings)
{
	while (settings[0] != '\0')
	{
		const char *name = settings;
		const char *value = name + strlen(name) + 1;

		SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
		settings = value + strlen(value) + 1;
	}
}

/* The same products as the leader's: with others the weights would depend on who computes what. */
static void
start_engine(void)
{
	const char *why_not = NULL;

	apply_settings(segment.settings);
	tcls_engine_start();
	if (segment.shared->bf16)
		why_not = tcls_engine_mix_precision(true);
	if (why_not != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("a worker of the training cannot compute in bf16 as the others do: %s", why_not)));
}

/* The leader's model: its numbers, and its weights where they are. */
static void
bind_model(TclsModel *model, TclsHost *host)
{
	const TclsTeamShared *shared = segment.shared;
	float	   *block = tcls_exchange_block(&segment.exchange, TCLS_SHARED_WEIGHTS, shared->total);

	memset(model, 0, sizeof(*model));
	model->config = shared->config;
	tcls_host_check(tcls_parameter_plan_create(&model->plan, &model->config.numbers, host), host);
	if (model->plan.total != shared->total)
		elog(ERROR, "the model of the training has another size here");
	tcls_host_check(tcls_weights_bind(&model->weights, &model->config.numbers, &model->plan, block, host), host);
	tcls_host_check(tcls_tokenizer_open(&model->tokenizer, segment.tokenizer, shared->tokenizer_size, host), host);
}

/* What the leader does between its start and its end, without its reports. */
static void
train(void)
{
	TclsTeamShared *shared = segment.shared;
	TclsHost   *host = tcls_host_create(AllocSetContextCreate(TopMemoryContext, "textcls training",
															  ALLOCSET_DEFAULT_SIZES));
	TclsTrainOptions options = shared->options;
	TclsTrainEvents events = {.exchange = &segment.exchange};
	TclsTableSource *source;
	TclsEvaluation evaluation;
	TclsTrainer *trainer;
	TclsModel	model;

	host->poll = helper_poll;
	options.class_weights = segment.class_weights;
	start_engine();
	bind_model(&model, host);
	source = tcls_table_source_attach(&shared->source, segment.label_places, &shared->files.fs, TopMemoryContext);
	tcls_host_check(tcls_trainer_create(&trainer, &model, &source->train.source, &source->validation.source, &options,
										&events, host), host);
	trainer->state = shared->state;
	if (trainer->lazy.rows > 0)
		memcpy(trainer->lazy.steps, segment.row_steps, trainer->lazy.rows * sizeof(int64));
	tcls_host_check(tcls_trainer_run(trainer), host);
	if (source->validation.source.count > 0)
		tcls_host_check(tcls_trainer_evaluate(&evaluation, trainer, &source->validation.source), host);
}

void
textcls_helper_main(Datum main_arg)
{
	TclsHelperArguments arguments;

	begin(&arguments);
	if (!tcls_team_segment_attach(&segment, DatumGetUInt32(main_arg), arguments.rank))
		proc_exit(0);
	pgstat_report_activity(STATE_RUNNING, psprintf("textcls job " INT64_FORMAT ": worker %d of %d",
												   segment.shared->job, arguments.rank + 1, segment.shared->count));
	PG_TRY();
	{
		train();
		pg_atomic_write_u32(&segment.shared->finished[arguments.rank], 1);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(TopMemoryContext);
		tcls_team_segment_fail(&segment, CopyErrorData());
		FlushErrorState();
	}
	PG_END_TRY();
	proc_exit(0);
}
