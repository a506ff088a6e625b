/*
 * added_tokens.c
 *		Longest match by narrowing a range of sorted patterns byte by byte.
 */
#include <string.h>

#include "tokenizer/added_tokens.h"
#include "base/pure_c.h"

void
tcls_added_set_init(TclsAddedSet *set, const TclsTokenizerHeader *block, bool is_normalized)
{
	memset(set, 0, sizeof(*set));
	set->tokens = tcls_block_added(block) + (is_normalized ? block->raw_count : 0);
	set->count = is_normalized ? block->added_count - block->raw_count : block->raw_count;
	set->text = tcls_block_text(block);
	set->only_first = -1;
	for (uint32_t i = 0; i < set->count; i++)
	{
		int			first = (unsigned char) set->text[set->tokens[i].pattern_offset];

		set->only_first = i == 0 || set->only_first == first ? first : -1;
		set->firsts[first] = true;
		if (set->tokens[i].pattern_size > set->max_size)
			set->max_size = set->tokens[i].pattern_size;
	}
}

/* The first of the tokens [low, high), alike up to depth, whose byte there is at least value. */
static uint32_t
lower_bound(const TclsAddedSet *set, uint32_t low, uint32_t high, uint32_t depth, int value)
{
	while (low < high)
	{
		uint32_t	middle = low + (high - low) / 2;
		const TclsAddedToken *token = &set->tokens[middle];

		/* A pattern that has ended comes before all longer ones. */
		if (token->pattern_size <= depth || (unsigned char) set->text[token->pattern_offset + depth] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const TclsAddedToken *
tcls_added_set_match(const TclsAddedSet *set, const char *bytes, size_t size)
{
	const TclsAddedToken *longest = NULL;
	uint32_t	low = 0;
	uint32_t	high = set->count;

	for (uint32_t depth = 0; depth < size; depth++)
	{
		low = lower_bound(set, low, high, depth, (unsigned char) bytes[depth]);
		high = lower_bound(set, low, high, depth, (unsigned char) bytes[depth] + 1);
		if (low == high)
			break;
		if (set->tokens[low].pattern_size == depth + 1)
			longest = &set->tokens[low];
	}
	return longest;
}

size_t
tcls_added_set_candidate(const TclsAddedSet *set, const char *bytes, size_t position, size_t size)
{
	if (set->count == 0)
		return size;
	if (set->only_first >= 0)
	{
		const char *found = memchr(bytes + position, set->only_first, size - position);

		return found == NULL ? size : (size_t) (found - bytes);
	}
	while (position < size && !set->firsts[(unsigned char) bytes[position]])
		position++;
	return position;
}
