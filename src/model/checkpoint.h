/*
 * checkpoint.h
 *		The state of a training as one safetensors file: four blocks, steps of rows, plain bytes.
 */
#ifndef TEXTCLS_CHECKPOINT_H
#define TEXTCLS_CHECKPOINT_H

#include "base/host.h"

typedef struct TclsCheckpoint
{
	size_t		total;			/* floats of each block */
	float	   *weights;		/* (total) */
	float	   *moment1;		/* (total) */
	float	   *moment2;		/* (total) */
	float	   *best;			/* (total) */
	int64_t    *row_steps;		/* (rows) steps that each row of the word embedding has been through */
	size_t		rows;			/* 0: no rows lag behind */
	void	   *state;			/* (state_size) plain bytes of the trainer */
	size_t		state_size;
} TclsCheckpoint;

extern TclsStatus tcls_checkpoint_write(const TclsWriter *writer, const TclsCheckpoint *checkpoint, TclsHost *host);

/* Copies into the blocks given, whose sizes must be those of the file (else TCLS_BAD_FILE). */
extern TclsStatus tcls_checkpoint_read(const TclsCheckpoint *into, const void *data, size_t size, TclsHost *host);

#endif							/* TEXTCLS_CHECKPOINT_H */
