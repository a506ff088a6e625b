/*
 * wordpiece_merge.c
 *		Merges with incremental counts.
 */
#include <string.h>

#include "tokenizer/wordpiece_merge.h"
#include "base/pure_c.h"

#define NO_NODE UINT32_MAX
#define POLL_WORDS 4096

typedef struct Pair
{
	int64_t		count;
	uint32_t	left;
	uint32_t	right;
	uint32_t	nodes;			/* list of the words that may hold it */
	uint32_t	touched;		/* the last merge that raised its count */
} Pair;

typedef struct Node
{
	uint32_t	word;
	uint32_t	next;
} Node;

typedef struct HeapEntry
{
	int64_t		count;			/* of the pair when it was put in */
	uint32_t	pair;
} HeapEntry;

typedef struct Merger
{
	TclsStringTable *tokens;
	uint32_t   *symbols;
	TclsSymbolWord *words;
	TclsStringTable keys;		/* (left, right) of each pair */
	TclsBytes	pairs;			/* Pair */
	TclsBytes	nodes;			/* Node */
	TclsBytes	heap;			/* HeapEntry */
	TclsBytes	raised;			/* uint32_t: pairs whose count the present merge raised */
	TclsBytes	text;			/* of the new token */
	uint32_t	free_nodes;
	uint32_t	merge;			/* number of the present merge, from 1 */
	TclsHost   *host;
} Merger;

static Pair *
pair_at(const Merger *merger, uint32_t index)
{
	return (Pair *) merger->pairs.data + index;
}

/* Whether a comes before b: the greater count, then the smaller pair. */
static bool
comes_first(const Merger *merger, const HeapEntry *a, const HeapEntry *b)
{
	const Pair *x = pair_at(merger, a->pair);
	const Pair *y = pair_at(merger, b->pair);

	if (a->count != b->count)
		return a->count > b->count;
	return x->left != y->left ? x->left < y->left : x->right < y->right;
}

static TclsStatus
heap_push(Merger *merger, uint32_t pair)
{
	HeapEntry	entry = {pair_at(merger, pair)->count, pair};
	HeapEntry  *heap;
	size_t		place = merger->heap.size / sizeof(entry);

	TCLS_TRY(tcls_bytes_append(&merger->heap, &entry, sizeof(entry), merger->host));
	heap = (HeapEntry *) merger->heap.data;
	while (place > 0 && comes_first(merger, &entry, &heap[(place - 1) / 2]))
	{
		heap[place] = heap[(place - 1) / 2];
		place = (place - 1) / 2;
	}
	heap[place] = entry;
	return TCLS_OK;
}

/* The first entry; false when there is none. */
static bool
heap_pop(HeapEntry *out, Merger *merger)
{
	HeapEntry  *heap = (HeapEntry *) merger->heap.data;
	size_t		count = merger->heap.size / sizeof(*heap);
	size_t		place = 0;
	HeapEntry	last;

	if (count == 0)
		return false;
	*out = heap[0];
	last = heap[--count];
	merger->heap.size -= sizeof(*heap);
	while (2 * place + 1 < count)
	{
		size_t		child = 2 * place + 1;

		if (child + 1 < count && comes_first(merger, &heap[child + 1], &heap[child]))
			child++;
		if (!comes_first(merger, &heap[child], &last))
			break;
		heap[place] = heap[child];
		place = child;
	}
	heap[place] = last;
	return true;
}

static TclsStatus
add_node(Merger *merger, Pair *pair, uint32_t word)
{
	Node	   *nodes = (Node *) merger->nodes.data;
	Node		node = {word, pair->nodes};
	uint32_t	place = merger->free_nodes;

	if (pair->nodes != NO_NODE && nodes[pair->nodes].word == word)
		return TCLS_OK;
	if (place != NO_NODE)
	{
		merger->free_nodes = nodes[place].next;
		nodes[place] = node;
	}
	else
	{
		place = (uint32_t) (merger->nodes.size / sizeof(node));
		TCLS_TRY(tcls_bytes_append(&merger->nodes, &node, sizeof(node), merger->host));
	}
	pair->nodes = place;
	return TCLS_OK;
}

/* Change the count of a pair by what its occurrence in a word adds or takes. */
static TclsStatus
count_pair(Merger *merger, uint32_t left, uint32_t right, int64_t change, uint32_t word)
{
	uint32_t	key[2] = {left, right};
	uint32_t	index;
	Pair	   *pair;

	TCLS_TRY(tcls_string_table_add(&index, &merger->keys, key, sizeof(key), merger->host));
	if (index == merger->pairs.size / sizeof(*pair))
	{
		Pair		fresh = {0, left, right, NO_NODE, 0};

		TCLS_TRY(tcls_bytes_append(&merger->pairs, &fresh, sizeof(fresh), merger->host));
	}
	pair = pair_at(merger, index);
	pair->count += change;
	if (change < 0)
		return TCLS_OK;
	if (pair->touched != merger->merge)
	{
		pair->touched = merger->merge;
		TCLS_TRY(tcls_bytes_append(&merger->raised, &index, sizeof(index), merger->host));
	}
	return add_node(merger, pair, word);
}

/* Put the pairs whose counts were raised into the heap. */
static TclsStatus
push_raised(Merger *merger)
{
	const uint32_t *raised = (const uint32_t *) merger->raised.data;
	size_t		count = merger->raised.size / sizeof(*raised);

	for (size_t i = 0; i < count; i++)
		if (pair_at(merger, raised[i])->count > 0)
			TCLS_TRY(heap_push(merger, raised[i]));
	merger->raised.size = 0;
	return TCLS_OK;
}

static TclsStatus
count_all(Merger *merger, uint32_t n_words)
{
	merger->merge = 1;
	for (uint32_t i = 0; i < n_words; i++)
	{
		const TclsSymbolWord *word = &merger->words[i];
		const uint32_t *symbols = merger->symbols + word->begin;

		if (i % POLL_WORDS == 0)
			TCLS_TRY(tcls_poll(merger->host));
		for (int32_t j = 0; j + 1 < word->count; j++)
			TCLS_TRY(count_pair(merger, symbols[j], symbols[j + 1], word->weight, i));
	}
	return push_raised(merger);
}

/* Replace left, right by token wherever they meet in the word. */
static TclsStatus
merge_in_word(Merger *merger, uint32_t index, uint32_t left, uint32_t right, uint32_t token)
{
	TclsSymbolWord *word = &merger->words[index];
	uint32_t   *symbols = merger->symbols + word->begin;
	int32_t		kept = 0;

	for (int32_t i = 0; i < word->count; i++)
	{
		if (symbols[i] != left || i + 1 == word->count || symbols[i + 1] != right)
		{
			symbols[kept++] = symbols[i];
			continue;
		}
		if (kept > 0)
		{
			TCLS_TRY(count_pair(merger, symbols[kept - 1], left, -word->weight, index));
			TCLS_TRY(count_pair(merger, symbols[kept - 1], token, word->weight, index));
		}
		i++;
		if (i + 1 < word->count)
		{
			TCLS_TRY(count_pair(merger, right, symbols[i + 1], -word->weight, index));
			TCLS_TRY(count_pair(merger, token, symbols[i + 1], word->weight, index));
		}
		symbols[kept++] = token;
	}
	word->count = kept;
	return TCLS_OK;
}

/* The token of two symbols: the second without its prefix. */
static TclsStatus
make_token(uint32_t *token, Merger *merger, const Pair *pair, const char *prefix)
{
	size_t		prefix_size = strlen(prefix);
	size_t		left_size;
	size_t		right_size;
	const char *left = tcls_string_table_get(&left_size, merger->tokens, pair->left);
	const char *right = tcls_string_table_get(&right_size, merger->tokens, pair->right);

	merger->text.size = 0;
	TCLS_TRY(tcls_bytes_append(&merger->text, left, left_size, merger->host));
	TCLS_TRY(tcls_bytes_append(&merger->text, right + prefix_size, right_size - prefix_size, merger->host));
	return tcls_string_table_add(token, merger->tokens, merger->text.data, merger->text.size, merger->host);
}

static TclsStatus
merge_pair(Merger *merger, uint32_t index, const char *prefix)
{
	Pair		pair = *pair_at(merger, index);
	uint32_t	token;
	uint32_t	visited = 0;

	merger->merge++;
	TCLS_TRY(make_token(&token, merger, &pair, prefix));
	pair_at(merger, index)->nodes = NO_NODE;
	while (pair.nodes != NO_NODE)
	{
		Node	   *nodes = (Node *) merger->nodes.data;
		Node		node = nodes[pair.nodes];

		nodes[pair.nodes].next = merger->free_nodes;
		merger->free_nodes = pair.nodes;
		pair.nodes = node.next;
		if (visited++ % POLL_WORDS == 0)
			TCLS_TRY(tcls_poll(merger->host));
		TCLS_TRY(merge_in_word(merger, node.word, pair.left, pair.right, token));
	}
	pair_at(merger, index)->count = 0;
	return push_raised(merger);
}

TclsStatus
tcls_wordpiece_merge(TclsStringTable *tokens, uint32_t *symbols, TclsSymbolWord *words, uint32_t n_words,
					 const char *prefix, int32_t vocab_size, int32_t min_frequency, TclsHost *host)
{
	Merger		merger = {.tokens = tokens, .symbols = symbols, .words = words, .free_nodes = NO_NODE, .host = host};
	HeapEntry	entry;

	TCLS_TRY(count_all(&merger, n_words));
	while (tokens->count < (uint32_t) vocab_size && heap_pop(&entry, &merger))
	{
		int64_t		count = pair_at(&merger, entry.pair)->count;

		if (count != entry.count)
		{
			if (count > 0)
				TCLS_TRY(heap_push(&merger, entry.pair));
			continue;
		}
		if (count < min_frequency)
			break;
		TCLS_TRY(merge_pair(&merger, entry.pair, prefix));
	}
	tcls_string_table_free(&merger.keys, host);
	tcls_free(merger.pairs.data, host);
	tcls_free(merger.nodes.data, host);
	tcls_free(merger.heap.data, host);
	tcls_free(merger.raised.data, host);
	tcls_free(merger.text.data, host);
	return TCLS_OK;
}
