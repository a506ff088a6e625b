/*
 * batch_plan.c
 *		Puts batch nodes into the plans of queries that call a model.
 *
 * Done when execution starts, not when the query is planned: a planner hook is not there yet for the statement that
 * loads this library, and a cached plan may outlive a change of textcls.batch.  The plan that comes in is
 * never touched; the copy lives as long as the execution.
 *
 * A call in the target list or a filter of a node splits it.  The node below keeps the columns and
 * the filters before the first with a call; the batch node above has the rest.  A call in what a node does
 * with the rows of its child (aggregates, hash keys, functions that return sets) gets a batch node above that
 * child.  The calls stay where they are and find their results in the memo of the batch node.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "jit/jit.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"

#include "bridge/settings.h"
#include "query/batch_calls.h"
#include "query/batch_plan.h"
#include "query/batch_scan.h"
#include "query/model_calls.h"

typedef struct Rewrite
{
	PlannedStmt *statement;
	int			last_id;		/* of plan nodes */
	bool		in_workers;		/* below a Gather node */
} Rewrite;

static ExecutorStart_hook_type previous_hook;

/* ---- plan trees ---- */

typedef void (*PlanVisitor) (Plan **link, void *context);

static void
visit_list(List *plans, PlanVisitor visit, void *context)
{
	ListCell   *cell;

	foreach(cell, plans)
		visit((Plan **) &lfirst(cell), context);
}

static void
visit_children(Plan *plan, PlanVisitor visit, void *context)
{
	if (plan->lefttree != NULL)
		visit(&plan->lefttree, context);
	if (plan->righttree != NULL)
		visit(&plan->righttree, context);
	switch (nodeTag(plan))
	{
		case T_Append:
			visit_list(((Append *) plan)->appendplans, visit, context);
			break;
		case T_MergeAppend:
			visit_list(((MergeAppend *) plan)->mergeplans, visit, context);
			break;
		case T_BitmapAnd:
			visit_list(((BitmapAnd *) plan)->bitmapplans, visit, context);
			break;
		case T_BitmapOr:
			visit_list(((BitmapOr *) plan)->bitmapplans, visit, context);
			break;
		case T_CustomScan:
			visit_list(((CustomScan *) plan)->custom_plans, visit, context);
			break;
		case T_SubqueryScan:
			visit(&((SubqueryScan *) plan)->subplan, context);
			break;
		default:
			break;
	}
}

static void
find_last_id(Plan **link, void *last)
{
	if (*link == NULL)
		return;
	*(int *) last = Max(*(int *) last, (*link)->plan_node_id);
	visit_children(*link, find_last_id, last);
}

/* ---- side effects: rows that are read ahead under LIMIT may not be wanted ---- */

typedef struct Effects
{
	const PlannedStmt *statement;
	bool		found;
} Effects;

static void find_effects(Plan **link, void *context);

static bool
find_subplan_effects(Node *node, void *context)
{
	Effects    *effects = context;

	if (node == NULL || effects->found)
		return false;
	if (IsA(node, SubPlan))
	{
		Plan	   *plan = list_nth(effects->statement->subplans, ((SubPlan *) node)->plan_id - 1);

		find_effects(&plan, effects);
	}
	return expression_tree_walker(node, find_subplan_effects, context);
}

static void
find_expression_effects(Node *node, Effects *effects)
{
	if (contain_volatile_functions(node))
		effects->found = true;
	else
		(void) find_subplan_effects(node, effects);
}

/* Whether a node reads all its input in any case, before it returns a row or (in WITH) at the end of the query. */
static bool
reads_all(const Plan *plan)
{
	return IsA(plan, Sort) || IsA(plan, ModifyTable) ||
		(IsA(plan, Agg) && ((const Agg *) plan)->aggstrategy != AGG_SORTED);
}

/* Of making the rows of a node, which is not yet evaluating its target list. */
static void
find_row_effects(Plan *plan, Effects *effects)
{
	ListCell   *cell;

	find_expression_effects((Node *) plan->qual, effects);
	switch (nodeTag(plan))
	{
		case T_LockRows:
			effects->found = true;
			break;
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			find_expression_effects((Node *) ((Join *) plan)->joinqual, effects);
			break;
		case T_ValuesScan:
			find_expression_effects((Node *) ((ValuesScan *) plan)->values_lists, effects);
			break;
		case T_FunctionScan:
			foreach(cell, ((FunctionScan *) plan)->functions)
				find_expression_effects(((RangeTblFunction *) lfirst(cell))->funcexpr, effects);
			break;
		case T_TableFuncScan:
			find_expression_effects((Node *) ((TableFuncScan *) plan)->tablefunc, effects);
			break;
		case T_CteScan:
			{
				Plan	   *cte = list_nth(effects->statement->subplans, ((CteScan *) plan)->ctePlanId - 1);

				find_effects(&cte, effects);
				break;
			}
		default:
			break;
	}
	if (!effects->found && !reads_all(plan))
		visit_children(plan, find_effects, effects);
}

static void
find_effects(Plan **link, void *context)
{
	Effects    *effects = context;

	if (effects->found)
		return;
	find_expression_effects((Node *) (*link)->targetlist, effects);
	if (!effects->found)
		find_row_effects(*link, effects);
}

/* Whether the rows of a plan may be read ahead; with its target list or before that. */
static bool
may_read_ahead(Plan *plan, bool with_target_list, const Rewrite *rewrite)
{
	Effects		effects = {rewrite->statement, false};

	if (with_target_list)
		find_effects(&plan, &effects);
	else
		find_row_effects(plan, &effects);
	return !effects.found;
}

/* ---- making nodes ---- */

static CustomScan *
make_node(Plan *child, Rewrite *rewrite)
{
	CustomScan *scan = tcls_batch_scan_make(child, ++rewrite->last_id);

	scan->scan.plan.parallel_aware = rewrite->in_workers;
	return scan;
}

static void
add_calls(CustomScan *scan, List *calls, int stage)
{
	ListCell   *cell;

	foreach(cell, calls)
		tcls_batch_scan_add_call(scan, lfirst(cell), stage);
}

/* The column of the child that holds a value it computes, made where there is none yet. */
static Node *
column_of(Node *value, List **columns)
{
	ListCell   *cell;
	TargetEntry *column;

	foreach(cell, *columns)
		if (equal(value, ((TargetEntry *) lfirst(cell))->expr))
			return (Node *) makeVarFromTargetEntry(INDEX_VAR, lfirst(cell));
	column = makeTargetEntry((Expr *) value, list_length(*columns) + 1, NULL, false);
	*columns = lappend(*columns, column);
	return (Node *) makeVarFromTargetEntry(INDEX_VAR, column);
}

/* An expression over the columns of the child, which computes what only it can. */
static Node *
lift_expression(Node *node, void *columns)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) || IsA(node, Aggref) || IsA(node, WindowFunc) || IsA(node, GroupingFunc))
		return column_of(node, columns);
	return expression_tree_mutator(node, lift_expression, columns);
}

/* How many filters come before the first with a call; all when there is none. */
static int
count_plain_filters(const List *filters, List *subplans)
{
	int			count = 0;
	ListCell   *cell;

	foreach(cell, filters)
	{
		if (tcls_batch_calls(lfirst(cell), subplans) != NIL)
			break;
		count++;
	}
	return count;
}

static bool
is_splittable(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Result:
			return plan->lefttree != NULL;
		case T_ForeignScan:
			return ((const ForeignScan *) plan)->operation == CMD_SELECT;
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidRangeScan:
		case T_SubqueryScan:
		case T_FunctionScan:
		case T_ValuesScan:
		case T_TableFuncScan:
		case T_CteScan:
		case T_NamedTuplestoreScan:
		case T_WorkTableScan:
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
		case T_Agg:
		case T_Group:
		case T_WindowAgg:
		case T_Gather:
		case T_GatherMerge:
			return true;
		default:
			return false;
	}
}

/* A run condition means window functions by their places in the target list: those stay, the rest goes. */
static List *
columns_in_place(Plan *plan)
{
	List	   *columns = NIL;
	ListCell   *cell;

	if (!IsA(plan, WindowAgg) || ((WindowAgg *) plan)->runCondition == NIL)
		return NIL;
	foreach(cell, plan->targetlist)
	{
		TargetEntry *column = flatCopyTargetEntry(lfirst(cell));
		Node	   *value = (Node *) column->expr;

		if (!IsA(value, WindowFunc))
			column->expr = (Expr *) makeNullConst(exprType(value), exprTypmod(value), exprCollation(value));
		columns = lappend(columns, column);
	}
	return columns;
}

/* The batch node with the target list and the filters from the first with a call on; the node stays below. */
static Plan *
split_node(Plan *plan, Rewrite *rewrite)
{
	List	   *subplans = rewrite->statement->subplans;
	int			kept = count_plain_filters(plan->qual, subplans);
	List	   *filters = list_copy_tail(plan->qual, kept);
	List	   *target_list;
	List	   *columns = columns_in_place(plan);
	CustomScan *scan;

	if ((filters == NIL && tcls_batch_calls((Node *) plan->targetlist, subplans) == NIL) ||
		(filters != NIL && IsA(plan, WindowAgg)) || !may_read_ahead(plan, false, rewrite))
		return plan;
	target_list = (List *) lift_expression((Node *) plan->targetlist, &columns);
	filters = (List *) lift_expression((Node *) filters, &columns);
	plan->targetlist = columns;
	plan->qual = list_truncate(plan->qual, kept);
	plan->async_capable = false;

	scan = make_node(plan, rewrite);
	scan->scan.plan.targetlist = target_list;
	scan->scan.plan.qual = filters;
	for (int i = 0; i < list_length(filters); i++)
		add_calls(scan, tcls_batch_calls(list_nth(filters, i), subplans), i);
	add_calls(scan, tcls_batch_calls((Node *) target_list, subplans), list_length(filters));
	return &scan->scan.plan;
}

/* ---- calls over the rows of a child ---- */

static Node *
outer_to_index(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == OUTER_VAR)
	{
		Var		   *var = copyObject((Var *) node);

		var->varno = INDEX_VAR;
		return (Node *) var;
	}
	return expression_tree_mutator(node, outer_to_index, context);
}

/* A batch node above the (outer) child of a node, which passes all columns on. */
static void
wrap_child(Plan *plan, List *calls, Rewrite *rewrite)
{
	Plan	   *child = plan->lefttree;
	CustomScan *scan;
	ListCell   *cell;

	if (calls == NIL || !may_read_ahead(child, true, rewrite) || (IsA(child, Result) && child->lefttree == NULL))
		return;
	scan = make_node(child, rewrite);
	foreach(cell, child->targetlist)
	{
		TargetEntry *column = flatCopyTargetEntry(lfirst(cell));

		column->expr = (Expr *) makeVarFromTargetEntry(INDEX_VAR, lfirst(cell));
		scan->scan.plan.targetlist = lappend(scan->scan.plan.targetlist, column);
	}
	add_calls(scan, (List *) outer_to_index((Node *) calls, NULL), 0);
	plan->lefttree = &scan->scan.plan;
}

/* The calls of functions that the inner side of a loop scans for each row of the outer one. */
static List *
lateral_calls(NestLoop *loop)
{
	List	   *ids = NIL;
	List	   *values = NIL;
	ListCell   *cell;

	foreach(cell, loop->nestParams)
	{
		NestLoopParam *param = lfirst(cell);

		ids = lappend_int(ids, param->paramno);
		values = lappend(values, param->paramval);
	}
	return tcls_batch_parameter_calls(loop->join.plan.righttree, ids, values);
}

static List *
calls_of_inputs(Plan *plan, List *subplans)
{
	switch (nodeTag(plan))
	{
		case T_Agg:
			return list_concat(tcls_batch_aggregate_calls((Node *) plan->targetlist, subplans),
							   tcls_batch_aggregate_calls((Node *) plan->qual, subplans));
		case T_ProjectSet:
			return tcls_batch_calls((Node *) plan->targetlist, subplans);
		case T_Hash:
			return tcls_batch_calls((Node *) ((Hash *) plan)->hashkeys, subplans);
		case T_HashJoin:
			return tcls_batch_calls((Node *) ((HashJoin *) plan)->hashkeys, subplans);
		case T_NestLoop:
			return lateral_calls((NestLoop *) plan);
		default:
			return NIL;
	}
}

/* ---- rewriting ---- */

static void rewrite_plan(Plan **link, void *context);

/* Only nodes that can return to a mark may stand on the inner side of a merge join. */
static void
rewrite_merge_join(Plan *plan, Rewrite *rewrite)
{
	rewrite_plan(&plan->lefttree, rewrite);
	if (IsA(plan->righttree, Sort) || IsA(plan->righttree, Material))
		rewrite_plan(&plan->righttree, rewrite);
}

/* Rows are locked one by one, and nodes of other extensions are theirs: both stay as they are. */
static void
rewrite_plan(Plan **link, void *context)
{
	Rewrite    *rewrite = context;
	Plan	   *plan = *link;
	bool		was_in_workers = rewrite->in_workers;

	if (plan == NULL || IsA(plan, LockRows) || IsA(plan, CustomScan))
		return;
	if (IsA(plan, Gather) || IsA(plan, GatherMerge))
		rewrite->in_workers = true;
	if (IsA(plan, MergeJoin))
		rewrite_merge_join(plan, rewrite);
	else
		visit_children(plan, rewrite_plan, rewrite);
	wrap_child(plan, calls_of_inputs(plan, rewrite->statement->subplans), rewrite);
	rewrite->in_workers = was_in_workers;
	if (is_splittable(plan))
		*link = split_node(plan, rewrite);
}

static void
add_batches(PlannedStmt *statement)
{
	Rewrite		rewrite = {.statement = statement};

	find_last_id(&statement->planTree, &rewrite.last_id);
	visit_list(statement->subplans, find_last_id, &rewrite.last_id);
	rewrite_plan(&statement->planTree, &rewrite);
	visit_list(statement->subplans, rewrite_plan, &rewrite);
}

static void
start_next(QueryDesc *query, int eflags)
{
	if (previous_hook != NULL)
		previous_hook(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/*
 * Compiling (JIT) is off: our functions' costs, which are true, are above its limits, and it would add memory and
 * time without interrupts to functions that it does not make faster.
 */
static void
start_with_batches(QueryDesc *query, int eflags)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "textcls plan", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);

	query->plannedstmt = copyObject(query->plannedstmt);
	query->plannedstmt->jitFlags = PGJIT_NONE;
	if (tcls_setting_batch)
		add_batches(query->plannedstmt);
	MemoryContextSwitchTo(caller);
	start_next(query, eflags);
	MemoryContextSetParent(memory, query->estate->es_query_cxt);
	tcls_batch_scan_bind_limits(query->planstate);
}

/* The plan that a parallel worker gets has been rewritten, and notes no functions. */
static void
start_query(QueryDesc *query, int eflags)
{
	if (tcls_calls_in_plan(query->plannedstmt))
		start_with_batches(query, eflags);
	else
		start_next(query, eflags);
}

void
tcls_batch_plan_install(void)
{
	tcls_batch_scan_register();
	previous_hook = ExecutorStart_hook;
	ExecutorStart_hook = start_query;
}
