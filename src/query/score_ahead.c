/*
 * score_ahead.c
 *		Collect texts, each once, and run them by model.
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "bridge/host_pg.h"
#include "query/score_ahead.h"
#include "query/scoring.h"

#define MAX_WAITING_BYTES (256 * 1024)

typedef struct WaitingText
{
	const TclsResolvedName *name;
	TclsText	text;
	uint32		hash;
	int			wanted;
} WaitingText;

TclsAhead *
tcls_ahead_create(MemoryContext parent)
{
	TclsAhead  *ahead = MemoryContextAllocZero(parent, sizeof(TclsAhead));

	ahead->memory = AllocSetContextCreate(parent, "textcls texts", ALLOCSET_DEFAULT_SIZES);
	ahead->memo = tcls_memo_create(parent);
	return ahead;
}

/* The place of a text that waits already, or NULL. */
static WaitingText *
find_waiting(const TclsAhead *ahead, const WaitingText *text)
{
	ListCell   *cell;

	foreach(cell, ahead->waiting)
	{
		WaitingText *other = lfirst(cell);

		if (other->hash == text->hash && other->name == text->name && other->text.size == text->text.size &&
			memcmp(other->text.data, text->text.data, text->text.size) == 0)
			return other;
	}
	return NULL;
}

static void
add_waiting(TclsAhead *ahead, const WaitingText *text)
{
	WaitingText *waiting = find_waiting(ahead, text);

	if (waiting != NULL)
	{
		waiting->wanted |= text->wanted;
		return;
	}
	waiting = palloc(sizeof(WaitingText));
	*waiting = *text;
	ahead->waiting = lappend(ahead->waiting, waiting);
	ahead->bytes += text->text.size;
}

/*
 * What the memo has no room for, what no call has resolved yet and what has no equivalent in UTF-8 is left
 * to the call, which raises what there is to raise.
 */
void
tcls_ahead_add(TclsAhead *ahead, int wanted, const char *name, Datum value)
{
	WaitingText text = {.wanted = wanted};
	MemoryContext old;

	text.name = tcls_memo_resolved(name);
	if (text.name == NULL || tcls_memo_size(ahead->memo) > work_mem * (Size) 1024)
		return;
	old = MemoryContextSwitchTo(ahead->memory);
	if (tcls_scoring_try_text(&text.text, value))
	{
		text.hash = hash_bytes((const unsigned char *) text.text.data, (int) text.text.size);
		add_waiting(ahead, &text);
	}
	MemoryContextSwitchTo(old);
	if (ahead->bytes > MAX_WAITING_BYTES)
		tcls_ahead_run(ahead);
}

static bool
can_serve(const TclsScoring *scoring, int wanted)
{
	return tcls_scoring_is_encoder(scoring) &&
		((wanted & TCLS_WANT_PROBABILITIES) == 0 || tcls_classifier_columns(scoring->model) > 0);
}

static bool
is_finite(const float *values, Size count)
{
	for (Size i = 0; values != NULL && i < count; i++)
		if (!isfinite(values[i]))
			return false;
	return true;
}

/* Put the results into the memo; not those that the call has to complain of. */
static void
keep_results(TclsAhead *ahead, const TclsPrepared *model, const TclsText *texts, int count, const TclsPredictions *out)
{
	Size		columns = tcls_classifier_columns(model);
	Size		hidden = model->config.numbers.hidden_size;
	TclsPredictions row = *out;

	for (int i = 0; i < count; i++)
	{
		if (is_finite(row.probabilities, columns) && is_finite(row.embeddings, hidden))
			tcls_memo_put(ahead->memo, model, &texts[i], &row);
		ahead->counts.tokens += *row.n_tokens;
		row.probabilities += row.probabilities != NULL ? columns : 0;
		row.embeddings += row.embeddings != NULL ? hidden : 0;
		row.n_tokens++;
		row.is_truncated++;
	}
	ahead->counts.texts += count;
	ahead->counts.batches++;
}

static float *
alloc_floats(Size rows, Size columns)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, mul_size(mul_size(rows, Max(columns, 1)), sizeof(float)));
}

/* Run the texts; where that fails, the memo stays without them. */
static void
compute(TclsAhead *ahead, const TclsScoring *scoring, int wanted, const TclsText *texts, int count)
{
	const TclsPrepared *model = scoring->model;
	TclsPredictions out = {0};

	if (wanted & TCLS_WANT_PROBABILITIES)
		out.probabilities = alloc_floats(count, tcls_classifier_columns(model));
	if (wanted & TCLS_WANT_EMBEDDING)
		out.embeddings = alloc_floats(count, model->config.numbers.hidden_size);
	out.n_tokens = palloc_array(int32, count);
	out.is_truncated = palloc_array(bool, count);
	if (tcls_classifier_predict(&out, model, texts, count, 0, 0, scoring->host) == TCLS_OK)
		keep_results(ahead, model, texts, count, &out);
}

/* The texts of one model that want exactly this. */
static void
run_texts(TclsAhead *ahead, const TclsScoring *scoring, const TclsResolvedName *name, int wanted)
{
	TclsText   *texts = palloc_array(TclsText, list_length(ahead->waiting));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, ahead->waiting)
	{
		const WaitingText *waiting = lfirst(cell);

		if (waiting->name == name && waiting->wanted == wanted &&
			!tcls_memo_has(ahead->memo, scoring->model, &waiting->text, wanted))
			texts[count++] = waiting->text;
	}
	if (count > 0 && can_serve(scoring, wanted))
		compute(ahead, scoring, wanted, texts, count);
}

static void
run_model(TclsAhead *ahead, const TclsResolvedName *name)
{
	TclsScoring scoring;

	tcls_scoring_begin(&scoring, name->name, 0, InvalidOid);
	for (int wanted = 1; wanted <= (TCLS_WANT_PROBABILITIES | TCLS_WANT_EMBEDDING); wanted++)
		run_texts(ahead, &scoring, name, wanted);
	tcls_scoring_end(&scoring);
}

void
tcls_ahead_run(TclsAhead *ahead)
{
	List	   *names = NIL;
	instr_time	start;
	instr_time	duration;
	ListCell   *cell;

	INSTR_TIME_SET_CURRENT(start);
	foreach(cell, ahead->waiting)
		names = list_append_unique_ptr(names, (void *) ((const WaitingText *) lfirst(cell))->name);
	foreach(cell, names)
		run_model(ahead, lfirst(cell));
	list_free(names);
	ahead->waiting = NIL;
	ahead->bytes = 0;
	MemoryContextReset(ahead->memory);
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	ahead->counts.microseconds += INSTR_TIME_GET_MICROSEC(duration);
}
