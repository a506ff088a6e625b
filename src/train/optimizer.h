/*
 * optimizer.h
 *		AdamW over all parameters of a model that are not frozen.
 */
#ifndef TEXTCLS_OPTIMIZER_H
#define TEXTCLS_OPTIMIZER_H

#include "encoder/weights.h"
#include "train/adamw.h"

typedef struct TclsOptimizer
{
	const TclsParameterPlan *plan;
	float	   *weights;		/* (plan.total), as the next three */
	float	   *gradient;		/* of a step so far; zero between steps */
	float	   *moment1;
	float	   *moment2;
	TclsAdamW	adamw;
	double		weight_decay;	/* of the parameters whose plan says so */
	int32_t		first_layer;	/* parameters of layers below are frozen */
	int32_t		head_layer;		/* has its own learning rate */
	size_t		first;			/* the floats first..end of the blocks are this process's part */
	size_t		end;
	TclsHost   *host;
} TclsOptimizer;

typedef struct TclsOptimizerStep
{
	int64_t		number;			/* counts from 1 */
	double		learning_rate;
	double		head_learning_rate;
	double		gradient_scale;
} TclsOptimizerStep;

/* Sum of squares of the gradient in its part, without frozen parameters; not finite if one element is not. */
extern TclsStatus tcls_optimizer_squares(double *squares, const TclsOptimizer *optimizer);

/* Move weights and moments of its part, clear their gradient. */
extern TclsStatus tcls_optimizer_step(const TclsOptimizer *optimizer, const TclsOptimizerStep *step);

#endif							/* TEXTCLS_OPTIMIZER_H */
