/*
 * model_calls.c
 *		The support function, and what it has learnt about our functions.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/supportnodes.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "query/model_calls.h"
#include "query/score_memo.h"

PG_FUNCTION_INFO_V1(textcls_planner_support);

/* There are five; a few more leave room for an extension that was dropped and created again. */
#define KEPT_FUNCTIONS 16

typedef struct ModelFunction
{
	Oid			function;
	uint32		hash;			/* of its pg_proc row, as in PlanInvalItem */
	int			wanted;
} ModelFunction;

/* The functions that queries of this session have called. */
static ModelFunction functions[KEPT_FUNCTIONS];
static int	num_functions;
static int	next_function;

static const ModelFunction *
find_function(Oid function)
{
	for (int i = 0; i < num_functions; i++)
		if (functions[i].function == function)
			return &functions[i];
	return NULL;
}

/* Told by the types: classify() returns text, predict() records, embed() numbers. */
static int
what_it_wants(Oid function)
{
	Oid		   *arguments;
	int			count;
	Oid			result = get_func_signature(function, &arguments, &count);

	if (count < 2 || arguments[0] != TEXTOID || arguments[1] != TEXTOID)
		return 0;
	if (result == TEXTOID || result == RECORDOID)
		return TCLS_WANT_PROBABILITIES;
	return result == FLOAT4ARRAYOID ? TCLS_WANT_EMBEDDING : 0;
}

static void
remember_function(Oid function)
{
	ModelFunction *entry;

	if (find_function(function) != NULL)
		return;
	entry = &functions[next_function];
	entry->function = function;
	entry->hash = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(function));
	entry->wanted = what_it_wants(function);
	next_function = (next_function + 1) % KEPT_FUNCTIONS;
	num_functions = Min(num_functions + 1, KEPT_FUNCTIONS);
}

/* Simplifying is what the planner asks for first; there is nothing to simplify. */
Datum
textcls_planner_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSimplify))
		remember_function(((SupportRequestSimplify *) request)->fcall->funcid);
	PG_RETURN_POINTER(NULL);
}

bool
tcls_calls_is_model_function(Oid function)
{
	return find_function(function) != NULL;
}

int
tcls_calls_wanted(Oid function)
{
	const ModelFunction *entry = find_function(function);

	return entry == NULL ? 0 : entry->wanted;
}

/* The planner notes each function that is not built in, since a change of it makes the plan invalid. */
bool
tcls_calls_in_plan(const PlannedStmt *plan)
{
	ListCell   *cell;

	foreach(cell, plan->invalItems)
	{
		PlanInvalItem *item = lfirst(cell);

		for (int i = 0; i < num_functions && item->cacheId == PROCOID; i++)
			if (functions[i].hash == item->hashValue)
				return true;
	}
	return false;
}
