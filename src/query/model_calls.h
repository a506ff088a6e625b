/*
 * model_calls.h
 *		Which function calls of a query use a model.
 *
 * The planner calls the support function of our costly functions while it simplifies expressions, before it looks at
 * tables: that loads this library in time for the first statement of a session, and it tells which functions
 * are ours.  Whatever such a statement does next can ask here.
 */
#ifndef TEXTCLS_MODEL_CALLS_H
#define TEXTCLS_MODEL_CALLS_H

#include "nodes/plannodes.h"

/* Whether a function is one of ours that the support function was attached to. */
extern bool tcls_calls_is_model_function(Oid function);

/* What a function computes of its first argument, one text, in TCLS_WANT_...; 0 for all other functions. */
extern int	tcls_calls_wanted(Oid function);

/* Whether a plan may call one of our functions; false is certain.  Cheap. */
extern bool tcls_calls_in_plan(const PlannedStmt *plan);

#endif							/* TEXTCLS_MODEL_CALLS_H */
