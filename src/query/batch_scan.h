/*
 * batch_scan.h
 *		The node "Textcls Batch": reads rows of its child ahead and has the texts of several computed together.
 */
#ifndef TEXTCLS_BATCH_SCAN_H
#define TEXTCLS_BATCH_SCAN_H

#include "nodes/execnodes.h"

/* Once, when the library is loaded: parallel workers find the node by its name. */
extern void tcls_batch_scan_register(void);

/*
 * A node above the child, in whose place it comes; the caller gives it target list and filters, which see
 * the child's columns as INDEX_VAR, and the calls that are computed together.
 */
extern CustomScan *tcls_batch_scan_make(Plan *child, int plan_node_id);

/* Compute a call (over INDEX_VAR, too) for the rows that pass the first "stage" filters. */
extern void tcls_batch_scan_add_call(CustomScan *scan, FuncExpr *call, int stage);

/* Let the nodes below each LIMIT know how many rows it still takes. */
extern void tcls_batch_scan_bind_limits(PlanState *top);

#endif							/* TEXTCLS_BATCH_SCAN_H */
