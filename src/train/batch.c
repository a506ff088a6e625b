/*
 * batch.c
 *		The texts and targets of one step.
 */
#include <string.h>

#include "base/rng.h"
#include "train/batch.h"
#include "base/pure_c.h"

TclsStatus
tcls_batch_create(TclsBatch *out, int32_t capacity, const TclsConfig *config, int32_t num_labels, TclsHost *host)
{
	size_t		texts = (size_t) capacity;

	*out = (TclsBatch) {.capacity = capacity, .outputs = config->num_outputs, .num_labels = num_labels};
	TCLS_TRY(tcls_alloc_zero(&out->starts, texts + 1, sizeof(int32_t), host));
	TCLS_TRY(tcls_alloc(&out->piece_starts, texts + 1, sizeof(int32_t), host));
	if (config->problem == TCLS_MULTI_LABEL)
		return tcls_alloc(&out->multi, texts * (size_t) config->num_outputs, sizeof(float), host);
	return tcls_alloc(&out->labels, texts, sizeof(int32_t), host);
}

static TclsStatus
add_token(TclsBatch *batch, int32_t id, TclsHost *host)
{
	batch->starts[batch->count + 1]++;
	return tcls_bytes_append(&batch->ids, &id, sizeof(id), host);
}

static bool
has_room(const TclsBatch *batch, const TclsTokenNoise *noise)
{
	return batch->starts[batch->count + 1] - batch->starts[batch->count] < noise->max_tokens - 1;
}

/* The token, or its pieces. */
static TclsStatus
add_in_pieces(TclsBatch *batch, int32_t id, const TclsTokenNoise *noise, TclsRng *rng, TclsHost *host)
{
	const int32_t *starts = noise->subwords->starts;
	bool		is_known = id >= 0 && id < noise->subwords->vocabulary_size;

	if (!is_known || starts[id] == starts[id + 1] || tcls_rng_uniform(rng) >= noise->subword_dropout)
		return has_room(batch, noise) ? add_token(batch, id, host) : TCLS_OK;
	for (int32_t i = starts[id]; i < starts[id + 1]; i++)
		TCLS_TRY(add_in_pieces(batch, noise->subwords->pieces[i], noise, rng, host));
	return TCLS_OK;
}

static TclsStatus
add_noisy_tokens(TclsBatch *batch, const TclsExample *example, const TclsTokenNoise *noise, TclsHost *host)
{
	TclsRng		rng = {tcls_rng_mix(noise->key, (uint64_t) batch->count)};
	int32_t		last = example->n_tokens - 1;

	TCLS_TRY(add_token(batch, example->ids[0], host));
	for (int32_t t = 1; t < last; t++)
	{
		if (tcls_rng_uniform(&rng) < noise->token_dropout)
			continue;
		if (noise->subword_dropout > 0)
			TCLS_TRY(add_in_pieces(batch, example->ids[t], noise, &rng, host));
		else
			TCLS_TRY(add_token(batch, example->ids[t], host));
	}
	return last > 0 ? add_token(batch, example->ids[last], host) : TCLS_OK;
}

static TclsStatus
add_tokens(TclsBatch *batch, const TclsExample *example, const TclsTokenNoise *noise, TclsHost *host)
{
	batch->starts[batch->count + 1] = batch->starts[batch->count];
	if (noise != NULL && example->n_tokens > 0)
		return add_noisy_tokens(batch, example, noise, host);
	batch->starts[batch->count + 1] += example->n_tokens;
	return tcls_bytes_append(&batch->ids, example->ids, (size_t) example->n_tokens * sizeof(int32_t), host);
}

static TclsStatus
add_example(TclsBatch *batch, const TclsExample *example, int64_t index, const TclsTokenNoise *noise, TclsHost *host)
{
	size_t		outputs = (size_t) batch->outputs;

	if (batch->labels != NULL && (example->label < 0 || example->label >= batch->num_labels))
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "example %lld has label %d, but the model has %d labels",
						 (long long) index, example->label, batch->num_labels);
	if (batch->multi != NULL && example->multi == NULL)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "example %lld has no label vector", (long long) index);
	TCLS_TRY(add_tokens(batch, example, noise, host));
	if (batch->labels != NULL)
		batch->labels[batch->count] = example->label;
	else
		memcpy(batch->multi + (size_t) batch->count * outputs, example->multi, outputs * sizeof(float));
	batch->count++;
	return TCLS_OK;
}

TclsStatus
tcls_batch_load(TclsBatch *batch, const TclsExampleSource *source, const int64_t *indexes, int64_t first,
				int32_t count, const TclsTokenNoise *noise, TclsHost *host)
{
	batch->count = 0;
	batch->ids.size = 0;
	for (int32_t i = 0; i < count; i++)
	{
		int64_t		index = indexes == NULL ? first + i : indexes[i];
		TclsExample example;

		TCLS_TRY(source->read(source->context, index, &example));
		TCLS_TRY(add_example(batch, &example, index, noise, host));
	}
	return TCLS_OK;
}

void
tcls_batch_keep(TclsBatch *batch, const int32_t *owners, int32_t owner)
{
	int32_t    *ids = (int32_t *) (void *) batch->ids.data;
	size_t		outputs = (size_t) batch->outputs;
	int32_t		kept = 0;

	for (int32_t text = 0; text < batch->count; text++)
	{
		int32_t		start = batch->starts[text];
		int32_t		tokens = batch->starts[text + 1] - start;

		if (owners[text] != owner)
			continue;
		/* starts[kept + 1] lies at or before starts[text + 1], which has been read. */
		memmove(ids + batch->starts[kept], ids + start, (size_t) tokens * sizeof(int32_t));
		if (batch->labels != NULL)
			batch->labels[kept] = batch->labels[text];
		else
			memmove(batch->multi + (size_t) kept * outputs, batch->multi + (size_t) text * outputs,
					outputs * sizeof(float));
		kept++;
		batch->starts[kept] = batch->starts[kept - 1] + tokens;
	}
	batch->count = kept;
}

int64_t
tcls_batch_tokens(const TclsBatch *batch)
{
	return batch->starts[batch->count];
}

const int32_t *
tcls_batch_ids(const TclsBatch *batch)
{
	return (const int32_t *) batch->ids.data;
}

TclsTargets
tcls_batch_targets(const TclsBatch *batch)
{
	return (TclsTargets) {.labels = batch->labels, .multi = batch->multi};
}

TclsPiece
tcls_batch_piece(TclsBatch *batch, int32_t first, int32_t max_tokens)
{
	TclsPiece	piece = {.targets = tcls_batch_targets(batch), .next = first};
	int32_t		origin = batch->starts[first];

	batch->piece_starts[0] = 0;
	do
	{
		piece.next++;
		batch->piece_starts[piece.next - first] = batch->starts[piece.next] - origin;
	} while (piece.next < batch->count && batch->starts[piece.next + 1] - origin <= max_tokens);
	piece.sequences.ids = tcls_batch_ids(batch) + origin;
	piece.sequences.starts = batch->piece_starts;
	piece.sequences.count = piece.next - first;
	if (batch->labels != NULL)
		piece.targets.labels += first;
	else
		piece.targets.multi += (size_t) first * (size_t) batch->outputs;
	return piece;
}

void
tcls_batch_destroy(TclsBatch *batch, TclsHost *host)
{
	tcls_free(batch->ids.data, host);
	tcls_free(batch->starts, host);
	tcls_free(batch->piece_starts, host);
	tcls_free(batch->labels, host);
	tcls_free(batch->multi, host);
}
