/*
 * engine_api.c
 *		engine(): what computes here, and how it was chosen.
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"

#include "bridge/engine.h"
#include "bridge/settings.h"
#include "store/model_catalog.h"
#include "store/model_precision.h"

PG_FUNCTION_INFO_V1(textcls_engine);

static void
put_fact(ReturnSetInfo *result, const char *name, const char *value)
{
	Datum		values[2] = {CStringGetTextDatum(name), CStringGetTextDatum(value)};
	bool		nulls[2] = {false, false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* What the deployed version of a model computes with, and why. */
static void
put_model(ReturnSetInfo *result, const char *model)
{
	TclsVersion *version = tcls_catalog_resolve(model, 0);
	const char *reason;
	const TclsPackedKernel *kernel = tcls_precision_kernel(&reason, version);

	put_fact(result, "model", psprintf("%s version %d", version->model, version->number));
	put_fact(result, "model precision", tcls_settings_precision_word(version->precision));
	put_fact(result, "model kernel", kernel->name);
	put_fact(result, "model reason", reason);
}

Datum
textcls_engine(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TclsEngineFact *facts;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	tcls_engine_start();
	facts = tcls_engine_facts(&count);
	for (int i = 0; i < count; i++)
		put_fact(result, facts[i].name, facts[i].value);
	if (!PG_ARGISNULL(0))
		put_model(result, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_NULL();
}
