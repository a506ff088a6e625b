/*
 * team.h
 *		Several processes that compute for one training.
 *
 *		leader: the job's worker, or the caller's backend		helper 1 .. n - 1: background workers
 *
 *		create		weights, files of examples -> segment
 *		start		register helpers ----------------------->	attach, trainer
 *		await		<---------------------------------------	attached
 *		(train)		<-------------- meetings --------------->	(train)
 *		end			leave									exit
 *
 * A helper connects as the leader's session does, for the views of activity to show it, but runs no
 * transaction: all it needs is in the segment and the files.
 */
#ifndef TEXTCLS_TEAM_H
#define TEXTCLS_TEAM_H

#include "jobs/job_options.h"
#include "jobs/table_source.h"
#include "model/model.h"
#include "train/trainer.h"

typedef struct TclsTeam TclsTeam;

/*
 * The segment of options->training_workers processes; the model's weights move to it, and the source's
 * examples are copied to files that all of them can open.  Needs a transaction.  Result in the current
 * context; the segment stays until tcls_team_end or the end of the process.
 */
extern TclsTeam *tcls_team_create(int64 job, TclsModel *model, TclsTableSource *source,
								  const TclsJobOptions *options, TclsHost *host);

/* For the leader's trainer. */
extern TclsExchange *tcls_team_exchange(TclsTeam *team);

/*
 * Register helpers that begin where the leader's trainer is; false while the server has no free slot for all
 * of them: then call it again.
 */
extern bool tcls_team_start(TclsTeam *team, const TclsTrainer *trainer);

/* Wait until all helpers have come. */
extern void tcls_team_await(TclsTeam *team);

/* Leave the segment, with the model's weights in it.  Helpers that are still there exit. */
extern void tcls_team_end(TclsTeam *team);

#endif							/* TEXTCLS_TEAM_H */
