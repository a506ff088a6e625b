/*
 * parallel_hook.c
 *		Parallel plans for queries that call a model.
 *
 * The planner offers workers by the size of a table: below min_parallel_table_scan_size
 * (8 MB) there are none, whatever the functions of the query cost.  Ten thousand short texts are a
 * megabyte and half a minute of work.  So where a query calls one of our functions, its
 * tables get workers by rows; the planner still compares costs and keeps the serial plan when that is cheaper.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/plancat.h"

#include "query/model_calls.h"
#include "query/parallel_hook.h"

#define ROWS_PER_WORKER 50		/* some 0.1 s of work, ten times what a worker costs to start */

static get_relation_info_hook_type previous_hook;

static bool
calls_model(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && tcls_calls_is_model_function(((FuncExpr *) node)->funcid))
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
	if (is_parent || rel->rel_parallel_workers != -1 || max_parallel_workers_per_gather == 0)
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
