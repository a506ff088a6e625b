/*
 * batch_calls.h
 *		The calls in an expression whose texts may be computed ahead.
 *
 * Those that are evaluated whenever the expression is: not in a later arm of CASE, COALESCE, AND or OR.  Their
 * arguments call nothing volatile, contain no sub-select, and no further call of a model.
 */
#ifndef TEXTCLS_BATCH_CALLS_H
#define TEXTCLS_BATCH_CALLS_H

#include "nodes/plannodes.h"

/*
 * Of an expression or list of them, as FuncExpr.  Aggregates and window functions are not entered; a sub-select of
 * the statement's subplans gives the calls of functions that it scans, (SELECT label FROM predict(t.body)).
 */
extern List *tcls_batch_calls(Node *node, List *subplans);

/*
 * Of functions that a plan scans each time the parameters (ids, IntList) are set: LATERAL predict(t.body).
 * In the result the parameters are replaced by their values.
 */
extern List *tcls_batch_parameter_calls(Plan *plan, List *ids, List *values);

/* Of the arguments of the aggregates in an expression, evaluated for each row that is aggregated. */
extern List *tcls_batch_aggregate_calls(Node *node, List *subplans);

#endif							/* TEXTCLS_BATCH_CALLS_H */
