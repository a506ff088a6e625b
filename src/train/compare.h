/*
 * compare.h
 *		How a kernel's answers compare with those of fp32.
 */
#ifndef TEXTCLS_COMPARE_H
#define TEXTCLS_COMPARE_H

#include "train/trainer.h"

typedef struct TclsComparison
{
	int64_t		rows;
	int64_t		equal;			/* rows with the same answer: the label, or of multi-label all labels */
	int64_t		right;			/* rows that fp32 answers right */
	int64_t		kernel_right;	/* rows that the kernel answers right */
} TclsComparison;

/* The model's present weights over a source; by one rank alone. */
extern TclsStatus tcls_trainer_compare(TclsComparison *out, TclsTrainer *trainer, const TclsExampleSource *source,
									   const TclsPackedKernel *kernel);

#endif							/* TEXTCLS_COMPARE_H */
