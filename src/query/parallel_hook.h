/*
 * parallel_hook.h
 *		Parallel plans for queries that call a model.
 */
#ifndef TEXTCLS_PARALLEL_HOOK_H
#define TEXTCLS_PARALLEL_HOOK_H

extern void tcls_parallel_hook_install(void);

#endif							/* TEXTCLS_PARALLEL_HOOK_H */
