/*
 * score_memo.c
 *		A hash table a memo, the list of all memos of the session, and the names that calls have resolved.
 *
 * The key holds the model by its address: the store keeps a model where it is for the rest of
 * the transaction at least, and a query ends before that.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/ilist.h"
#include "nodes/pg_list.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "query/score_memo.h"

#define FIRST_TEXTS 256

typedef struct MemoKey
{
	const TclsPrepared *model;
	TclsText	text;
} MemoKey;

typedef struct MemoEntry
{
	MemoKey		key;			/* the bytes lie in the memo */
	float	   *probabilities;	/* or NULL */
	float	   *embedding;		/* or NULL */
	int32		n_tokens;
	bool		is_truncated;
} MemoEntry;

struct TclsMemo
{
	dlist_node	node;
	MemoryContext memory;		/* holds the memo */
	MemoryContext results;		/* child of memory; NULL: there are none */
	HTAB	   *entries;		/* in results */
	MemoryContextCallback end;
};

static dlist_head memos = DLIST_STATIC_INIT(memos);

/* Of TclsResolvedName, in its own memory; gone with the last memo. */
static List *resolved_names;
static MemoryContext names_memory;

static void
unlink_memo(void *memo)
{
	dlist_delete(&((TclsMemo *) memo)->node);
	if (dlist_is_empty(&memos) && names_memory != NULL)
	{
		MemoryContextReset(names_memory);
		resolved_names = NIL;
	}
}

TclsMemo *
tcls_memo_create(MemoryContext parent)
{
	MemoryContext memory = AllocSetContextCreate(parent, "textcls memo", ALLOCSET_SMALL_SIZES);
	TclsMemo   *memo = MemoryContextAllocZero(memory, sizeof(TclsMemo));

	memo->memory = memory;
	memo->end.func = unlink_memo;
	memo->end.arg = memo;
	MemoryContextRegisterResetCallback(memory, &memo->end);
	dlist_push_head(&memos, &memo->node);
	return memo;
}

void
tcls_memo_clear(TclsMemo *memo)
{
	if (memo->results != NULL)
		MemoryContextDelete(memo->results);
	memo->results = NULL;
}

Size
tcls_memo_size(const TclsMemo *memo)
{
	return memo->results == NULL ? 0 : MemoryContextMemAllocated(memo->results, true);
}

static uint32
hash_key(const void *key, Size size)
{
	const MemoKey *k = key;

	return hash_combine(hash_bytes((const unsigned char *) k->text.data, (int) k->text.size),
						hash_bytes((const unsigned char *) &k->model, sizeof(k->model)));
}

/* Zero where equal. */
static int
match_keys(const void *left, const void *right, Size size)
{
	const MemoKey *a = left;
	const MemoKey *b = right;

	return a->model != b->model || a->text.size != b->text.size ||
		memcmp(a->text.data, b->text.data, a->text.size) != 0;
}

static void
create_entries(TclsMemo *memo)
{
	HASHCTL		control = {0};

	memo->results = AllocSetContextCreate(memo->memory, "textcls results", ALLOCSET_DEFAULT_SIZES);
	control.keysize = sizeof(MemoKey);
	control.entrysize = sizeof(MemoEntry);
	control.hash = hash_key;
	control.match = match_keys;
	control.hcxt = memo->results;
	memo->entries = hash_create("textcls texts", FIRST_TEXTS, &control,
								HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static const MemoEntry *
find_entry(const TclsMemo *memo, const TclsPrepared *model, const TclsText *text)
{
	MemoKey		key = {model, *text};

	return memo->results == NULL ? NULL : hash_search(memo->entries, &key, HASH_FIND, NULL);
}

bool
tcls_memo_has(const TclsMemo *memo, const TclsPrepared *model, const TclsText *text, int wanted)
{
	const MemoEntry *entry = find_entry(memo, model, text);

	return entry != NULL &&
		((wanted & TCLS_WANT_PROBABILITIES) == 0 || entry->probabilities != NULL) &&
		((wanted & TCLS_WANT_EMBEDDING) == 0 || entry->embedding != NULL);
}

static void
copy_result(const TclsPredictions *out, const MemoEntry *entry)
{
	const TclsModelConfig *config = &entry->key.model->config;

	if (out->probabilities != NULL)
		memcpy(out->probabilities, entry->probabilities,
			   sizeof(float) * tcls_classifier_columns(entry->key.model));
	if (out->embeddings != NULL)
		memcpy(out->embeddings, entry->embedding, sizeof(float) * config->numbers.hidden_size);
	if (out->n_tokens != NULL)
		*out->n_tokens = entry->n_tokens;
	if (out->is_truncated != NULL)
		*out->is_truncated = entry->is_truncated;
}

bool
tcls_memo_find(const TclsPredictions *out, const TclsPrepared *model, const TclsText *text)
{
	int			wanted = 0;
	dlist_iter	iter;

	if (out->probabilities != NULL)
		wanted |= TCLS_WANT_PROBABILITIES;
	if (out->embeddings != NULL)
		wanted |= TCLS_WANT_EMBEDDING;
	dlist_foreach(iter, &memos)
	{
		const TclsMemo *memo = dlist_container(TclsMemo, node, iter.cur);

		if (!tcls_memo_has(memo, model, text, wanted))
			continue;
		copy_result(out, find_entry(memo, model, text));
		return true;
	}
	return false;
}

static float *
keep_floats(TclsMemo *memo, const float *values, Size count)
{
	Size		size = Max(count, 1) * sizeof(float);

	return memcpy(MemoryContextAlloc(memo->results, size), values, count * sizeof(float));
}

void
tcls_memo_put(TclsMemo *memo, const TclsPrepared *model, const TclsText *text, const TclsPredictions *row)
{
	MemoKey		key = {model, *text};
	MemoEntry  *entry;
	bool		found;

	if (memo->results == NULL)
		create_entries(memo);
	entry = hash_search(memo->entries, &key, HASH_FIND, NULL);
	if (entry == NULL)
	{
		char	   *data = MemoryContextAlloc(memo->results, text->size + 1);

		key.text.data = memcpy(data, text->data, text->size);
		entry = hash_search(memo->entries, &key, HASH_ENTER, &found);
		entry->probabilities = NULL;
		entry->embedding = NULL;
	}
	if (row->probabilities != NULL)
		entry->probabilities = keep_floats(memo, row->probabilities, tcls_classifier_columns(model));
	if (row->embeddings != NULL)
		entry->embedding = keep_floats(memo, row->embeddings, model->config.numbers.hidden_size);
	entry->n_tokens = *row->n_tokens;
	entry->is_truncated = *row->is_truncated;
}

const TclsResolvedName *
tcls_memo_resolved(const char *name)
{
	ListCell   *cell;

	foreach(cell, resolved_names)
	{
		const TclsResolvedName *entry = lfirst(cell);

		if (name == NULL || entry->name == NULL ? name == entry->name : strcmp(name, entry->name) == 0)
			return entry;
	}
	return NULL;
}

bool
tcls_memo_any_resolved(void)
{
	return resolved_names != NIL;
}

void
tcls_memo_note_resolved(const char *name)
{
	MemoryContext old;
	TclsResolvedName *entry;

	if (dlist_is_empty(&memos) || tcls_memo_resolved(name) != NULL)
		return;
	if (names_memory == NULL)
		names_memory = AllocSetContextCreate(TopMemoryContext, "textcls names", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(names_memory);
	entry = palloc(sizeof(TclsResolvedName));
	entry->name = name == NULL ? NULL : pstrdup(name);
	resolved_names = lappend(resolved_names, entry);
	MemoryContextSwitchTo(old);
}
