/*
 * engine_api.c
 *		engine(): what computes here, and how it was chosen.
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"

#include "bridge/engine.h"

PG_FUNCTION_INFO_V1(textcls_engine);

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
	{
		Datum		values[2] = {CStringGetTextDatum(facts[i].name), CStringGetTextDatum(facts[i].value)};
		bool		nulls[2] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_NULL();
}
