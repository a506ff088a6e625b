/*
 * parallel_hook.c
 *		Parallel plans for queries that call a model.
 *
 * The planner offers workers by the size of a table: below min_parallel_table_scan_size
 * (8 MB) there are none, whatever the functions of the query cost.  Ten thousand short texts are a
 * megabyte and half a minute of work.  So where a query calls one of our functions, its
 * tables get workers by rows; the planner still compares costs and keeps the serial plan when that is cheaper.
 *
 * Two pieces are needed.  The support function below is attached to our costly functions:
 * the planner calls it while it simplifies expressions, before it looks at tables, which loads this library in time for
 * the first statement of a session, and it tells the hook what marks a function as ours.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/plancat.h"
#include "utils/lsyscache.h"

#include "api/parallel_hook.h"

PG_FUNCTION_INFO_V1(textcls_planner_support);

#define ROWS_PER_WORKER 50		/* some 0.1 s of work, ten times what a worker costs to start */

static get_relation_info_hook_type previous_hook;

/* What prosupport of our functions holds; InvalidOid: no query of this session has called one. */
static Oid	planner_support;

Datum
textcls_planner_support(PG_FUNCTION_ARGS)
{
	planner_support = fcinfo->flinfo->fn_oid;
	PG_RETURN_POINTER(NULL);
}

static bool
calls_model(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && get_func_support(((FuncExpr *) node)->funcid) == planner_support)
		return true;
	return expression_tree_walker(node, calls_model, context);
}

static bool
query_calls_model(Query *query)
{
	return query_tree_walker(query, calls_model, NULL, QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES);
}

static void
offer_workers(PlannerInfo *root, Oid relation, bool is_parent, RelOptInfo *rel)
{
	double		workers;

	if (previous_hook != NULL)
		previous_hook(root, relation, is_parent, rel);

	/* A table whose parallel_workers was set has its answer. */
	if (!OidIsValid(planner_support) || is_parent || rel->rel_parallel_workers != -1 ||
		max_parallel_workers_per_gather == 0)
		return;
	workers = floor(Min(rel->tuples / ROWS_PER_WORKER, rel->pages));
	workers = Min(workers, max_parallel_workers_per_gather);
	if (workers >= 1 && query_calls_model(root->parse))
		rel->rel_parallel_workers = (int) workers;
}

void
tcls_parallel_hook_install(void)
{
	previous_hook = get_relation_info_hook;
	get_relation_info_hook = offer_workers;
}
