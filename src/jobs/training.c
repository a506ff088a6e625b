/*
 * training.c
 *		The steps of a training.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "bridge/engine.h"
#include "bridge/host_pg.h"
#include "bridge/settings.h"
#include "jobs/structure.h"
#include "jobs/table_source.h"
#include "jobs/team.h"
#include "jobs/training.h"
#include "model/checkpoint.h"
#include "store/large_object.h"
#include "store/model_cache.h"
#include "store/model_catalog.h"
#include "train/compare.h"
#include "train/scratch.h"
#include "train/trainer.h"

#define REPORT_INTERVAL_MS 1000
#define NOTICE_INTERVAL_MS 5000
#define LOG_ROWS 200			/* about so many rows of losses a training */
#define VOCABULARY_BYTES (64 * 1024 * 1024)	/* while words are counted */
#define MAX_NAMED_LABELS 10
#define SLOT_WAIT_MS 60000		/* for background workers to become free */
#define SLOT_LOOK_MS 250

typedef struct Training
{
	const TclsJob *job;
	bool		owns_transactions;
	MemoryContext context;		/* lives as long as the training */
	MemoryContext short_context;	/* of a report in the caller's transaction */
	TclsHost   *host;
	TclsRelation *relation;
	TclsJobOptions *options;
	TclsTableSource *source;
	TclsStoredModel base;		/* as read, when there is one */
	TclsModel	model;
	TclsTeam   *team;			/* NULL: this process computes alone */
	TclsTrainer *trainer;
	TimestampTz started;
	TimestampTz trained_from;
	TimestampTz reported;
	TimestampTz saved;			/* the last checkpoint */
	int64		first_step;		/* steps done when this attempt began */
	int64		logged_step;
	double		loss;			/* the last mean of the training loss */
	int64		tokens;			/* since the last row of the log */
	TimestampTz logged;
	TclsEvaluation result;
	TclsInt8Check int8;
	TclsClassMetrics *label_results;	/* (num_labels) or NULL without validation rows */
} Training;

/* Begin a transaction, or in the caller's only a memory context, for a report. */
static void
begin(Training *training)
{
	if (training->owns_transactions)
	{
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
	}
	else
		MemoryContextSwitchTo(training->short_context);
}

static void
end(Training *training)
{
	if (training->owns_transactions)
	{
		PopActiveSnapshot();
		CommitTransactionCommand();
		(void) pgstat_report_stat(false);
	}
	else
		MemoryContextReset(training->short_context);
	MemoryContextSwitchTo(training->context);
}

/* The same for results that stay, of what can only be done in a transaction, as converting encodings. */
static void
begin_lasting(Training *training)
{
	begin(training);
	MemoryContextSwitchTo(training->context);
}

/* One read-only transaction with one snapshot for all that is read. */
static void
begin_reading(Training *training)
{
	if (training->owns_transactions)
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		XactIsoLevel = XACT_REPEATABLE_READ;
		XactReadOnly = true;
		PushActiveSnapshot(GetTransactionSnapshot());
	}
	MemoryContextSwitchTo(training->context);
}

static void
report_phase(Training *training, const char *phase)
{
	TclsJobProgress progress = {.phase = phase, .seconds_left = -1};

	if (!training->owns_transactions)
		return;
	begin(training);
	tcls_job_report(training->job->id, &progress);
	end(training);
	pgstat_report_activity(STATE_RUNNING, psprintf("textcls job " INT64_FORMAT ": %s", training->job->id, phase));
}

static void
warn(Training *training, const char *warning)
{
	ereport(WARNING, (errmsg("%s", warning)));
	begin(training);
	tcls_job_warn(training->job->id, warning);
	end(training);
}

static void
load_base(Training *training)
{
	TclsVersion *version = tcls_catalog_version(training->job->base_version);

	if (version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the base version of job " INT64_FORMAT " no longer exists", training->job->id)));
	if (!tcls_catalog_may_use(version->weights))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for model \"%s\"", version->model)));
	tcls_cache_read_stored(&training->base, version, training->host);
}

static void
load(Training *training)
{
	const TclsJob *job = training->job;

	training->options = tcls_job_options_parse(job->options, job->base_version == 0);
	begin_reading(training);
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(job->relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation %s no longer exists", job->relation_name)));
	training->relation = tcls_relation_resolve(job->relid, job->label_column, job->text_column);
	if (job->base_version != 0)
		load_base(training);
	training->source = tcls_table_source_create(training->relation, training->options, training->owns_transactions,
												training->context);
	tcls_table_source_read(training->source);
	if (training->owns_transactions)
		end(training);
	tcls_table_source_check(training->source);
}

/* The vocabulary of a model without a base comes from the training rows. */
static TclsTokenizer
learn_vocabulary(Training *training)
{
	TclsVocabularyOptions options = tcls_scratch_vocabulary_defaults;
	TclsWordPieceTrainer *trainer;
	TclsTokenizer tokenizer;

	if (training->options->vocab_size != TCLS_OPTION_UNSET)
		options.vocab_size = training->options->vocab_size;
	tcls_host_check(tcls_wordpiece_trainer_create(&trainer, &options, VOCABULARY_BYTES, training->host),
					training->host);
	tcls_table_source_learn(training->source, trainer, training->host);
	tcls_host_check(tcls_wordpiece_trainer_finish(&tokenizer, trainer, training->host), training->host);
	tcls_wordpiece_trainer_destroy(trainer, training->host);
	return tokenizer;
}

static void
warn_of_single_rows(Training *training)
{
	const TclsTableSource *source = training->source;
	StringInfoData names;
	int			count = 0;

	begin_lasting(training);
	initStringInfo(&names);
	for (int32 i = 0; i < source->num_labels; i++)
	{
		char	   *name;

		if (source->label_rows[i] != 1 || ++count > MAX_NAMED_LABELS)
			continue;
		name = pg_any_to_server(source->labels[i], strlen(source->labels[i]), PG_UTF8);
		appendStringInfo(&names, "%s\"%s\"", count > 1 ? ", " : "", name);
	}
	end(training);
	if (count > 0)
		warn(training, psprintf("%d %s one row only: %s%s", count, count == 1 ? "label has" : "labels have",
								names.data, count > MAX_NAMED_LABELS ? ", ..." : ""));
	if (source->validation.source.count == 0 && training->options->split != TCLS_SPLIT_NONE)
		warn(training, "no row is left for validation: the last weights are the result");
}

static void
preprocess(Training *training)
{
	TclsTableSource *source = training->source;
	TclsModelConfig fresh;
	const TclsModelConfig *config = &training->model.config;

	report_phase(training, "preprocess");
	if (training->job->base_version != 0)
	{
		tcls_host_check_context(tcls_model_read(&training->model, &training->base, training->host), training->host,
								"The base model of the job cannot be read.");
		tcls_free(unconstify(void *, training->base.weights), training->host);
	}
	else
	{
		training->model.tokenizer = learn_vocabulary(training);
		tcls_structure_config(&fresh, tcls_tokenizer_vocabulary_size(&training->model.tokenizer), training->options);
		config = &fresh;
	}
	tcls_table_source_tokenize(source, &training->model.tokenizer,
							   tcls_structure_max_length(config, training->options), training->host);
	begin(training);
	tcls_job_report_rows(training->job->id, source->rows_read, source->rows_skipped, source->rows_truncated);
	end(training);
	warn_of_single_rows(training);
}

static TclsProblem
problem_of(const Training *training)
{
	if (training->relation->multi_label)
		return TCLS_MULTI_LABEL;
	if (training->options->problem == TCLS_OPTION_UNSET)
		return TCLS_SINGLE_LABEL;
	return (TclsProblem) training->options->problem;
}

static void
adjust(Training *training)
{
	TclsStructure wanted = {
		.problem = problem_of(training),
		.labels = tcls_table_source_sorted_labels(training->source),
		.num_labels = training->source->num_labels
	};
	TclsModel  *model = &training->model;

	if (training->job->base_version == 0)
	{
		TclsTokenizer tokenizer = model->tokenizer;

		tcls_structure_begin(model, &tokenizer, &wanted, training->options, training->host);
	}
	else if (!tcls_structure_adjust(model, &wanted, training->options, training->host))
		training->options->train.head_learning_rate = 0;	/* the head is not new */
	if (!tcls_table_source_order(training->source, model->config.labels, model->config.num_labels))
		elog(ERROR, "a label of the rows is not in the model");
	tcls_structure_admit(&model->config, training->options, training->host);
}

static double
epochs_done(const TclsTrainer *trainer)
{
	return trainer->state.epoch + trainer->state.position / (double) tcls_batcher_count(&trainer->batcher);
}

static void
log_step(Training *training, const TclsTrainer *trainer, double learning_rate, const TclsEvaluation *evaluation,
		 TimestampTz now, double epoch)
{
	const TclsTrainState *state = &trainer->state;
	double		seconds = (now - training->logged) / (double) USECS_PER_SEC;
	TclsJobLogRow row = {
		.step = state->step,
		.epoch = epoch,
		.loss = state->loss,
		.learning_rate = learning_rate,
		.tokens_per_second = seconds > 0 ? training->tokens / seconds : 0,
		.is_evaluation = evaluation != NULL
	};

	if (evaluation != NULL)
	{
		row.eval_loss = evaluation->loss;
		row.eval_accuracy = evaluation->accuracy;
		row.eval_macro_f1 = evaluation->macro_f1;
	}
	tcls_job_log(training->job->id, &row);
	training->logged_step = state->step;
	training->logged = now;
	training->tokens = 0;
}

static double
seconds_left(const Training *training, const TclsTrainState *state, TimestampTz now)
{
	double		seconds = (now - training->trained_from) / (double) USECS_PER_SEC;

	return seconds / (state->step - training->first_step) * (state->total_steps - state->step);
}

static void
report_steps(Training *training, const TclsTrainer *trainer, const char *phase, double seconds)
{
	const TclsTrainState *state = &trainer->state;
	TclsJobProgress progress = {
		.phase = phase,
		.step = state->step,
		.total_steps = state->total_steps,
		.epoch = epochs_done(trainer),
		.loss = state->loss_steps > 0 ? state->loss : training->loss,
		.seconds_left = seconds
	};

	training->loss = progress.loss;
	tcls_job_report(training->job->id, &progress);
}

static void
notice(const TclsTrainState *state, double epoch, const TclsEvaluation *evaluation)
{
	if (evaluation == NULL)
		ereport(NOTICE,
				(errmsg("step " INT64_FORMAT " of " INT64_FORMAT ", epoch %.2f: loss %.4f",
						state->step, state->total_steps, epoch, state->loss)));
	else
		ereport(NOTICE,
				(errmsg("step " INT64_FORMAT " of " INT64_FORMAT
						", epoch %.2f: loss %.4f, validation loss %.4f, accuracy %.4f, macro F1 %.4f",
						state->step, state->total_steps, epoch, state->loss, evaluation->loss, evaluation->accuracy,
						evaluation->macro_f1)));
}

/* The trainer's progress callback: at most one report a second, and one after each evaluation. */
static TclsStatus
on_progress(void *context, const TclsTrainer *trainer, double loss, double learning_rate, int64_t tokens,
			const TclsEvaluation *evaluation)
{
	Training   *training = context;
	const TclsTrainState *state = &trainer->state;
	TimestampTz now = GetCurrentTimestamp();
	int			interval = training->owns_transactions ? REPORT_INTERVAL_MS : NOTICE_INTERVAL_MS;
	double		epoch;

	training->tokens += tokens;
	if (evaluation == NULL && !TimestampDifferenceExceeds(training->reported, now, interval))
		return TCLS_OK;
	training->reported = now;
	epoch = epochs_done(trainer);
	if (!training->owns_transactions)
		notice(state, epoch, evaluation);
	begin(training);
	report_steps(training, trainer, "train", seconds_left(training, state, now));
	if (evaluation != NULL || state->step - training->logged_step >= Max(1, state->total_steps / LOG_ROWS))
		log_step(training, trainer, learning_rate, evaluation, now, epoch);
	end(training);
	return TCLS_OK;
}

static TclsCheckpoint
checkpoint_of(const TclsTrainer *trainer, TclsTrainState *state)
{
	TclsCheckpoint checkpoint = {
		.total = trainer->model->plan.total,
		.weights = trainer->model->weights.block,
		.moment1 = trainer->moment1,
		.moment2 = trainer->moment2,
		.best = trainer->best,
		.row_steps = trainer->lazy.steps,
		.rows = (size_t) trainer->lazy.rows,
		.state = state,
		.state_size = sizeof(*state)
	};

	return checkpoint;
}

static TclsStatus
on_save(void *context, const TclsTrainer *trainer, bool is_best)
{
	Training   *training = context;
	TclsTrainState state = trainer->state;
	TclsCheckpoint checkpoint = checkpoint_of(trainer, &state);
	TclsJobCheckpoint row = {.step = state.step};
	TclsObjectWriter *writer;

	if (state.finished ||
		!TimestampDifferenceExceeds(training->saved, GetCurrentTimestamp(), tcls_setting_checkpoint_interval_s * 1000))
		return TCLS_OK;
	begin(training);
	writer = tcls_object_create();
	tcls_host_check(tcls_checkpoint_write(&writer->writer, &checkpoint, training->host), training->host);
	row.weights = tcls_object_finish(writer, row.sha256);
	tcls_object_describe(row.weights, psprintf("checkpoint of job " INT64_FORMAT, training->job->id));
	row.examples = training->source->examples;
	row.examples_hash = training->source->hash;
	tcls_job_put_checkpoint(training->job->id, &row);
	end(training);
	training->saved = GetCurrentTimestamp();
	return TCLS_OK;
}

/* Put the trainer where an earlier attempt's checkpoint says. */
static void
resume(Training *training)
{
	TclsTrainer *trainer = training->trainer;
	TclsCheckpoint checkpoint = checkpoint_of(trainer, &trainer->state);
	TclsJobCheckpoint row;
	uint8		sha256[PG_SHA256_DIGEST_LENGTH];
	void	   *data;
	size_t		size;

	begin(training);
	if (!tcls_job_get_checkpoint(training->job->id, &row))
	{
		end(training);
		return;
	}
	if (row.examples != training->source->examples || row.examples_hash != training->source->hash)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the rows of relation %s have changed since the job was interrupted",
						training->relation->qualified),
				 errdetail("The checkpoint belongs to " INT64_FORMAT " examples, there are " INT64_FORMAT " now.",
						   row.examples, training->source->examples),
				 errhint("Start a new job.")));
	data = tcls_object_read(row.weights, &size, training->host);
	tcls_sha256(sha256, data, size);
	if (memcmp(sha256, row.sha256, sizeof(sha256)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the checkpoint of job " INT64_FORMAT " is damaged", training->job->id)));
	end(training);
	tcls_host_check(tcls_checkpoint_read(&checkpoint, data, size, training->host), training->host);
	tcls_free(data, training->host);
	training->first_step = trainer->state.step;
	training->logged_step = trainer->state.step;
}

/*
 * The helpers, in a while if there is no free slot for all of them.  With fewer the result would be
 * another one, so that is an error in the end.
 */
static void
start_helpers(Training *training)
{
	TimestampTz begun = GetCurrentTimestamp();
	bool		reported = false;

	while (!tcls_team_start(training->team, training->trainer))
	{
		if (TimestampDifferenceExceeds(begun, GetCurrentTimestamp(), SLOT_WAIT_MS))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("no background worker was free for %d seconds to be one of %d that train",
							SLOT_WAIT_MS / 1000, training->options->training_workers),
					 errhint("Raise max_worker_processes or ask for fewer training_workers.")));
		if (!reported)
			report_phase(training, "wait for workers");
		reported = true;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, SLOT_LOOK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	tcls_team_await(training->team);
	if (reported)
		report_phase(training, "train");
}

static void
end_mixing(void *unused)
{
	tcls_engine_mix_precision(false);
}

/* Mixed precision as the option asks for it, until the training's memory goes. */
static void
choose_precision(Training *training)
{
	MemoryContextCallback *callback;
	const char *why_not;

	if (training->options->bf16 == TCLS_OFF)
		return;
	callback = MemoryContextAllocZero(training->context, sizeof(*callback));
	callback->func = end_mixing;
	MemoryContextRegisterResetCallback(training->context, callback);
	why_not = tcls_engine_mix_precision(true);
	if (why_not != NULL && training->options->bf16 == TCLS_ON)
		warn(training, psprintf("option \"bf16\" has no effect, training computes in fp32: %s", why_not));
}

static void
train(Training *training)
{
	TclsTrainEvents events = {.progress = on_progress, .save = on_save, .context = training};
	TclsTrainOptions *options = &training->options->train;
	const TclsModelConfig *config = &training->model.config;
	const TclsExampleSource *examples = &training->source->train.source;
	int64	   *counts;

	report_phase(training, "train");
	tcls_engine_start();
	choose_precision(training);
	counts = tcls_table_source_counts(training->source, config->num_labels);
	begin_lasting(training);
	options->class_weights = tcls_job_options_class_weights(training->options, config->labels, counts,
															config->num_labels);
	end(training);
	/* A little less than the steps asked for, so that rounding never makes it one more. */
	if (training->options->eval_steps != TCLS_OPTION_UNSET)
		options->eval_every = (training->options->eval_steps - 1e-6) /
			ceil(examples->count / (double) options->batch_size);
	if (!training->owns_transactions)
		events.save = NULL;
	if (training->options->training_workers > 1)
	{
		begin_lasting(training);
		training->team = tcls_team_create(training->job->id, &training->model, training->source, training->options,
										  training->host);
		end(training);
		events.exchange = tcls_team_exchange(training->team);
	}
	tcls_host_check(tcls_trainer_create(&training->trainer, &training->model, examples,
										&training->source->validation.source, options, &events, training->host),
					training->host);
	if (training->owns_transactions)
		resume(training);
	if (training->team != NULL)
		start_helpers(training);
	training->trained_from = training->reported = training->logged = training->saved = GetCurrentTimestamp();
	tcls_host_check(tcls_trainer_run(training->trainer), training->host);
}

/* Whether serving may take int8 for these weights. */
static void
compare_int8(Training *training, const TclsExampleSource *examples)
{
	TclsComparison comparison;

	tcls_host_check(tcls_trainer_compare(&comparison, training->trainer, examples, tcls_packed_best(TCLS_INT8)),
					training->host);
	training->int8.rows = comparison.rows;
	training->int8.agreement = comparison.equal / (double) comparison.rows;
	training->int8.accuracy_change = (comparison.kernel_right - comparison.right) / (double) comparison.rows;
}

/* The result on the validation rows, label by label. */
static void
evaluate(Training *training)
{
	const TclsExampleSource *examples = &training->source->validation.source;

	report_phase(training, "evaluate");
	if (examples->count == 0)
		return;
	training->label_results = palloc(training->model.config.num_labels * sizeof(TclsClassMetrics));
	tcls_host_check(tcls_trainer_evaluate_labels(&training->result, training->label_results, training->trainer,
												 examples), training->host);
	compare_int8(training, examples);
}

static void
append_label_metrics(StringInfo json, const Training *training)
{
	const TclsModelConfig *config = &training->model.config;

	appendStringInfoString(json, ", \"labels\": {");
	for (int32 i = 0; i < config->num_labels; i++)
	{
		const TclsClassMetrics *metrics = &training->label_results[i];

		if (i > 0)
			appendStringInfoString(json, ", ");
		escape_json(json, pg_any_to_server(config->labels[i], strlen(config->labels[i]), PG_UTF8));
		appendStringInfo(json, ": {\"precision\": %.6g, \"recall\": %.6g, \"f1\": %.6g, \"support\": " INT64_FORMAT "}",
						 metrics->precision, metrics->recall, metrics->f1, metrics->support);
	}
	appendStringInfoChar(json, '}');
}

static Jsonb *
metrics_json(const Training *training)
{
	const TclsTableSource *source = training->source;
	const TclsTrainState *state = &training->trainer->state;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"rows\": " INT64_FORMAT ", \"train_rows\": " INT64_FORMAT
					 ", \"eval_rows\": " INT64_FORMAT ", \"rows_skipped\": " INT64_FORMAT
					 ", \"rows_truncated\": " INT64_FORMAT,
					 source->examples, source->train.source.count, source->validation.source.count,
					 source->rows_skipped, source->rows_truncated);
	appendStringInfo(&json, ", \"steps\": " INT64_FORMAT ", \"seconds\": %.3f", state->step,
					 (GetCurrentTimestamp() - training->started) / (double) USECS_PER_SEC);
	if (training->label_results != NULL)
	{
		appendStringInfo(&json, ", \"best_step\": " INT64_FORMAT
						 ", \"loss\": %.9g, \"accuracy\": %.9g, \"macro_f1\": %.9g",
						 state->best_step, training->result.loss, training->result.accuracy, training->result.macro_f1);
		append_label_metrics(&json, training);
	}
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* Weights, version and the job's last state in one transaction. */
static void
save(Training *training)
{
	const TclsJob *job = training->job;
	TclsHost   *host = training->host;
	TclsModel  *model = &training->model;
	TclsNewVersion version = {.model = job->model, .purpose = "classifier", .base_version = job->base_version};
	TclsJobResult result;
	TclsBytes	config = {.data = NULL};
	TclsBytes	tokenizer = {.data = NULL};
	TclsObjectWriter *writer;

	report_phase(training, "save");
	tcls_host_check(tcls_model_config_write(&config, &model->config, host), host);
	tcls_host_check(tcls_bytes_append(&config, "", 1, host), host);
	tcls_host_check(tcls_tokenizer_to_json(&tokenizer, &model->tokenizer, host), host);
	tcls_host_check(tcls_bytes_append(&tokenizer, "", 1, host), host);
	begin(training);
	tcls_catalog_check_writable(job->model);
	writer = tcls_object_create();
	tcls_host_check(tcls_model_weights_write(&writer->writer, &model->config, &model->plan, model->weights.block,
											 host), host);
	version.weights = tcls_object_finish(writer, version.sha256);
	version.config = config.data;
	version.tokenizer = tokenizer.data;
	version.metrics = result.metrics = metrics_json(training);
	version.options = tcls_job_options_effective(training->options);
	version.int8 = training->int8;
	version.deploy = tcls_catalog_wants_deploy(job->deploy);
	report_steps(training, training->trainer, "save", 0);
	result.model_version = tcls_catalog_publish(&version, &result.version_number);
	tcls_job_finish(job->id, &result);
	end(training);
}

void
tcls_training_run(const TclsJob *job, bool owns_transactions)
{
	MemoryContext old = CurrentMemoryContext;
	Training	training = {.job = job, .owns_transactions = owns_transactions};

	training.context = AllocSetContextCreate(old, "textcls training", ALLOCSET_DEFAULT_SIZES);
	training.short_context = AllocSetContextCreate(training.context, "textcls report", ALLOCSET_DEFAULT_SIZES);
	training.host = tcls_host_create(training.context);
	training.started = GetCurrentTimestamp();
	MemoryContextSwitchTo(training.context);
	PG_TRY();
	{
		load(&training);
		preprocess(&training);
		adjust(&training);
		train(&training);
		evaluate(&training);
		save(&training);
		tcls_table_source_destroy(training.source);
	}
	PG_FINALLY();
	{
		if (training.team != NULL)
			tcls_team_end(training.team);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(training.context);
}
