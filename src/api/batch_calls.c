/*
 * batch_calls.c
 *		Walks expressions along what is always evaluated.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "optimizer/optimizer.h"

#include "api/batch_calls.h"
#include "api/model_calls.h"

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

static bool
first_when(CaseExpr *node, bool (*walker) (), void *calls)
{
	if (node->arg != NULL)
		return walker((Node *) node->arg, calls);
	return walker((Node *) linitial_node(CaseWhen, node->args)->expr, calls);
}

static bool
collect_calls(Node *node, void *calls)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			if (!may_be_ahead((FuncExpr *) node))
				break;
			*(List **) calls = lappend(*(List **) calls, node);
			return false;
		case T_CaseExpr:
			return first_when((CaseExpr *) node, collect_calls, calls);
		case T_CoalesceExpr:
			return collect_calls(linitial(((CoalesceExpr *) node)->args), calls);
		case T_BoolExpr:
			return collect_calls(linitial(((BoolExpr *) node)->args), calls);
		case T_SubscriptingRef:
			return collect_calls((Node *) ((SubscriptingRef *) node)->refexpr, calls);
		case T_ArrayCoerceExpr:
			return collect_calls((Node *) ((ArrayCoerceExpr *) node)->arg, calls);
		case T_Aggref:
		case T_WindowFunc:
		case T_SubPlan:
			return false;
		default:
			break;
	}
	return expression_tree_walker(node, collect_calls, calls);
}

List *
tcls_batch_calls(Node *node)
{
	List	   *calls = NIL;

	collect_calls(node, &calls);
	return calls;
}

/* Arguments behind a FILTER are not evaluated for each row. */
static bool
collect_aggregate_calls(Node *node, void *calls)
{
	Aggref	   *aggregate = (Aggref *) node;

	if (node == NULL)
		return false;
	if (!IsA(node, Aggref))
		return expression_tree_walker(node, collect_aggregate_calls, calls);
	if (aggregate->aggfilter != NULL)
		return collect_calls((Node *) aggregate->aggfilter, calls);
	return collect_calls((Node *) aggregate->args, calls);
}

List *
tcls_batch_aggregate_calls(Node *node)
{
	List	   *calls = NIL;

	collect_aggregate_calls(node, &calls);
	return calls;
}
