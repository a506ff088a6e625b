/*
 * adamw.h
 *		One step of AdamW over a run of parameters.
 *
 *		g  = gradient * gradient_scale
 *		w *= 1 - learning_rate * weight_decay
 *		m  = beta1 m + (1 - beta1) g
 *		v  = beta2 v + (1 - beta2) g^2
 *		w -= learning_rate / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + epsilon)
 *
 * Parameters whose gradient was 0 for some steps may be left alone and brought up to
 * date when they are needed: such a step s multiplies m by beta1, v by beta2 and w by its
 * keep, and m moves w on.  With j steps since the last gradient the move of step s is
 *
 *		m beta1^j / (sqrt(v beta2^j) + epsilon_s) * c_s,	c_s = learning_rate_s sqrt(1 - beta2^s) / (1 - beta1^s)
 *															epsilon_s = epsilon sqrt(1 - beta2^s)
 *	or	m / (sqrt(v) + epsilon_s / sqrt(beta2)^j) * c_s r^j,	r = beta1 / sqrt(beta2)
 *
 * With the mean of epsilon_s / sqrt(beta2)^j over the steps, each counted by its c_s r^j, in the place of each,
 * the moves of all missed steps are one number, the same for all elements, times m / (sqrt(v) + mean).  So
 * the result is AdamW's but for rounding, and for the moves of elements whose sqrt(v) is as small as
 * epsilon.  It needs beta1 < beta2, or the terms of the mean would not die out.
 *
 * References: Loshchilov & Hutter 2019; torch/optim/adamw.py.  Lazy updates in closed form:
 * Lipton & Elkan, Efficient Elastic Net Regularization for Sparse Linear Models, 2015.
 * torch.optim.SparseAdam and TensorFlow's LazyAdam drop the decay and the moves of missed steps, and
 * with them most of what AdamW does to a rare row: one gradient moves it by 1 / (1 - r) times its first step.
 */
#ifndef TEXTCLS_ADAMW_H
#define TEXTCLS_ADAMW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train/schedule.h"

typedef struct TclsAdamW
{
	double		beta1;
	double		beta2;
	double		epsilon;
} TclsAdamW;

/* The scalars of one step, the same for all parameters of a group. */
typedef struct TclsAdamWStep
{
	float		gradient_scale; /* of clipping */
	float		keep;			/* 1 - learning_rate * weight_decay */
	float		beta1;
	float		beta2;
	float		one_minus_beta1;
	float		one_minus_beta2;
	float		step_size;		/* learning_rate / (1 - beta1^step) */
	float		root_scale;		/* 1 / sqrt(1 - beta2^step) */
	float		epsilon;
} TclsAdamWStep;

/* step counts from 1. */
extern TclsAdamWStep tcls_adamw_prepare(const TclsAdamW *adamw, int64_t step, double learning_rate,
										double weight_decay, double gradient_scale);

/* The weights and both moments move on; the gradient is set to zero in the same pass. */
extern void tcls_adamw_update(float *weights, float *moment1, float *moment2, float *gradient, size_t count,
							  const TclsAdamWStep *step);

/* What some steps without a gradient do, the same for all parameters that missed as many. */
typedef struct TclsAdamWMissed
{
	double		keep;			/* product of the steps' keep */
	double		beta1;			/* beta1 to the power of the steps */
	double		beta2;
	double		move;			/* the steps' moves of a parameter with m / (sqrt(v) + epsilon) = 1 */
	double		epsilon;		/* their mean */
} TclsAdamWMissed;

/* May steps without a gradient be made up for? */
extern bool tcls_adamw_may_miss(const TclsAdamW *adamw);

/* missed[k], k = 0..most: of the last k of the steps 1..done; most <= done. */
extern void tcls_adamw_prepare_missed(TclsAdamWMissed *missed, const TclsAdamW *adamw, const TclsLearningRate *rate,
									  double weight_decay, int64_t done, int64_t most);

/* The weights and both moments through all the missed steps. */
extern void tcls_adamw_catch_up(float *weights, float *moment1, float *moment2, size_t count,
								const TclsAdamWMissed *missed);

#endif							/* TEXTCLS_ADAMW_H */
