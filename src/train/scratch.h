/*
 * scratch.h
 *		What a model without a base looks like, and how it is trained.
 */
#ifndef TEXTCLS_SCRATCH_H
#define TEXTCLS_SCRATCH_H

#include "model/model.h"
#include "tokenizer/wordpiece_trainer.h"
#include "train/train_options.h"

/* A small encoder learns in minutes what a pretrained one knows already. */
extern const TclsTrainOptions tcls_scratch_train_defaults;
extern const TclsVocabularyOptions tcls_scratch_vocabulary_defaults;

/* A small BERT without a head; vocab_size is that of the tokenizer. */
extern void tcls_scratch_config(TclsModelConfig *out, int32_t vocab_size);

#endif							/* TEXTCLS_SCRATCH_H */
