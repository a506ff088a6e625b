/*
 * tally.c
 *		Labels and counts of an evaluation.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "api/tally.h"
#include "bridge/host_pg.h"

#define MAX_UNKNOWN_LABELS 1000
#define LABEL_THRESHOLD 0.5f	/* of each label of a multi-label model */

typedef struct LabelEntry
{
	const char *name;			/* the key: the string, not the pointer */
	int32		index;
} LabelEntry;

static uint32
hash_label(const void *key, Size size)
{
	const char *name = *(const char *const *) key;

	return hash_bytes((const unsigned char *) name, strlen(name));
}

static int
compare_label(const void *left, const void *right, Size size)
{
	return strcmp(*(const char *const *) left, *(const char *const *) right);
}

static int32
add_label(TclsTally *tally, const char *name)
{
	LabelEntry *entry;
	bool		found;

	entry = hash_search(tally->by_name, &name, HASH_ENTER, &found);
	if (!found)
	{
		entry->index = tally->num_labels;
		tally->labels[tally->num_labels++] = unconstify(char *, name);
	}
	return entry->index;
}

void
tcls_tally_create(TclsTally *tally, const TclsScoring *scoring)
{
	const TclsModelConfig *config = &scoring->model->config;
	HASHCTL		control = {0};

	memset(tally, 0, sizeof(*tally));
	tally->scoring = scoring;
	tally->memory = CurrentMemoryContext;
	tally->multi_label = config->numbers.problem == TCLS_MULTI_LABEL;
	tally->labels = palloc_array(char *, config->num_labels + MAX_UNKNOWN_LABELS);

	control.hcxt = tally->memory;
	control.keysize = sizeof(char *);
	control.entrysize = sizeof(LabelEntry);
	control.hash = hash_label;
	control.match = compare_label;
	tally->by_name = hash_create("labels", 64, &control, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	for (int32 i = 0; i < config->num_labels; i++)
		add_label(tally, config->labels[i]);
	tally->num_known = tally->num_labels;

	if (tally->multi_label)
	{
		tcls_host_check(tcls_multi_label_create(&tally->counts, tally->num_known + MAX_UNKNOWN_LABELS, scoring->host),
						scoring->host);
		tally->counts.labels = tally->num_known;
		return;
	}
	control.keysize = offsetof(TclsCell, rows);
	control.entrysize = sizeof(TclsCell);
	tally->cells = hash_create("confusion", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

int32
tcls_tally_label(TclsTally *tally, const char *name, size_t size)
{
	char	   *copy = MemoryContextStrdup(tally->memory, pnstrdup(name, size));
	LabelEntry *entry = hash_search(tally->by_name, &copy, HASH_FIND, NULL);

	if (entry != NULL)
	{
		pfree(copy);
		return entry->index;
	}
	if (tally->num_labels - tally->num_known >= MAX_UNKNOWN_LABELS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d labels of the table are unknown to model \"%s\"", MAX_UNKNOWN_LABELS,
						tally->scoring->version->model),
				 errhint("Check that the label column is the right one.")));
	add_label(tally, copy);
	if (tally->multi_label)
		tally->counts.labels = tally->num_labels;
	return tally->num_labels - 1;
}

/* A probability at which the logarithm is finite, as scikit-learn's log_loss clips it. */
static double
clip(double probability)
{
	return Max(DBL_EPSILON, Min(probability, 1 - DBL_EPSILON));
}

static void
add_one_label(TclsTally *tally, int32 expected, const float *probabilities)
{
	TclsCell	key = {0};
	TclsCell   *cell;
	bool		found;

	key.expected = expected;
	key.predicted = tcls_scoring_best(tally->scoring, probabilities);
	cell = hash_search(tally->cells, &key, HASH_ENTER, &found);
	cell->rows = found ? cell->rows + 1 : 1;
	if (expected < tally->num_known)
	{
		tally->loss -= log(clip(probabilities[expected]));
		tally->loss_rows++;
	}
}

/* The loss of a row is the mean binary cross entropy of the labels that the model knows. */
static void
add_many_labels(TclsTally *tally, const int32 *expected, int32 count, const float *probabilities)
{
	bool	   *is_expected = palloc0_array(bool, tally->num_labels + 1);
	bool	   *is_predicted = palloc0_array(bool, tally->num_labels + 1);
	double		loss = 0;

	for (int32 i = 0; i < count; i++)
		is_expected[expected[i]] = true;
	for (int32 i = 0; i < tally->num_known; i++)
	{
		is_predicted[i] = probabilities[i] >= LABEL_THRESHOLD;
		loss -= log(clip(is_expected[i] ? probabilities[i] : 1.0 - probabilities[i]));
	}
	tcls_multi_label_add(&tally->counts, is_expected, is_predicted);
	tally->loss += loss / tally->num_known;
	tally->loss_rows++;
	pfree(is_expected);
	pfree(is_predicted);
}

void
tcls_tally_add(TclsTally *tally, const int32 *expected, int32 count, const float *probabilities)
{
	if (tally->multi_label)
		add_many_labels(tally, expected, count, probabilities);
	else
		add_one_label(tally, expected[0], probabilities);
	tally->rows++;
}

static int
compare_cells(const void *left, const void *right)
{
	const TclsCell *a = *(TclsCell *const *) left;
	const TclsCell *b = *(TclsCell *const *) right;

	if (a->expected != b->expected)
		return a->expected < b->expected ? -1 : 1;
	return a->predicted < b->predicted ? -1 : a->predicted > b->predicted;
}

TclsCell **
tcls_tally_cells(const TclsTally *tally, int64 *count)
{
	HASH_SEQ_STATUS scan;
	TclsCell  **cells = palloc_array(TclsCell *, hash_get_num_entries(tally->cells) + 1);
	TclsCell   *cell;

	*count = 0;
	hash_seq_init(&scan, tally->cells);
	while ((cell = hash_seq_search(&scan)) != NULL)
		cells[(*count)++] = cell;
	qsort(cells, *count, sizeof(TclsCell *), compare_cells);
	return cells;
}

void
tcls_tally_confusion(TclsConfusion *out, const TclsTally *tally)
{
	int64		count;
	TclsCell  **cells = tcls_tally_cells(tally, &count);
	TclsHost   *host = tally->scoring->host;

	tcls_host_check(tcls_confusion_create(out, tally->num_labels, host), host);
	for (int64 i = 0; i < count; i++)
		out->counts[(size_t) cells[i]->expected * tally->num_labels + cells[i]->predicted] = cells[i]->rows;
}
