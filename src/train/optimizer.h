/*
 * optimizer.h
 *		AdamW over all parameters of a model that are not frozen.
 *
 * A step:	touch (catch up with the rows of the batch) -> forward, backward -> squares -> step
 *
 * Rows of the word embedding that no batch touches lag behind until they are settled: before the
 * weights are used for anything but a step, and after every TCLS_SETTLE_STEPS steps.
 */
#ifndef TEXTCLS_OPTIMIZER_H
#define TEXTCLS_OPTIMIZER_H

#include "encoder/weights.h"
#include "train/adamw.h"
#include "train/lazy_rows.h"
#include "train/schedule.h"

/* Steps that a row misses at most. */
#define TCLS_SETTLE_STEPS 256

typedef struct TclsOptimizer
{
	const TclsParameterPlan *plan;
	float	   *weights;		/* (plan.total), as the next three */
	float	   *gradient;		/* of a step so far; zero between steps */
	float	   *moment1;
	float	   *moment2;
	TclsLazyRows *lazy;			/* the word embedding, or NULL: it is updated like all else, or frozen */
	TclsAdamW	adamw;
	TclsLearningRate rate;
	TclsLearningRate head_rate; /* of the parameters of head_layer */
	double		weight_decay;	/* of the parameters whose plan says so */
	int32_t		first_layer;	/* parameters of layers below are frozen */
	int32_t		head_layer;
	size_t		first;			/* the floats first..end of the blocks are this process's part, */
	size_t		end;			/* without lazy rows; of these it has its own */
	TclsHost   *host;
} TclsOptimizer;

/* Before step done + 1 reads and gives a gradient to the word embedding's rows ids (count) and no others. */
extern TclsStatus tcls_optimizer_touch(const TclsOptimizer *optimizer, const int32_t *ids, size_t count,
									   int64_t done);

/* Sum of squares of the gradient in its part, without frozen parameters; not finite if one element is not. */
extern TclsStatus tcls_optimizer_squares(double *squares, const TclsOptimizer *optimizer);

/* Step number, counted from 1: move weights and moments of its part by the scaled gradient, which becomes zero. */
extern TclsStatus tcls_optimizer_step(const TclsOptimizer *optimizer, int64_t number, double gradient_scale);

/* Bring each of its lazy rows to where the steps done take it. */
extern TclsStatus tcls_optimizer_settle(const TclsOptimizer *optimizer, int64_t done);

#endif							/* TEXTCLS_OPTIMIZER_H */
