/*
 * job_options.h
 *		What finetune()'s options mean; one table in job_options.c says all of it.
 */
#ifndef TEXTCLS_JOB_OPTIONS_H
#define TEXTCLS_JOB_OPTIONS_H

#include "utils/jsonb.h"

#include "encoder/config.h"
#include "train/train_options.h"

#define TCLS_OPTION_UNSET (-1)	/* of fields whose default depends on the model or the data */

typedef enum TclsSplitKind
{
	TCLS_SPLIT_STRATIFIED,
	TCLS_SPLIT_RANDOM,
	TCLS_SPLIT_COLUMN,
	TCLS_SPLIT_NONE
} TclsSplitKind;

typedef enum TclsTrainPart
{
	TCLS_TRAIN_ALL,
	TCLS_TRAIN_HEAD
} TclsTrainPart;

typedef enum TclsSwitch
{
	TCLS_OFF,
	TCLS_ON,
	TCLS_AUTO
} TclsSwitch;

typedef struct TclsJobOptions
{
	TclsTrainOptions train;		/* class_weights is filled in when the labels are known */
	int32		eval_steps;		/* UNSET: each epoch */
	int32		max_length;		/* UNSET: the model's */
	int32		split;			/* TclsSplitKind */
	char	   *split_column;
	double		eval_fraction;
	int32		problem;		/* TclsProblem or UNSET */
	int32		part;			/* TclsTrainPart */
	int32		pooling;		/* TclsPooling or UNSET */
	int32		bf16;			/* TclsSwitch: mixed precision */
	double		dropout;		/* UNSET: the model's */
	int32		training_workers;	/* processes that compute */
	bool		balanced;		/* class weights from the counts */
	Jsonb	   *class_weights;	/* object of label and weight, or NULL */

	/* Of a model that is trained from scratch; UNSET: the defaults of the train room. */
	int32		vocab_size;
	int32		hidden_size;
	int32		num_hidden_layers;
	int32		num_attention_heads;
	int32		intermediate_size;
} TclsJobOptions;

/*
 * Parse and check; every ERROR names the option and the way out.  from_scratch
 * chooses the defaults, and whether the options of a new encoder are allowed.
 * Result in the current context.
 */
extern TclsJobOptions *tcls_job_options_parse(Jsonb *given, bool from_scratch);

/* All options with the values in effect, as the version keeps them. */
extern Jsonb *tcls_job_options_effective(const TclsJobOptions *options);

/*
 * (num_labels) weights as the options and the training rows of each label say;
 * NULL where all are equal.  Labels are in UTF-8.
 */
extern float *tcls_job_options_class_weights(const TclsJobOptions *options, char **labels, const int64 *counts,
											 int32 num_labels);

#endif							/* TEXTCLS_JOB_OPTIONS_H */
