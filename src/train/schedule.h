/*
 * schedule.h
 *		The learning rate of each step as a multiple of the peak.
 *
 * Reference: transformers/optimization.py, get_linear_schedule_with_warmup and
 * its cosine and constant siblings; warm-up steps as TrainingArguments count them.
 */
#ifndef TEXTCLS_SCHEDULE_H
#define TEXTCLS_SCHEDULE_H

#include <stdint.h>

typedef enum TclsSchedule
{
	TCLS_LINEAR,
	TCLS_COSINE,
	TCLS_CONSTANT				/* after the warm-up */
} TclsSchedule;

/* ceil(total_steps * warmup_ratio) */
extern int64_t tcls_schedule_warmup_steps(int64_t total_steps, double warmup_ratio);

/* Of step 0..total_steps-1, in [0, 1]; the first step of a warm-up has 0. */
extern double tcls_schedule_factor(TclsSchedule schedule, int64_t step, int64_t warmup_steps, int64_t total_steps);

/* The learning rate of every step of a training. */
typedef struct TclsLearningRate
{
	TclsSchedule schedule;
	int64_t		warmup_steps;
	int64_t		total_steps;
	double		peak;
} TclsLearningRate;

/* Of step 0..total_steps-1. */
extern double tcls_learning_rate(const TclsLearningRate *rate, int64_t step);

#endif							/* TEXTCLS_SCHEDULE_H */
