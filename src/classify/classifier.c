/*
 * classifier.c
 *		Windows of texts: tokenise, sort by length, run in batches, put back in order.
 *
 * A window bounds the memory, whatever the number of texts.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "classify/classifier.h"
#include "encoder/network.h"
#include "base/pure_c.h"

#define WINDOW_TEXTS 4096
#define DEFAULT_BATCH_TOKENS 512	/* enough rows for full speed of the matrix product, few enough for the caches */
#define TEXTS_PER_POLL 16

/* Where a text's tokens lie in the window. */
typedef struct Span
{
	int32_t		text;			/* index within the window */
	int32_t		count;			/* tokens */
	size_t		start;			/* in tokens of the window */
} Span;

typedef struct Run
{
	const TclsPrepared *model;
	TclsHost   *host;
	TclsArena	arena;			/* scratch of one batch */
	TclsTokens	tokens;			/* of one text */
	TclsBytes	ids;			/* int32 of all texts of the window */
	Span	   *spans;			/* (WINDOW_TEXTS) */
	int32_t		max_length;
	int32_t		batch_tokens;
} Run;

int32_t
tcls_classifier_columns(const TclsPrepared *model)
{
	return model->config.num_labels;
}

/* Name the text, where the caller gave more than one. */
static TclsStatus
blame_text(TclsStatus status, int64_t index, int64_t count, TclsHost *host)
{
	char		detail[sizeof(host->detail)];

	if (status != TCLS_BAD_TEXT || count == 1)
		return status;
	memcpy(detail, host->detail, sizeof(detail));
	return tcls_fail(host, status, "text %lld: %s", (long long) index + 1, detail);
}

/* Tokenise texts first..first + count - 1 of total. */
static TclsStatus
encode_window(Run *run, const TclsPredictions *out, const TclsText *texts, int32_t first, int32_t count, int32_t total)
{
	TclsTokens *tokens = &run->tokens;

	run->ids.size = 0;
	for (int32_t i = 0; i < count; i++)
	{
		const TclsText *text = &texts[first + i];
		Span	   *span = &run->spans[i];

		if (i % TEXTS_PER_POLL == 0)
			TCLS_TRY(tcls_poll(run->host));
		TCLS_TRY(blame_text(tcls_tokenizer_encode(tokens, &run->model->tokenizer, text->data, text->size,
												  run->max_length, false, run->host), first + i, total, run->host));
		span->text = i;
		span->count = tokens->count;
		span->start = run->ids.size / sizeof(int32_t);
		TCLS_TRY(tcls_bytes_append(&run->ids, tokens->ids, (size_t) tokens->count * sizeof(int32_t), run->host));
		if (out->n_tokens != NULL)
			out->n_tokens[first + i] = tokens->count;
		if (out->is_truncated != NULL)
			out->is_truncated[first + i] = tokens->is_truncated;
	}
	return TCLS_OK;
}

/* Longest first, so that the arena has its full size after the first batch. */
static int
compare_spans(const void *left, const void *right)
{
	const Span *a = left;
	const Span *b = right;

	return a->count != b->count ? b->count - a->count : a->text - b->text;
}

/* The tokens of a batch end to end. */
static TclsStatus
gather_batch(TclsSequences *out, Run *run, const Span *spans, int32_t count)
{
	int32_t	   *starts;
	int32_t    *ids;
	int32_t		total = 0;

	TCLS_TRY(tcls_arena_alloc(&starts, (size_t) count + 1, sizeof(int32_t), &run->arena));
	for (int32_t i = 0; i < count; i++)
	{
		starts[i] = total;
		total += spans[i].count;
	}
	starts[count] = total;
	TCLS_TRY(tcls_arena_alloc(&ids, (size_t) total, sizeof(int32_t), &run->arena));
	for (int32_t i = 0; i < count; i++)
		memcpy(ids + starts[i], (const int32_t *) run->ids.data + spans[i].start,
			   (size_t) spans[i].count * sizeof(int32_t));
	out->ids = ids;
	out->starts = starts;
	out->count = count;
	return TCLS_OK;
}

static void
put_probabilities(float *out, const float *probabilities, const TclsConfig *numbers)
{
	if (numbers->problem == TCLS_BINARY)
	{
		out[0] = 1 - probabilities[0];
		out[1] = probabilities[0];
	}
	else
		memcpy(out, probabilities, (size_t) numbers->num_outputs * sizeof(float));
}

static void
put_embedding(float *out, const float *pooled, const TclsModelConfig *config)
{
	int32_t		size = config->numbers.hidden_size;
	double		squares = 0;
	float		scale = 1;

	for (int32_t i = 0; i < size; i++)
		squares += (double) pooled[i] * pooled[i];
	if (config->normalizes && squares > 0)
		scale = (float) (1 / sqrt(squares));
	for (int32_t i = 0; i < size; i++)
		out[i] = pooled[i] * scale;
}

static TclsStatus
run_batch(Run *run, const TclsPredictions *out, const Span *spans, int32_t count, int32_t first)
{
	const TclsModelConfig *config = &run->model->config;
	const TclsConfig *numbers = &config->numbers;
	size_t		columns = (size_t) config->num_labels;
	size_t		hidden = (size_t) numbers->hidden_size;
	size_t		outputs = (size_t) numbers->num_outputs;
	TclsSequences batch;
	float	   *logits = NULL;
	float	   *pooled = NULL;

	tcls_arena_reset(&run->arena);
	TCLS_TRY(gather_batch(&batch, run, spans, count));
	if (out->probabilities != NULL)
		TCLS_TRY(tcls_arena_alloc(&logits, (size_t) count * outputs, sizeof(float), &run->arena));
	if (out->embeddings != NULL)
		TCLS_TRY(tcls_arena_alloc(&pooled, (size_t) count * hidden, sizeof(float), &run->arena));
	TCLS_TRY(tcls_inference_forward(logits, pooled, &run->model->inference, &batch, &run->arena, run->host));
	if (logits != NULL)
		tcls_network_probabilities(logits, numbers, count);
	for (int32_t i = 0; i < count; i++)
	{
		size_t		row = (size_t) first + (size_t) spans[i].text;

		if (logits != NULL)
			put_probabilities(out->probabilities + row * columns, logits + (size_t) i * outputs, numbers);
		if (pooled != NULL)
			put_embedding(out->embeddings + row * hidden, pooled + (size_t) i * hidden, config);
	}
	return TCLS_OK;
}

/* How many texts from spans on make a batch: at least one. */
static int32_t
cut_batch(const Span *spans, int32_t count, int32_t batch_tokens)
{
	int64_t		tokens = spans[0].count;
	int32_t		taken = 1;

	while (taken < count && tokens + spans[taken].count <= batch_tokens)
		tokens += spans[taken++].count;
	return taken;
}

static TclsStatus
run_window(Run *run, const TclsPredictions *out, const TclsText *texts, int32_t first, int32_t count, int32_t total)
{
	int32_t		taken;

	TCLS_TRY(encode_window(run, out, texts, first, count, total));
	if (out->probabilities == NULL && out->embeddings == NULL)
		return TCLS_OK;
	qsort(run->spans, (size_t) count, sizeof(Span), compare_spans);
	for (int32_t done = 0; done < count; done += taken)
	{
		TCLS_TRY(tcls_poll(run->host));
		taken = cut_batch(run->spans + done, count - done, run->batch_tokens);
		TCLS_TRY(run_batch(run, out, run->spans + done, taken, first));
	}
	return TCLS_OK;
}

static TclsStatus
check_call(const TclsPredictions *out, const TclsPrepared *model, int32_t max_length, TclsHost *host)
{
	if (out->probabilities != NULL && model->config.numbers.head == TCLS_HEAD_NONE)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "the model is an encoder without labels and cannot classify");
	if (max_length < 2 || max_length > model->config.numbers.max_positions)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "max_length %d is not between 2 and the model's %d", max_length,
						 model->config.numbers.max_positions);
	return TCLS_OK;
}

TclsStatus
tcls_classifier_predict(const TclsPredictions *out, const TclsPrepared *model, const TclsText *texts, int32_t count,
						int32_t max_length, int32_t batch_tokens, TclsHost *host)
{
	Run			run = {.model = model, .host = host};
	int32_t		window = count < WINDOW_TEXTS ? count : WINDOW_TEXTS;

	run.max_length = max_length != 0 ? max_length : model->config.max_length;
	run.batch_tokens = batch_tokens != 0 ? batch_tokens : DEFAULT_BATCH_TOKENS;
	TCLS_TRY(check_call(out, model, run.max_length, host));
	tcls_arena_init(&run.arena, host);
	TCLS_TRY(tcls_alloc(&run.spans, (size_t) window, sizeof(Span), host));
	for (int32_t first = 0; first < count; first += window)
		TCLS_TRY(run_window(&run, out, texts, first, count - first < window ? count - first : window, count));
	tcls_free(run.spans, host);
	tcls_free(run.ids.data, host);
	tcls_free(run.tokens.ids, host);
	tcls_arena_free(&run.arena);
	return TCLS_OK;
}
