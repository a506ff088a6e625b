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
 * Reference: Loshchilov & Hutter 2019; torch/optim/adamw.py.
 */
#ifndef TEXTCLS_ADAMW_H
#define TEXTCLS_ADAMW_H

#include <stddef.h>
#include <stdint.h>

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

#endif							/* TEXTCLS_ADAMW_H */
