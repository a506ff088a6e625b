/*
 * batch_plan.h
 *		Puts batch nodes into the plans of queries that call a model.
 */
#ifndef TEXTCLS_BATCH_PLAN_H
#define TEXTCLS_BATCH_PLAN_H

extern void tcls_batch_plan_install(void);

#endif							/* TEXTCLS_BATCH_PLAN_H */
