/*
 * split.c
 *		Training and validation rows out of one stream.
 */
#include <math.h>

#include "train/split.h"
#include "base/pure_c.h"

struct TclsSplit
{
	int64_t    *train_left;		/* (quotas) rows that the training set still takes */
	bool	   *is_trained;		/* (classes) the class has a training row */
	bool		stratified;		/* a quota a class, else one for all */
	bool		has_previous;
	uint64_t	previous_hash;
	bool		previous_side;
};

static int64_t
validation_rows(int64_t rows, double fraction)
{
	int64_t		wanted = llround(fraction * (double) rows);

	if (fraction == 0 || rows < 2)
		return 0;
	if (wanted < 1)
		return 1;
	return wanted < rows ? wanted : rows - 1;
}

TclsStatus
tcls_split_create(TclsSplit **out, const int64_t *counts, int32_t classes, double fraction, bool stratified,
				  TclsHost *host)
{
	TclsSplit  *split;
	int32_t		quotas = stratified ? classes : 1;
	int64_t		rows = 0;

	if (!(fraction >= 0 && fraction < 1))
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "the fraction of validation rows must be at least 0 and below 1");
	TCLS_TRY(tcls_alloc_zero(&split, 1, sizeof(*split), host));
	TCLS_TRY(tcls_alloc(&split->train_left, (size_t) quotas, sizeof(int64_t), host));
	TCLS_TRY(tcls_alloc_zero(&split->is_trained, (size_t) classes, sizeof(bool), host));
	split->stratified = stratified;
	for (int32_t c = 0; c < classes; c++)
	{
		rows += counts[c];
		if (stratified)
			split->train_left[c] = counts[c] - validation_rows(counts[c], fraction);
	}
	if (!stratified)
		split->train_left[0] = rows - validation_rows(rows, fraction);
	*out = split;
	return TCLS_OK;
}

bool
tcls_split_next(TclsSplit *split, int32_t label, uint64_t text_hash)
{
	int64_t    *train_left = &split->train_left[split->stratified ? label : 0];
	bool		is_validation;

	if (split->has_previous && split->previous_hash == text_hash)
		is_validation = split->previous_side;
	else
		is_validation = *train_left <= 0 && split->is_trained[label];
	if (!is_validation)
	{
		(*train_left)--;
		split->is_trained[label] = true;
	}
	split->has_previous = true;
	split->previous_hash = text_hash;
	split->previous_side = is_validation;
	return is_validation;
}

void
tcls_split_destroy(TclsSplit *split, TclsHost *host)
{
	if (split == NULL)
		return;
	tcls_free(split->train_left, host);
	tcls_free(split->is_trained, host);
	tcls_free(split, host);
}
