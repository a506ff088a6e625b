/*
 * training.h
 *		A job from its row to a published version.
 *
 *		load -> preprocess -> adjust the structure -> train -> evaluate -> save
 *
 * The same steps serve the worker and wait => true.  The worker owns its transactions:
 * one that reads, then none but short ones that report, write a checkpoint or publish.  With
 * wait => true everything happens in the caller's transaction, and there are no checkpoints.
 */
#ifndef TEXTCLS_TRAINING_H
#define TEXTCLS_TRAINING_H

#include "jobs/job_table.h"

extern void tcls_training_run(const TclsJob *job, bool owns_transactions);

#endif							/* TEXTCLS_TRAINING_H */
