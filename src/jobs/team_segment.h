/*
 * team_segment.h
 *		The shared memory of a team: everything that its processes have in common.
 *
 * One dynamic segment, made by the leader and gone with the last process that maps it.  Whoever leaves before
 * the end, in whatever way, says so in it and ends all waiting:
 *
 *		a helper fails			failure, stop; the leader raises it at its next meeting
 *		a helper gets SIGTERM	the same, as terminated
 *		the leader leaves		stop; helpers see it at their next poll or meeting and exit
 *		kill -9					the server restarts all of its processes
 *
 * The server's Barrier (storage/barrier.h) is not for this: who detaches while waiting at it stays counted
 * as arrived, and others may then miss a phase.
 */
#ifndef TEXTCLS_TEAM_SEGMENT_H
#define TEXTCLS_TEAM_SEGMENT_H

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/proc.h"
#include "storage/sharedfileset.h"

#include "jobs/job_options.h"
#include "jobs/table_source.h"
#include "model/model.h"
#include "train/trainer.h"

#define TCLS_TEAM_MAX 64
#define TCLS_TEAM_TEXT 512

/* Why a helper ended before its time. */
typedef struct TclsTeamFailure
{
	bool		terminated;		/* by SIGTERM: nothing below is set */
	int			sqlstate;
	char		message[TCLS_TEAM_TEXT];
	char		detail[TCLS_TEAM_TEXT];
	char		hint[TCLS_TEAM_TEXT];
} TclsTeamFailure;

typedef struct TclsTeamShared
{
	int64		job;
	int32		count;			/* processes, leader included */
	PGPROC	   *leader;
	ConditionVariable change;	/* of phase or stop */
	pg_atomic_uint32 arrived;	/* at the meeting that ends this phase */
	pg_atomic_uint32 phase;		/* meetings so far */
	pg_atomic_uint32 stop;		/* 1: whoever sees it ends */
	pg_atomic_uint32 failed;	/* rank that failed first, 0 for none; it alone writes the failure, before stop */
	TclsTeamFailure failure;
	pg_atomic_uint32 attached[TCLS_TEAM_MAX];	/* by rank: 1 since it has come */
	pg_atomic_uint32 finished[TCLS_TEAM_MAX];	/* by rank: 1 when its work is done */
	SharedFileSet files;
	TclsSharedSource source;
	TclsModelConfig config;		/* without the labels' names */
	TclsTrainOptions options;	/* class_weights is to be set from below */
	TclsTrainState state;		/* at the start */
	size_t		total;			/* floats of a block */
	size_t		tokenizer_size;
	bool		bf16;			/* the leader computes in mixed precision */
} TclsTeamShared;

/* A process's view of the segment. */
typedef struct TclsTeamSegment
{
	dsm_segment *dsm;
	TclsTeamShared *shared;
	TclsExchange exchange;
	int32	   *label_places;	/* (source.num_labels) */
	float	   *class_weights;	/* (config.num_labels) or NULL */
	char	   *settings;		/* name, value, name, value, ..., an empty name */
	void	   *tokenizer;		/* (shared->tokenizer_size) */
	int64	   *row_steps;		/* (config.numbers.vocab_size) steps of the lazy rows at the start */
} TclsTeamSegment;

/*
 * Make the segment of a training and fill in all but the weights, the state and the examples' files.  It
 * belongs to the current resource owner until it is pinned.
 */
extern void tcls_team_segment_create(TclsTeamSegment *out, int64 job, const TclsModel *model,
									 const TclsJobOptions *options, int32 num_labels);

/* Join as a helper; false when the leader is gone. */
extern bool tcls_team_segment_attach(TclsTeamSegment *out, dsm_handle handle, int32 rank);

/* Give the segment back, if this process has one. */
extern void tcls_team_segment_leave(void);

/* A helper's error: the leader will raise it. */
extern void tcls_team_segment_fail(TclsTeamSegment *segment, const ErrorData *error);

/* A helper whose leader or fellow is gone ends here. */
extern void tcls_team_segment_poll(const TclsTeamSegment *segment);

#endif							/* TEXTCLS_TEAM_SEGMENT_H */
