/*
 * trainer.h
 *		Supervised fine-tuning of a model on a source of examples.
 *
 * Calls out by four pointers only: the next example, progress, save, and where several
 * processes train together their meeting (exchange.h).  All state that decides what
 * comes next is in TclsTrainer.state, the blocks of weights, moments and best, and the steps of
 * the lazy rows, so that a trainer restored from them goes on to bit-identical weights.
 *
 * Reference: Hugging Face Trainer; AdamW (Loshchilov & Hutter 2019) as torch.optim.AdamW.
 */
#ifndef TEXTCLS_TRAINER_H
#define TEXTCLS_TRAINER_H

#include "base/arena.h"
#include "evaluate/metrics.h"
#include "model/model.h"
#include "train/batch.h"
#include "train/batcher.h"
#include "train/example.h"
#include "train/exchange.h"
#include "train/optimizer.h"
#include "train/train_options.h"

typedef struct TclsEvaluation
{
	double		loss;			/* mean over the rows, without class weights and smoothing */
	double		accuracy;		/* multi-label: rows with all labels right */
	double		macro_f1;
	int64_t		rows;
} TclsEvaluation;

/* Plain data without pointers: written into a checkpoint as it lies. */
typedef struct TclsTrainState
{
	int64_t		step;			/* steps done */
	int64_t		total_steps;
	int64_t		epoch;			/* epoch of the next step */
	int64_t		position;		/* batches done in it */
	double		loss;			/* running mean of the training loss since the last evaluation */
	int64_t		loss_steps;
	double		best_metric;
	int64_t		best_step;		/* 0: none yet */
	TclsEvaluation best;
	TclsEvaluation last;
	int32_t		evaluations_without_gain;
	int32_t		finished;		/* 1: no step is left (end or early stop) */
} TclsTrainState;

typedef struct TclsTrainer TclsTrainer;

typedef struct TclsTrainEvents
{
	/* After each step; evaluation is NULL unless one was just made.  learning_rate and loss of the step. */
	TclsStatus	(*progress) (void *context, const TclsTrainer *trainer, double loss, double learning_rate,
							 int64_t tokens, const TclsEvaluation *evaluation);
	/* At a place from which training can go on; the callee decides whether it is time to write. */
	TclsStatus	(*save) (void *context, const TclsTrainer *trainer, bool is_best);
	void	   *context;
	TclsExchange *exchange;		/* NULL: this process trains alone; else the weights are its first block */
} TclsTrainEvents;

struct TclsTrainer
{
	TclsModel  *model;			/* borrowed; its weights are trained in place */
	const TclsExampleSource *train;
	const TclsExampleSource *validation;	/* NULL or count 0: no evaluation, the last weights are the result */
	TclsTrainOptions options;
	TclsTrainEvents events;
	TclsTrainState state;
	float	   *gradient;		/* (plan.total); this and the next three belong to the exchange if there is one */
	float	   *moment1;		/* (plan.total) */
	float	   *moment2;		/* (plan.total) */
	float	   *best;			/* (plan.total) weights of the best evaluation */
	TclsWeights gradients;		/* pointers into gradient */
	TclsOptimizer optimizer;
	TclsLazyRows lazy;			/* of the optimizer; empty where it has none */
	void	   *packed;			/* the weights as evaluations and frozen layers use them, by tcls_trainer_pack */
	TclsInference inference;	/* pointers into packed */
	TclsBatcher batcher;
	TclsSubwords subwords;		/* empty without subword_dropout */
	int64_t    *indexes;		/* (batch_size) examples of the present step */
	TclsBatch	batch;			/* of the present step or of the evaluation */
	TclsArena	arena;
	TclsHost   *host;
};

/*
 * Allocates the four blocks; options are checked (TCLS_BAD_ARGUMENT names the culprit).
 * The events' functions may be NULL.
 */
extern TclsStatus tcls_trainer_create(TclsTrainer **out, TclsModel *model, const TclsExampleSource *train,
									  const TclsExampleSource *validation, const TclsTrainOptions *options,
									  const TclsTrainEvents *events, TclsHost *host);

/*
 * Train to the end.  To resume, fill state, weights, moments, best and the steps of the lazy rows first.
 * On return the model's weights are those of the best evaluation.
 * Loss, gradient or weights not finite: TCLS_DIVERGED.
 */
extern TclsStatus tcls_trainer_run(TclsTrainer *trainer);

/* Pack the model's present weights for inference in fp32. */
extern TclsStatus tcls_trainer_pack(TclsTrainer *trainer);

/*
 * Loss, accuracy and macro F1 of the model's present weights over a source with at least one row.  With an
 * exchange all ranks call it, each sees to a part of the rows, and all get the result.
 */
extern TclsStatus tcls_trainer_evaluate(TclsEvaluation *out, TclsTrainer *trainer, const TclsExampleSource *source);

/* The same, and into labels (num_labels) the metrics of each label. */
extern TclsStatus tcls_trainer_evaluate_labels(TclsEvaluation *out, TclsClassMetrics *labels, TclsTrainer *trainer,
											   const TclsExampleSource *source);

extern void tcls_trainer_destroy(TclsTrainer *trainer);

/* Bytes that training such a model takes in all ranks together, weights included, for admission. */
extern size_t tcls_trainer_bytes(const TclsConfig *config, const TclsParameterPlan *plan,
								 const TclsTrainOptions *options, int32_t max_length, int32_t ranks);

#endif							/* TEXTCLS_TRAINER_H */
