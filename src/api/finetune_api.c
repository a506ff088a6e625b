/*
 * finetune_api.c
 *		textcls.finetune(): check everything that can be checked, then queue or run a job.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "bridge/host_pg.h"
#include "jobs/job_launcher.h"
#include "jobs/job_options.h"
#include "jobs/job_table.h"
#include "jobs/relation.h"
#include "jobs/structure.h"
#include "jobs/training.h"
#include "store/model_catalog.h"
#include "train/scratch.h"

PG_FUNCTION_INFO_V1(textcls_finetune);

static void
check_place(void)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot train during recovery"),
				 errhint("Train on the primary server; its models arrive here.")));
	PreventCommandIfReadOnly("finetune()");
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot train within a security-restricted operation")));
}

/* A worker is a session of its own: it must be able to log in and to see the table. */
static void
check_worker_can(const TclsRelation *relation)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	bool		can_login = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (!can_login)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("role \"%s\" is not permitted to log in, so that no background worker can run as it",
						GetUserNameFromId(GetUserId(), false)),
				 errhint("Call finetune() with wait => true.")));
	if (get_rel_persistence(relation->relid) == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a background worker cannot read temporary table \"%s\"", relation->name),
				 errhint("Call finetune() with wait => true.")));
}

/* Whether a version came out of a training (its options are kept), or was imported. */
static bool
was_trained(const TclsVersion *version)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum(version->id)};

	return tcls_catalog_execute("SELECT FROM textcls.model_version WHERE id = $1 AND options IS NOT NULL",
								1, types, values, NULL, false) == 1;
}

/* What the next version of a model starts from: what its first version, if there is one, started from. */
static TclsVersion *
default_base(const char *model, TclsVersion *first)
{
	TclsVersion *base;

	if (first == NULL)
		return NULL;
	if (first->base_version == 0)
		return was_trained(first) ? NULL : first;
	base = tcls_catalog_version(first->base_version);
	if (base == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the base of model \"%s\" no longer exists", model),
				 errhint("Name a base_model, for example \"%s\" itself to go on from its deployed version.", model)));
	return tcls_catalog_resolve(base->model, base->number);
}

static TclsVersion *
resolve_base(const char *model, const char *base_model)
{
	TclsVersion *first = tcls_catalog_first(model);
	TclsVersion *base;

	if (first != NULL && strcmp(first->purpose, "classifier") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" is not a classifier but of purpose %s", model, first->purpose),
				 errhint("Give the new model another name, and name \"%s\" as base_model.", model)));
	if (base_model == NULL)
		return default_base(model, first);
	base = tcls_catalog_resolve(base_model, 0);
	if (strcmp(base->purpose, "tokenizer") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" is a bare tokenizer and cannot be a base", base_model)));
	return base;
}

static void
check_admission(const TclsVersion *base, const TclsJobOptions *options)
{
	TclsHost   *host = tcls_host_create(CurrentMemoryContext);
	TclsModelConfig config;
	char	   *json;
	char	   *tokenizer;
	size_t		json_size;
	size_t		tokenizer_size;

	if (base == NULL)
	{
		int32		vocab_size = tcls_scratch_vocabulary_defaults.vocab_size;

		if (options->vocab_size != TCLS_OPTION_UNSET)
			vocab_size = options->vocab_size;
		tcls_structure_config(&config, vocab_size, options);
	}
	else
	{
		tcls_catalog_texts(base->id, &json, &json_size, &tokenizer, &tokenizer_size);
		tcls_host_check(tcls_model_config_read(&config, json, json_size, host), host);
	}
	tcls_structure_admit(&config, options, host);
}

static void
check_options(const TclsJobOptions *options, const TclsRelation *relation)
{
	if (options->split_column != NULL)
		tcls_relation_check_split(relation, options->split_column);
	if (options->problem != TCLS_OPTION_UNSET && (options->problem == TCLS_MULTI_LABEL) != relation->multi_label)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 relation->multi_label ?
				 errmsg("option \"problem_type\" must be \"multi_label_classification\" for the array column \"%s\"",
						relation->label_column) :
				 errmsg("option \"problem_type\" is \"multi_label_classification\", but column \"%s\" is no array",
						relation->label_column)));
}

static Jsonb *
empty_options(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static const char *
name_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : NameStr(*PG_GETARG_NAME(number));
}

Datum
textcls_finetune(PG_FUNCTION_ARGS)
{
	char	   *base_model = text_argument(fcinfo, 4);
	bool		wait = !PG_ARGISNULL(6) && PG_GETARG_BOOL(6);
	TclsJob		job = {.state = wait ? TCLS_JOB_RUNNING : TCLS_JOB_QUEUED};
	TclsRelation *relation;
	TclsVersion *base;
	TclsJobOptions *options;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation and label_column must not be null")));
	check_place();
	relation = tcls_relation_resolve(PG_GETARG_OID(0), name_argument(fcinfo, 1), name_argument(fcinfo, 2));
	if (!wait)
		check_worker_can(relation);
	job.model = PG_ARGISNULL(3) ? relation->name : text_argument(fcinfo, 3);
	tcls_catalog_check_writable(job.model);
	base = resolve_base(job.model, base_model);
	job.options = PG_ARGISNULL(5) ? empty_options() : PG_GETARG_JSONB_P(5);
	options = tcls_job_options_parse(job.options, base == NULL);
	check_options(options, relation);
	check_admission(base, options);
	job.deploy = PG_ARGISNULL(7) ? "always" : text_argument(fcinfo, 7);
	(void) tcls_catalog_wants_deploy(job.deploy);

	job.role_name = GetUserNameFromId(GetUserId(), false);
	job.relid = relation->relid;
	job.relation_name = relation->qualified;
	job.label_column = relation->label_column;
	job.text_column = relation->text_column;
	job.base_version = base != NULL ? base->id : 0;
	(void) tcls_job_insert(&job);
	if (wait)
		tcls_training_run(&job, false);
	else
	{
		tcls_launcher_add(job.id, GetUserId());
		(void) tcls_launcher_resume(GetUserId());
	}
	PG_RETURN_INT64(job.id);
}
