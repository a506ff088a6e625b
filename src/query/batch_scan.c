/*
 * batch_scan.c
 *		The node "Textcls Batch".
 *
 * It works in batches of rows: read them, and for each filter in turn compute the texts of its calls together and
 * drop the rows it rejects; then the texts of the target list, for the rows that are left.  The results
 * wait in a memo, where the calls find them when a row is returned.
 *
 * How far it reads ahead: one row until a call has resolved the name of a model (see score_memo.h), then
 * more with each batch; under a LIMIT it reads what the limit still takes, and longer texts make smaller batches.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "access/relscan.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "port/atomics.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "bridge/settings.h"
#include "query/batch_scan.h"
#include "query/model_calls.h"
#include "query/score_ahead.h"

#define NODE_NAME "Textcls Batch"

#define GROWTH 8				/* of a batch against the one before, where no LIMIT bounds it */
#define ASSUMED_ROWS 8			/* that passed the filters before any row was read */
#define BATCH_TOKENS 4096		/* eight runs of the encoder: more would gain nothing */

typedef struct BatchCall
{
	ExprState  *text;
	ExprState  *model;
	int			wanted;
} BatchCall;

/* Calls, and the filter that needs them; the last stage has none: its calls are the target list's. */
typedef struct BatchStage
{
	BatchCall  *calls;
	int			num_calls;
	ExprState  *filter;
} BatchStage;

typedef struct BatchRow
{
	MinimalTuple tuple;
	ItemPointerData tid;		/* of the row of "table" that it came from */
	bool		passed;			/* the filters so far */
} BatchRow;

/* In the memory that parallel workers share. */
typedef struct SharedCounts
{
	pg_atomic_uint64 batches;
	pg_atomic_uint64 texts;
	pg_atomic_uint64 tokens;
	pg_atomic_uint64 microseconds;
} SharedCounts;

typedef struct BatchScan
{
	CustomScanState css;
	BatchStage *stages;
	int			num_stages;
	bool		is_recheck;		/* of single rows that another transaction has changed: nothing is ahead */
	LimitState *limit;			/* that takes a row at least for each row returned, or NULL */
	ScanState  *table;			/* scan below whose rows are returned one for one, or NULL */
	SharedCounts *shared;		/* or NULL */
	TclsAhead  *ahead;
	TclsAheadCounts of_workers;
	double		rows_read;
	double		rows_passed;	/* the filters */

	MemoryContext row_memory;
	BatchRow   *rows;
	int			count;
	int			current;		/* row returned last; -1 before and count behind them */
	int			ramp;			/* rows to read next, unless something else bounds them */
	bool		at_start;		/* the child is before its first row */
	bool		at_end;			/* the child is behind its last row */
} BatchScan;

/* ---- the plan's node ---- */

static Node *create_state(CustomScan *scan);

static const CustomScanMethods scan_methods = {NODE_NAME, create_state};

void
tcls_batch_scan_register(void)
{
	RegisterCustomScanMethods(&scan_methods);
}

CustomScan *
tcls_batch_scan_make(Plan *child, int plan_node_id)
{
	CustomScan *scan = makeNode(CustomScan);
	Plan	   *plan = &scan->scan.plan;
	ListCell   *cell;

	plan->startup_cost = child->startup_cost;
	plan->total_cost = child->total_cost;
	plan->plan_rows = child->plan_rows;
	plan->plan_width = child->plan_width;
	plan->parallel_safe = child->parallel_safe;
	plan->plan_node_id = plan_node_id;
	plan->lefttree = child;
	plan->initPlan = child->initPlan;
	child->initPlan = NIL;
	plan->extParam = bms_copy(child->extParam);
	plan->allParam = bms_copy(child->allParam);
	scan->flags = CUSTOMPATH_SUPPORT_BACKWARD_SCAN | CUSTOMPATH_SUPPORT_PROJECTION;
	scan->methods = &scan_methods;
	foreach(cell, child->targetlist)
	{
		TargetEntry *column = flatCopyTargetEntry(lfirst(cell));

		column->expr = (Expr *) makeVarFromTargetEntry(OUTER_VAR, lfirst(cell));
		scan->custom_scan_tlist = lappend(scan->custom_scan_tlist, column);
	}
	return scan;
}

/*
 * custom_exprs has the calls, custom_private for each its stage and what it wants.  An equal call at an
 * earlier stage serves this one, too.
 */
void
tcls_batch_scan_add_call(CustomScan *scan, FuncExpr *call, int stage)
{
	if (list_member(scan->custom_exprs, call))
		return;
	scan->custom_exprs = lappend(scan->custom_exprs, copyObject(call));
	scan->custom_private = lappend(scan->custom_private, list_make2_int(stage, tcls_calls_wanted(call->funcid)));
}

/* ---- begin ---- */

static void
init_call(BatchScan *scan, FuncExpr *call, List *private)
{
	BatchStage *stage = &scan->stages[linitial_int(private)];
	BatchCall  *entry = &stage->calls[stage->num_calls++];

	entry->text = ExecInitExpr(linitial(call->args), &scan->css.ss.ps);
	entry->model = ExecInitExpr(lsecond(call->args), &scan->css.ss.ps);
	entry->wanted = lsecond_int(private);
}

static void
init_stages(BatchScan *scan)
{
	CustomScan *plan = (CustomScan *) scan->css.ss.ps.plan;
	List	   *filters = plan->scan.plan.qual;
	ListCell   *call;
	ListCell   *private;

	scan->num_stages = list_length(filters) + 1;
	scan->stages = palloc0_array(BatchStage, scan->num_stages);
	for (int i = 0; i < scan->num_stages; i++)
	{
		scan->stages[i].calls = palloc_array(BatchCall, list_length(plan->custom_exprs) + 1);
		if (i < list_length(filters))
			scan->stages[i].filter = ExecInitQual(list_make1(list_nth(filters, i)), &scan->css.ss.ps);
	}
	forboth(call, plan->custom_exprs, private, plan->custom_private)
		init_call(scan, lfirst(call), lfirst(private));
}

/* The scan of a table whose current row is the one that the node returns, or NULL. */
static ScanState *
find_table(PlanState *node)
{
	while (node != NULL)
		switch (nodeTag(node))
		{
			case T_SeqScanState:
			case T_SampleScanState:
			case T_IndexScanState:
			case T_IndexOnlyScanState:
			case T_BitmapHeapScanState:
			case T_TidRangeScanState:
			case T_CustomScanState:
				return ((ScanState *) node)->ss_currentRelation != NULL ? (ScanState *) node : NULL;
			case T_ResultState:
			case T_LimitState:
				node = outerPlanState(node);
				break;
			case T_SubqueryScanState:
				node = ((SubqueryScanState *) node)->subplan;
				break;
			default:
				return NULL;
		}
	return NULL;
}

static void
forget_rows(BatchScan *scan)
{
	MemoryContextReset(scan->row_memory);
	scan->rows = NULL;
	scan->count = 0;
	scan->current = -1;
}

static void
go_to_start(BatchScan *scan)
{
	forget_rows(scan);
	scan->at_start = true;
	scan->at_end = false;
	scan->ramp = GROWTH;
}

/*
 * WHERE CURRENT OF looks for the scan of its table and takes the row that stands in its slot.  The child's
 * scan is further ahead, so this node poses as that scan.
 */
static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	BatchScan  *scan = (BatchScan *) node;

	outerPlanState(node) = ExecInitNode(outerPlan(node->ss.ps.plan), estate, eflags);
	init_stages(scan);
	scan->is_recheck = estate->es_epq_active != NULL;
	scan->table = find_table(outerPlanState(node));
	if (scan->table != NULL)
		node->ss.ss_currentRelation = scan->table->ss_currentRelation;
	scan->row_memory = AllocSetContextCreate(estate->es_query_cxt, "textcls rows", ALLOCSET_DEFAULT_SIZES);
	scan->ahead = tcls_ahead_create(estate->es_query_cxt);
	go_to_start(scan);
}

static void
end_scan(CustomScanState *node)
{
	ExecEndNode(outerPlanState(node));
}

static void
rescan(CustomScanState *node)
{
	go_to_start((BatchScan *) node);
	if (outerPlanState(node)->chgParam == NULL)
		ExecReScan(outerPlanState(node));
}

/* ---- how many rows ---- */

static void
bind_limit(PlanState *node, LimitState *limit)
{
	if (node == NULL)
		return;
	switch (nodeTag(node))
	{
		case T_ResultState:
		case T_UniqueState:
			bind_limit(outerPlanState(node), limit);
			break;
		case T_SubqueryScanState:
			bind_limit(((SubqueryScanState *) node)->subplan, limit);
			break;
		case T_AppendState:
			for (int i = 0; i < ((AppendState *) node)->as_nplans; i++)
				bind_limit(((AppendState *) node)->appendplans[i], limit);
			break;
		case T_CustomScanState:
			if (strcmp(((CustomScanState *) node)->methods->CustomName, NODE_NAME) == 0)
				((BatchScan *) node)->limit = limit;
			break;
		default:
			break;
	}
}

static bool
find_limits(PlanState *node, void *context)
{
	if (IsA(node, LimitState))
		bind_limit(outerPlanState(node), (LimitState *) node);
	return planstate_tree_walker(node, find_limits, context);
}

void
tcls_batch_scan_bind_limits(PlanState *top)
{
	if (top != NULL)
		(void) find_limits(top, NULL);
}

/* Rows that the limit above still takes, and by experience the filters leave of how many; 0: there is no limit. */
static double
limited_rows(const BatchScan *scan)
{
	const LimitState *limit = scan->limit;
	double		wanted;

	if (limit == NULL || limit->noCount)
		return 0;
	wanted = Max(1, (double) limit->offset + limit->count - limit->position);
	return ceil(wanted * (scan->rows_read + ASSUMED_ROWS) / (scan->rows_passed + ASSUMED_ROWS));
}

static int
rows_to_read(const BatchScan *scan)
{
	const TclsAheadCounts *counts = &scan->ahead->counts;
	double		limited = limited_rows(scan);
	int			most = tcls_setting_batch_rows;

	if (scan->is_recheck || !tcls_memo_any_resolved())
		return 1;
	if (counts->texts > 0)
		most = Min(most, Max(1, BATCH_TOKENS / (int) (counts->tokens / counts->texts)));
	return (int) Min(most, limited > 0 ? limited : scan->ramp);
}

/* ---- a batch ---- */

static ItemPointerData
current_tid(const ScanState *table)
{
	ItemPointerData none;

	if (table != NULL && IsA(table, IndexOnlyScanState))
		return ((const IndexOnlyScanState *) table)->ioss_ScanDesc->xs_heaptid;
	if (table != NULL && !TupIsNull(table->ss_ScanTupleSlot))
		return table->ss_ScanTupleSlot->tts_tid;
	ItemPointerSetInvalid(&none);
	return none;
}

static void
keep_row(BatchScan *scan, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(scan->row_memory);
	BatchRow   *row = &scan->rows[scan->count++];

	row->tuple = ExecCopySlotMinimalTuple(slot);
	row->tid = current_tid(scan->table);
	row->passed = true;
	MemoryContextSwitchTo(old);
}

/* The row in the slot that the node's expressions look at. */
static void
show_row(BatchScan *scan, const BatchRow *row)
{
	TupleTableSlot *slot = scan->css.ss.ss_ScanTupleSlot;

	ExecForceStoreMinimalTuple(row->tuple, slot, false);
	slot->tts_tid = row->tid;
	if (scan->table != NULL)
		slot->tts_tableOid = RelationGetRelid(scan->css.ss.ss_currentRelation);
	scan->css.ss.ps.ps_ExprContext->ecxt_scantuple = slot;
}

/* Give the text and model of a call for the row that is shown. */
static void
add_text(BatchScan *scan, const BatchCall *call)
{
	ExprContext *context = scan->css.ss.ps.ps_ExprContext;
	bool		is_null;
	Datum		value = ExecEvalExpr(call->text, context, &is_null);
	Datum		model;
	bool		no_model;

	if (is_null)
		return;
	model = ExecEvalExpr(call->model, context, &no_model);
	tcls_ahead_add(scan->ahead, call->wanted, no_model ? NULL : TextDatumGetCString(model), value);
}

static void
compute_stage(BatchScan *scan, const BatchStage *stage)
{
	MemoryContext old;

	if (stage->num_calls == 0 || scan->is_recheck)
		return;
	old = MemoryContextSwitchTo(scan->ahead->memory);
	for (int i = 0; i < scan->count; i++)
	{
		if (!scan->rows[i].passed)
			continue;
		show_row(scan, &scan->rows[i]);
		for (int k = 0; k < stage->num_calls; k++)
			add_text(scan, &stage->calls[k]);
	}
	MemoryContextSwitchTo(old);
	tcls_ahead_run(scan->ahead);
	ResetExprContext(scan->css.ss.ps.ps_ExprContext);
}

static void
filter_rows(BatchScan *scan, ExprState *filter)
{
	ExprContext *context = scan->css.ss.ps.ps_ExprContext;

	for (int i = 0; i < scan->count; i++)
	{
		if (!scan->rows[i].passed)
			continue;
		CHECK_FOR_INTERRUPTS();
		show_row(scan, &scan->rows[i]);
		ResetExprContext(context);
		scan->rows[i].passed = ExecQual(filter, context);
		if (!scan->rows[i].passed)
			InstrCountFiltered1(&scan->css, 1);
	}
}

/* All of them for the rows that were read. */
static void
run_stages(BatchScan *scan)
{
	for (int i = 0; i < scan->num_stages; i++)
	{
		compute_stage(scan, &scan->stages[i]);
		if (scan->stages[i].filter != NULL)
			filter_rows(scan, scan->stages[i].filter);
	}
	scan->rows_read += scan->count;
	for (int i = 0; i < scan->count; i++)
		scan->rows_passed += scan->rows[i].passed;
}

/* The rows of the last batch are done, and so are their results; keep them for equal texts while there is room. */
static void
start_batch(BatchScan *scan, int size)
{
	if (tcls_memo_size(scan->ahead->memo) > work_mem * (Size) 512)
		tcls_memo_clear(scan->ahead->memo);
	forget_rows(scan);
	scan->rows = MemoryContextAlloc(scan->row_memory, size * sizeof(BatchRow));
}

static void
read_batch(BatchScan *scan)
{
	int			size = rows_to_read(scan);
	Size		bytes = 0;

	start_batch(scan, size);
	while (scan->count < size && bytes < work_mem * (Size) 1024)
	{
		TupleTableSlot *slot = ExecProcNode(outerPlanState(scan));

		if (TupIsNull(slot))
		{
			scan->at_end = true;
			break;
		}
		keep_row(scan, slot);
		bytes += scan->rows[scan->count - 1].tuple->t_len;
	}
	scan->at_start = false;
	if (scan->count > 1)
		scan->ramp = Min(scan->ramp * GROWTH, tcls_setting_batch_rows);
	run_stages(scan);
}

/*
 * A batch of the one row before the batch, for a cursor that goes back.  The child stands on the last row of the batch,
 * or behind it, and is led back over it.
 */
static bool
read_back(BatchScan *scan)
{
	PlanState  *child = outerPlanState(scan);
	int			steps = scan->count - (scan->at_end ? 0 : 1);
	TupleTableSlot *slot;

	if (scan->at_start)
		return false;
	while (steps-- > 0)
		(void) ExecProcNode(child);
	slot = ExecProcNode(child);
	if (TupIsNull(slot))
	{
		go_to_start(scan);
		return false;
	}
	start_batch(scan, 1);
	keep_row(scan, slot);
	scan->at_end = false;
	scan->ramp = GROWTH;
	run_stages(scan);
	return true;
}

/* ---- returning rows ---- */

static TupleTableSlot *
return_row(BatchScan *scan, const BatchRow *row)
{
	ScanState  *state = &scan->css.ss;

	ResetExprContext(state->ps.ps_ExprContext);
	show_row(scan, row);
	return state->ps.ps_ProjInfo != NULL ? ExecProject(state->ps.ps_ProjInfo) : state->ss_ScanTupleSlot;
}

/* The next row of the batch that passed the filters, in the direction given, or NULL. */
static const BatchRow *
next_row(BatchScan *scan, int step)
{
	do
		scan->current += step;
	while (scan->current >= 0 && scan->current < scan->count && !scan->rows[scan->current].passed);
	scan->current = Max(-1, Min(scan->current, scan->count));
	return scan->current >= 0 && scan->current < scan->count ? &scan->rows[scan->current] : NULL;
}

static TupleTableSlot *
execute_scan(CustomScanState *node)
{
	BatchScan  *scan = (BatchScan *) node;
	bool		forward = ScanDirectionIsForward(node->ss.ps.state->es_direction);
	const BatchRow *row;

	while ((row = next_row(scan, forward ? 1 : -1)) == NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (forward ? scan->at_end : !read_back(scan))
		{
			ExecClearTuple(node->ss.ss_ScanTupleSlot);
			return NULL;
		}
		if (forward)
			read_batch(scan);
		else
			scan->current = scan->count;
	}
	return return_row(scan, row);
}

/* ---- what EXPLAIN shows ---- */

/* Add what the workers have counted; theirs is then zero. */
static void
collect_from_workers(BatchScan *scan)
{
	if (scan->shared == NULL)
		return;
	scan->of_workers.batches += pg_atomic_exchange_u64(&scan->shared->batches, 0);
	scan->of_workers.texts += pg_atomic_exchange_u64(&scan->shared->texts, 0);
	scan->of_workers.tokens += pg_atomic_exchange_u64(&scan->shared->tokens, 0);
	scan->of_workers.microseconds += pg_atomic_exchange_u64(&scan->shared->microseconds, 0);
}

static Size
estimate_shared(CustomScanState *node, ParallelContext *context)
{
	return sizeof(SharedCounts);
}

static void
initialize_shared(CustomScanState *node, ParallelContext *context, void *shared)
{
	BatchScan  *scan = (BatchScan *) node;

	scan->shared = shared;
	pg_atomic_init_u64(&scan->shared->batches, 0);
	pg_atomic_init_u64(&scan->shared->texts, 0);
	pg_atomic_init_u64(&scan->shared->tokens, 0);
	pg_atomic_init_u64(&scan->shared->microseconds, 0);
}

static void
reinitialize_shared(CustomScanState *node, ParallelContext *context, void *shared)
{
	collect_from_workers((BatchScan *) node);
}

static void
initialize_worker(CustomScanState *node, shm_toc *toc, void *shared)
{
	((BatchScan *) node)->shared = shared;
}

/* The shared memory goes away after this. */
static void
shut_down(CustomScanState *node)
{
	BatchScan  *scan = (BatchScan *) node;

	if (scan->shared != NULL && IsParallelWorker())
	{
		pg_atomic_fetch_add_u64(&scan->shared->batches, scan->ahead->counts.batches);
		pg_atomic_fetch_add_u64(&scan->shared->texts, scan->ahead->counts.texts);
		pg_atomic_fetch_add_u64(&scan->shared->tokens, scan->ahead->counts.tokens);
		pg_atomic_fetch_add_u64(&scan->shared->microseconds, scan->ahead->counts.microseconds);
	}
	else
		collect_from_workers(scan);
	scan->shared = NULL;
}

static void
explain_calls(BatchScan *scan, List *ancestors, ExplainState *es)
{
	CustomScan *plan = (CustomScan *) scan->css.ss.ps.plan;
	bool		with_prefix = list_length(es->rtable) > 1 || es->verbose;
	List	   *context = set_deparse_context_plan(es->deparse_cxt, &plan->scan.plan, ancestors);
	List	   *calls = NIL;
	ListCell   *cell;

	foreach(cell, plan->custom_exprs)
	{
		char	   *call = deparse_expression(lfirst(cell), context, with_prefix, false);

		calls = lappend(calls, call);
	}
	ExplainPropertyList("Calls", calls, es);
}

static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *es)
{
	BatchScan  *scan = (BatchScan *) node;
	const TclsAheadCounts *here = &scan->ahead->counts;
	const TclsAheadCounts *workers = &scan->of_workers;

	explain_calls(scan, ancestors, es);
	if (!es->analyze)
		return;
	ExplainPropertyInteger("Batches", NULL, here->batches + workers->batches, es);
	ExplainPropertyInteger("Texts", NULL, here->texts + workers->texts, es);
	ExplainPropertyInteger("Tokens", NULL, here->tokens + workers->tokens, es);
	if (es->timing)
		ExplainPropertyFloat("Time", "ms", (here->microseconds + workers->microseconds) / 1000.0, 3, es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = NODE_NAME,
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = execute_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.EstimateDSMCustomScan = estimate_shared,
	.InitializeDSMCustomScan = initialize_shared,
	.ReInitializeDSMCustomScan = reinitialize_shared,
	.InitializeWorkerCustomScan = initialize_worker,
	.ShutdownCustomScan = shut_down,
	.ExplainCustomScan = explain_scan,
};

static Node *
create_state(CustomScan *plan)
{
	BatchScan  *scan = (BatchScan *) newNode(sizeof(BatchScan), T_CustomScanState);

	scan->css.methods = &exec_methods;
	return (Node *) scan;
}
