/*
 * batch_calls.h
 *		The calls in an expression whose texts may be computed ahead.
 *
 * Those that are evaluated whenever the expression is: not in a later arm of CASE, COALESCE, AND or OR, not in
 * a sub-select.  Their arguments call nothing volatile, contain no sub-select, and no further call of a model.
 */
#ifndef TEXTCLS_BATCH_CALLS_H
#define TEXTCLS_BATCH_CALLS_H

#include "nodes/pg_list.h"

/* Of an expression or list of them, as FuncExpr.  Aggregates and window functions are not entered. */
extern List *tcls_batch_calls(Node *node);

/* Of the arguments of the aggregates in an expression, evaluated for each row that is aggregated. */
extern List *tcls_batch_aggregate_calls(Node *node);

#endif							/* TEXTCLS_BATCH_CALLS_H */
