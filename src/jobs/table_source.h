/*
 * table_source.h
 *		The rows of a relation as examples for the trainer, in flat memory.
 *
 *		relation --cursor--> spool (text, labels) --split, tokenizer--> tokens + index
 *
 * Spool, tokens and indexes are temporary files.  Reading needs a transaction
 * and ends with the spool; all that follows needs none.  Rows come in the order
 * of a hash of (text, label) that the seed names: the same rows give the same examples
 * wherever they lie in the table, and equal texts follow each other.
 */
#ifndef TEXTCLS_TABLE_SOURCE_H
#define TEXTCLS_TABLE_SOURCE_H

#include "storage/buffile.h"
#include "storage/fileset.h"
#include "utils/hsearch.h"

#include "jobs/job_options.h"
#include "jobs/relation.h"
#include "tokenizer/wordpiece_trainer.h"
#include "train/example.h"

#define TCLS_SOURCE_MAX_LABELS 10000
#define TCLS_SOURCE_MAX_LABEL_BYTES 255
#define TCLS_SOURCE_MIN_ROWS 10

typedef struct TclsTableSource TclsTableSource;

/* The examples of one side. */
typedef struct TclsTableSide
{
	TclsExampleSource source;
	TclsTableSource *table;
	BufFile    *index;			/* an IndexRow an example */
} TclsTableSide;

struct TclsTableSource
{
	MemoryContext context;
	const TclsRelation *relation;
	const TclsJobOptions *options;
	bool		multi_label;
	BufFile    *spool;
	BufFile    *tokens;
	int64		spool_rows;
	int64		bytes_read;		/* of texts */

	int64		rows_read;
	int64		rows_skipped;	/* text or label missing, no token, or on no side of the split column */
	int64		rows_truncated; /* more tokens than max_length */

	/* Labels in the order in which they appeared, UTF-8. */
	HTAB	   *label_table;
	char	  **labels;
	int64	   *label_rows;
	int32		num_labels;
	int32		label_capacity;
	int32	   *label_places;	/* place of each in the model's list, see tcls_table_source_order */

	int64		examples;		/* of both sides */
	int64		hash;			/* of all of them in order */
	TclsTableSide train;
	TclsTableSide validation;

	/* Of the example read last. */
	int32	   *ids;			/* (max_length) */
	int32	   *example_labels;
	float	   *multi;
	int32		max_length;
	int32		model_labels;
};

/* What another process needs to read the examples, apart from the files and the labels' places. */
typedef struct TclsSharedSource
{
	int64		train_rows;
	int64		validation_rows;
	int32		num_labels;
	int32		model_labels;
	int32		max_length;
	bool		multi_label;
} TclsSharedSource;

/* The files outlive the transaction when inter_transaction is true. */
extern TclsTableSource *tcls_table_source_create(const TclsRelation *relation, const TclsJobOptions *options,
												 bool inter_transaction, MemoryContext context);

/* Close the files; the memory goes with the context. */
extern void tcls_table_source_destroy(TclsTableSource *source);

/* Read all rows under the active snapshot, with the current user's rights and row security. */
extern void tcls_table_source_read(TclsTableSource *source);

/* Raise when the rows cannot be learnt from: too few, or a single class. */
extern void tcls_table_source_check(const TclsTableSource *source);

/* The texts of the training side into a vocabulary. */
extern void tcls_table_source_learn(TclsTableSource *source, TclsWordPieceTrainer *trainer, TclsHost *host);

/* All texts to tokens, dealt to the two sides. */
extern void tcls_table_source_tokenize(TclsTableSource *source, const TclsTokenizer *tokenizer, int32 max_length,
									   TclsHost *host);

/*
 * Give the labels their places in the model's list (UTF-8); false if a label of the rows is not in it.
 * From then on the sides can be read.
 */
extern bool tcls_table_source_order(TclsTableSource *source, char **labels, int32 num_labels);

/*
 * Copy the examples to files that other processes can open, and describe them.  Needs a transaction.  This process
 * keeps to its own files, since the server closes shared ones at the end of each transaction.
 */
extern void tcls_table_source_share(TclsSharedSource *shared, const TclsTableSource *source, FileSet *files);

/*
 * The examples of another process; places (num_labels) is borrowed.  Needs a resource owner; the end of a
 * transaction would close the files.
 */
extern TclsTableSource *tcls_table_source_attach(const TclsSharedSource *shared, int32 *places, FileSet *files,
												 MemoryContext context);

/* Training rows of each label of the model's list; an array of the current context. */
extern int64 *tcls_table_source_counts(TclsTableSource *source, int32 num_labels);

/* The labels sorted by their bytes; an array of the current context that borrows the names. */
extern char **tcls_table_source_sorted_labels(const TclsTableSource *source);

#endif							/* TEXTCLS_TABLE_SOURCE_H */
