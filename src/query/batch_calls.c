/*
 * batch_calls.c
 *		Walks expressions along what is always evaluated.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "optimizer/optimizer.h"

#include "query/batch_calls.h"
#include "query/model_calls.h"

static bool
has_model_or_subplan(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) || (IsA(node, FuncExpr) && tcls_calls_is_model_function(((FuncExpr *) node)->funcid)))
		return true;
	return expression_tree_walker(node, has_model_or_subplan, context);
}

static bool
may_be_ahead(FuncExpr *call)
{
	Node	   *arguments = (Node *) call->args;

	return tcls_calls_wanted(call->funcid) != 0 && !contain_volatile_functions(arguments) &&
		!has_model_or_subplan(arguments, NULL);
}

typedef struct Collection
{
	List	   *subplans;
	List	   *calls;
} Collection;

/* What is always evaluated of an expression of which not all is, or NULL. */
static Node *
always_evaluated(Node *node)
{
	CaseExpr   *choice = (CaseExpr *) node;

	switch (nodeTag(node))
	{
		case T_CaseExpr:
			if (choice->arg != NULL)
				return (Node *) choice->arg;
			return (Node *) linitial_node(CaseWhen, choice->args)->expr;
		case T_CoalesceExpr:
			return linitial(((CoalesceExpr *) node)->args);
		case T_BoolExpr:
			return linitial(((BoolExpr *) node)->args);
		case T_SubscriptingRef:
			return (Node *) ((SubscriptingRef *) node)->refexpr;
		case T_ArrayCoerceExpr:
			return (Node *) ((ArrayCoerceExpr *) node)->arg;
		default:
			return NULL;
	}
}

static void
collect_subplan_calls(SubPlan *node, Collection *collection)
{
	Plan	   *plan = list_nth(collection->subplans, node->plan_id - 1);

	if (!node->useHashTable)
		collection->calls = list_concat(collection->calls,
										tcls_batch_parameter_calls(plan, node->parParam, node->args));
}

static bool
collect_calls(Node *node, void *context)
{
	Collection *collection = context;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			if (!may_be_ahead((FuncExpr *) node))
				break;
			collection->calls = lappend(collection->calls, node);
			return false;
		case T_SubPlan:
			collect_subplan_calls((SubPlan *) node, collection);
			return false;
		case T_Aggref:
		case T_WindowFunc:
			return false;
		default:
			if (always_evaluated(node) != NULL)
				return collect_calls(always_evaluated(node), context);
			break;
	}
	return expression_tree_walker(node, collect_calls, context);
}

List *
tcls_batch_calls(Node *node, List *subplans)
{
	Collection	collection = {subplans};

	collect_calls(node, &collection);
	return collection.calls;
}

/* Arguments behind a FILTER are not evaluated for each row. */
static bool
collect_aggregate_calls(Node *node, void *context)
{
	Aggref	   *aggregate = (Aggref *) node;

	if (node == NULL)
		return false;
	if (!IsA(node, Aggref))
		return expression_tree_walker(node, collect_aggregate_calls, context);
	if (aggregate->aggfilter != NULL)
		return collect_calls((Node *) aggregate->aggfilter, context);
	return collect_calls((Node *) aggregate->args, context);
}

List *
tcls_batch_aggregate_calls(Node *node, List *subplans)
{
	Collection	collection = {subplans};

	collect_aggregate_calls(node, &collection);
	return collection.calls;
}

typedef struct Parameters
{
	List	   *ids;
	List	   *values;
} Parameters;

static Node *
replace_parameters(Node *node, void *context)
{
	Parameters *parameters = context;
	Param	   *param = (Param *) node;
	ListCell   *id;
	ListCell   *value;

	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && param->paramkind == PARAM_EXEC)
		forboth(id, parameters->ids, value, parameters->values)
			if (lfirst_int(id) == param->paramid)
				return copyObject(lfirst(value));
	return expression_tree_mutator(node, replace_parameters, context);
}

/* A parameter of the plan below: its initplan may itself wait for one that was replaced. */
static bool
has_parameter(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		return true;
	return expression_tree_walker(node, has_parameter, context);
}

List *
tcls_batch_parameter_calls(Plan *plan, List *ids, List *values)
{
	Parameters	parameters = {ids, values};
	Collection	collection = {NIL};
	List	   *result = NIL;
	ListCell   *cell;

	while (plan != NULL && !IsA(plan, FunctionScan))
		plan = IsA(plan, SubqueryScan) ? ((SubqueryScan *) plan)->subplan :
			plan->righttree == NULL ? plan->lefttree : NULL;
	if (plan == NULL)
		return NIL;
	foreach(cell, ((FunctionScan *) plan)->functions)
		collect_calls(((RangeTblFunction *) lfirst(cell))->funcexpr, &collection);
	foreach(cell, collection.calls)
	{
		Node	   *call = replace_parameters(lfirst(cell), &parameters);

		if (contain_var_clause(call) && !has_parameter(call, NULL))
			result = lappend(result, call);
	}
	return result;
}
