/*
 * sequences.c
 *		Whether a batch is one that the model can run.
 */
#include <string.h>

#include "encoder/sequences.h"
#include "base/pure_c.h"

TclsStatus
tcls_sequences_check(TclsExtent *extent, const TclsSequences *sequences, const TclsConfig *config, TclsHost *host)
{
	const int32_t *starts = sequences->starts;

	memset(extent, 0, sizeof(*extent));
	if (sequences->count < 1 || starts[0] != 0)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "a batch needs at least one text and begins at token 0");
	for (int32_t text = 0; text < sequences->count; text++)
	{
		int64_t		tokens = (int64_t) starts[text + 1] - starts[text];

		if (tokens < 1 || tokens > config->max_positions)
			return tcls_fail(host, TCLS_BAD_ARGUMENT, "text %d has %lld tokens, the model takes 1 to %d", text,
							 (long long) tokens, config->max_positions);
		if ((size_t) tokens > extent->longest)
			extent->longest = (size_t) tokens;
	}
	extent->texts = (size_t) sequences->count;
	extent->tokens = (size_t) starts[sequences->count];
	for (size_t t = 0; t < extent->tokens; t++)
		if (sequences->ids[t] < 0 || sequences->ids[t] >= config->vocab_size)
			return tcls_fail(host, TCLS_BAD_ARGUMENT, "token id %d is not in the vocabulary of %d", sequences->ids[t],
							 config->vocab_size);
	return TCLS_OK;
}
