/*
 * structure.h
 *		From a base model, or none, to the model that is trained: encoder + head for the labels.
 */
#ifndef TEXTCLS_STRUCTURE_H
#define TEXTCLS_STRUCTURE_H

#include "jobs/job_options.h"
#include "model/model.h"

typedef struct TclsStructure
{
	TclsProblem problem;
	char	  **labels;			/* (num_labels) UTF-8, sorted by bytes */
	int32		num_labels;
} TclsStructure;

/*
 * Turn the base into the model to train.  It stays as it is, head and order of
 * its labels included, if it is a classifier for the same problem and labels;
 * else its encoder's weights get a new head.  Returns whether the head is new.
 */
extern bool tcls_structure_adjust(TclsModel *model, const TclsStructure *wanted, const TclsJobOptions *options,
								  TclsHost *host);

/* A fresh encoder and head for a new vocabulary. */
extern void tcls_structure_begin(TclsModel *model, const TclsTokenizer *tokenizer, const TclsStructure *wanted,
								 const TclsJobOptions *options, TclsHost *host);

/* Numbers of a fresh model whose vocabulary is full, before it exists. */
extern void tcls_structure_config(TclsModelConfig *config, int32 vocab_size, const TclsJobOptions *options);

/* Tokens that texts are cut to. */
extern int32 tcls_structure_max_length(const TclsModelConfig *config, const TclsJobOptions *options);

/* Raise unless training a model of these numbers fits into textcls.max_job_memory. */
extern void tcls_structure_admit(const TclsModelConfig *config, const TclsJobOptions *options, TclsHost *host);

#endif							/* TEXTCLS_STRUCTURE_H */
