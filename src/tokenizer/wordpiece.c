/*
 * wordpiece.c
 *		Greedy longest-match subword splitting.
 */
#include "tokenizer/wordpiece.h"
#include "base/pure_c.h"

/*
 * The longest token from character first on: its id, and the character behind
 * it in *end; -1 when there is none.  The hashes of all candidates come from one
 * pass over the word.
 */
static int32_t
longest_piece(int32_t *end, const TclsTokenizerHeader *block, const TclsWord *word, int32_t first)
{
	bool		is_continuing = first > 0;
	int32_t		from = is_continuing ? word->ends[first - 1] : 0;
	uint32_t	prefix_size = is_continuing ? block->prefix_size : 0;
	uint64_t	hash = is_continuing ? block->prefix_hash : TCLS_HASH_SEED;
	int32_t		previous = from;
	int32_t		last = first;

	while (last < word->count && (uint32_t) (word->ends[last] - from) + prefix_size <= block->max_token_size)
	{
		hash = tcls_vocabulary_hash(hash, word->bytes + previous, (size_t) (word->ends[last] - previous));
		word->hashes[last] = hash;
		previous = word->ends[last];
		last++;
	}
	for (; last > first; last--)
	{
		int32_t		id = tcls_vocabulary_find(block, word->hashes[last - 1], is_continuing,
											  word->bytes + from, (size_t) (word->ends[last - 1] - from));

		if (id >= 0)
		{
			*end = last;
			return id;
		}
	}
	return -1;
}

int32_t
tcls_wordpiece_split(int32_t *ids, int32_t *ends, const TclsTokenizerHeader *block, const TclsWord *word)
{
	int32_t		count = 0;
	int32_t		first = 0;

	while (first < word->count && !word->is_too_long)
	{
		int32_t		id = longest_piece(&first, block, word, first);

		if (id < 0)
			break;
		ids[count] = id;
		if (ends != NULL)
			ends[count] = first;
		count++;
	}
	if (first == word->count)
		return count;
	ids[0] = block->unknown_id;
	if (ends != NULL)
		ends[0] = word->count;
	return 1;
}
