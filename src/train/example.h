/*
 * example.h
 *		Where tokenised, labelled texts come from.
 */
#ifndef TEXTCLS_EXAMPLE_H
#define TEXTCLS_EXAMPLE_H

#include "base/host.h"

typedef struct TclsExample
{
	const int32_t *ids;			/* borrowed until the next read */
	int32_t		n_tokens;
	int32_t		label;			/* single label and binary */
	const float *multi;			/* (K), multi-label; else NULL */
} TclsExample;

/* Random access, so that each epoch has its own order and memory stays flat. */
typedef struct TclsExampleSource
{
	int64_t		count;
	TclsStatus	(*read) (void *context, int64_t index, TclsExample *example);
	void	   *context;
} TclsExampleSource;

#endif							/* TEXTCLS_EXAMPLE_H */
