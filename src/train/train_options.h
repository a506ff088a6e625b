/*
 * train_options.h
 *		How to train, in the words of Hugging Face's TrainingArguments.
 */
#ifndef TEXTCLS_TRAIN_OPTIONS_H
#define TEXTCLS_TRAIN_OPTIONS_H

#include <stdbool.h>

#include "base/host.h"
#include "train/schedule.h"

typedef enum TclsMetric
{
	TCLS_METRIC_MACRO_F1,
	TCLS_METRIC_ACCURACY,
	TCLS_METRIC_LOSS
} TclsMetric;

typedef struct TclsTrainOptions
{
	double		learning_rate;
	double		head_learning_rate; /* of a head that starts from scratch; 0: learning_rate */
	double		weight_decay;
	double		beta1;
	double		beta2;
	double		adam_epsilon;
	double		max_grad_norm;	/* 0: no clipping */
	double		warmup_ratio;
	double		num_train_epochs;	/* may be a fraction; 0: by the number of examples */
	int64_t		max_steps;		/* 0: by epochs */
	int32_t		batch_size;		/* texts a step */
	int32_t		max_batch_tokens;	/* a step's texts run in pieces of at most so many tokens */
	TclsSchedule lr_scheduler_type;
	float		label_smoothing;
	double		token_dropout;	/* of the tokens of a text are left out, others each time */
	double		subword_dropout;	/* of the tokens are written in shorter pieces, others each time */
	bool		dropout;
	bool		head_only;		/* all but the head is frozen */
	int32_t		early_stopping_patience;	/* evaluations without a better metric; 0: never */
	double		eval_every;		/* epochs between evaluations */
	TclsMetric	metric_for_best_model;
	const float *class_weights; /* (num_labels) or NULL */
	uint64_t	seed;
} TclsTrainOptions;

/* For fine-tuning a pretrained encoder: Hugging Face's defaults, with warm-up and evaluation each epoch. */
extern const TclsTrainOptions tcls_train_defaults;

/*
 * Epochs that suit a model without a base: few examples want more of them, 8 at
 * 8,000, in proportion to the square root, from 3 to 30.
 */
extern double tcls_train_epochs(int64_t examples);

/* TCLS_BAD_ARGUMENT names the option and its range. */
extern TclsStatus tcls_train_options_check(const TclsTrainOptions *options, int32_t num_labels, TclsHost *host);

#endif							/* TEXTCLS_TRAIN_OPTIONS_H */
