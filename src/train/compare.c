/*
 * compare.c
 *		Runs a kernel and fp32 side by side.
 */
#include "train/compare.h"
#include "base/pure_c.h"

/* Whether a label of a text is in the answer; a binary text has the one that number 0 says. */
static bool
answers(const float *logits, int32_t label, const TclsConfig *config)
{
	if (config->problem != TCLS_SINGLE_LABEL)
		return logits[label] >= 0;
	for (int32_t k = 0; k < config->num_outputs; k++)
		if (logits[k] > logits[label] || (logits[k] == logits[label] && k < label))
			return false;
	return true;
}

static bool
is_expected(const TclsTargets *targets, int32_t text, int32_t label, const TclsConfig *config)
{
	if (config->problem == TCLS_MULTI_LABEL)
		return targets->multi[(size_t) text * (size_t) config->num_outputs + (size_t) label] >= 0.5f;
	return config->problem == TCLS_BINARY ? targets->labels[text] == 1 : targets->labels[text] == label;
}

static void
count_text(TclsComparison *out, const float *plain, const float *other, const TclsTargets *targets, int32_t text,
		   const TclsConfig *config)
{
	bool		equal = true;
	bool		right = true;
	bool		other_right = true;

	for (int32_t label = 0; label < config->num_outputs; label++)
	{
		bool		expected = is_expected(targets, text, label, config);
		bool		said = answers(plain, label, config);
		bool		other_said = answers(other, label, config);

		equal = equal && said == other_said;
		right = right && said == expected;
		other_right = other_right && other_said == expected;
	}
	out->rows++;
	out->equal += equal;
	out->right += right;
	out->kernel_right += other_right;
}

static TclsStatus
compare_piece(TclsComparison *out, TclsTrainer *trainer, const TclsInference *other, const TclsPiece *piece)
{
	const TclsConfig *config = &trainer->model->config.numbers;
	size_t		outputs = (size_t) config->num_outputs;
	size_t		count = (size_t) piece->sequences.count * outputs;
	float	   *logits;

	tcls_arena_reset(&trainer->arena);
	TCLS_TRY(tcls_arena_alloc(&logits, 2 * count, sizeof(float), &trainer->arena));
	TCLS_TRY(tcls_inference_forward(logits, NULL, &trainer->inference, &piece->sequences, &trainer->arena,
									trainer->host));
	TCLS_TRY(tcls_inference_forward(logits + count, NULL, other, &piece->sequences, &trainer->arena, trainer->host));
	for (int32_t text = 0; text < piece->sequences.count; text++)
		count_text(out, logits + (size_t) text * outputs, logits + count + (size_t) text * outputs, &piece->targets,
				   text, config);
	return TCLS_OK;
}

static TclsStatus
compare_source(TclsComparison *out, TclsTrainer *trainer, const TclsInference *other,
			   const TclsExampleSource *source)
{
	TclsBatch  *batch = &trainer->batch;

	for (int64_t first = 0; first < source->count; first += batch->count)
	{
		int64_t		left = source->count - first;
		TclsPiece	piece;

		TCLS_TRY(tcls_batch_load(batch, source, NULL, first, left < batch->capacity ? (int32_t) left : batch->capacity,
								 NULL, trainer->host));
		for (int32_t text = 0; text < batch->count; text = piece.next)
		{
			TCLS_TRY(tcls_poll(trainer->host));
			piece = tcls_batch_piece(batch, text, trainer->options.max_batch_tokens);
			TCLS_TRY(compare_piece(out, trainer, other, &piece));
		}
	}
	return TCLS_OK;
}

TclsStatus
tcls_trainer_compare(TclsComparison *out, TclsTrainer *trainer, const TclsExampleSource *source,
					 const TclsPackedKernel *kernel)
{
	const TclsConfig *config = &trainer->model->config.numbers;
	TclsHost   *host = trainer->host;
	TclsInference other;
	void	   *block;

	*out = (TclsComparison) {.rows = 0};
	TCLS_TRY(tcls_trainer_pack(trainer));
	TCLS_TRY(tcls_alloc(&block, 1, tcls_inference_size(config, kernel), host));
	TCLS_TRY(tcls_inference_pack(block, &trainer->model->weights, config, kernel, host));
	TCLS_TRY(tcls_inference_bind(&other, block, config, kernel, host));
	TCLS_TRY(compare_source(out, trainer, &other, source));
	tcls_inference_free(&other, host);
	tcls_free(block, host);
	return TCLS_OK;
}
