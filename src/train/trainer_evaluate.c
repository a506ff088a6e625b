/*
 * trainer_evaluate.c
 *		Loss, accuracy and macro F1 of a model over a source.
 */
#include "evaluate/metrics.h"
#include "train/trainer.h"
#include "base/pure_c.h"

/* What an evaluation counts; only the part that fits the problem is used. */
typedef struct EvaluationCounts
{
	TclsConfusion confusion;
	TclsMultiLabelCounts multi;
	bool	   *expected;		/* (K) of one text */
	bool	   *predicted;		/* (K) */
	double		loss;
	double		weight;
} EvaluationCounts;

static TclsStatus
counts_create(EvaluationCounts *out, const TclsModelConfig *config, TclsHost *host)
{
	size_t		outputs = (size_t) config->numbers.num_outputs;

	*out = (EvaluationCounts) {.loss = 0};
	if (config->numbers.problem != TCLS_MULTI_LABEL)
		return tcls_confusion_create(&out->confusion, config->num_labels, host);
	TCLS_TRY(tcls_multi_label_create(&out->multi, config->numbers.num_outputs, host));
	TCLS_TRY(tcls_alloc(&out->expected, outputs, sizeof(bool), host));
	return tcls_alloc(&out->predicted, outputs, sizeof(bool), host);
}

static void
counts_destroy(EvaluationCounts *counts, TclsHost *host)
{
	tcls_confusion_destroy(&counts->confusion, host);
	tcls_multi_label_destroy(&counts->multi, host);
	tcls_free(counts->expected, host);
	tcls_free(counts->predicted, host);
}

/* The predicted label of one text's logits (K). */
static int32_t
decide(const float *logits, const TclsConfig *config)
{
	int32_t		best = 0;

	if (config->problem == TCLS_BINARY)
		return logits[0] >= 0;
	for (int32_t k = 1; k < config->num_outputs; k++)
		if (logits[k] > logits[best])
			best = k;
	return best;
}

static void
count_text(EvaluationCounts *counts, const float *logits, const TclsPiece *piece, int32_t text,
		   const TclsConfig *config)
{
	int32_t		outputs = config->num_outputs;

	if (config->problem != TCLS_MULTI_LABEL)
	{
		tcls_confusion_add(&counts->confusion, piece->targets.labels[text], decide(logits, config));
		return;
	}
	for (int32_t k = 0; k < outputs; k++)
	{
		counts->expected[k] = piece->targets.multi[(size_t) text * (size_t) outputs + (size_t) k] >= 0.5f;
		counts->predicted[k] = logits[k] >= 0;
	}
	tcls_multi_label_add(&counts->multi, counts->expected, counts->predicted);
}

static TclsStatus
evaluate_piece(EvaluationCounts *counts, TclsTrainer *trainer, const TclsPiece *piece)
{
	const TclsConfig *config = &trainer->model->config.numbers;
	size_t		outputs = (size_t) config->num_outputs;
	int32_t		texts = piece->sequences.count;
	double		loss;
	double		weight;
	float	   *logits;

	tcls_arena_reset(&trainer->arena);
	TCLS_TRY(tcls_arena_alloc(&logits, (size_t) texts * outputs, sizeof(float), &trainer->arena));
	TCLS_TRY(tcls_inference_forward(logits, NULL, &trainer->inference, &piece->sequences, &trainer->arena,
									trainer->host));
	TCLS_TRY(tcls_network_loss(&loss, &weight, logits, config, &piece->targets, texts, trainer->host));
	counts->loss += loss;
	counts->weight += weight;
	for (int32_t text = 0; text < texts; text++)
		count_text(counts, logits + (size_t) text * outputs, piece, text, config);
	return TCLS_OK;
}

/* The rows of this rank. */
static TclsStatus
evaluate_source(EvaluationCounts *counts, TclsTrainer *trainer, const TclsExampleSource *source)
{
	const TclsExchange *exchange = trainer->events.exchange;
	TclsBatch  *batch = &trainer->batch;
	int64_t		first = exchange == NULL ? 0 : source->count * exchange->rank / exchange->count;
	int64_t		end = exchange == NULL ? source->count : source->count * (exchange->rank + 1) / exchange->count;

	for (; first < end; first += batch->count)
	{
		int64_t		left = end - first;
		TclsPiece	piece;

		TCLS_TRY(tcls_batch_load(batch, source, NULL, first, left < batch->capacity ? (int32_t) left : batch->capacity,
								 NULL, trainer->host));
		for (int32_t text = 0; text < batch->count; text = piece.next)
		{
			TCLS_TRY(tcls_poll(trainer->host));
			piece = tcls_batch_piece(batch, text, trainer->options.max_batch_tokens);
			TCLS_TRY(evaluate_piece(counts, trainer, &piece));
		}
	}
	return TCLS_OK;
}

/* What all ranks have counted. */
static TclsStatus
combine_counts(EvaluationCounts *counts, const TclsModelConfig *config, TclsExchange *exchange)
{
	double		sums[2] = {counts->loss, counts->weight};
	size_t		labels = (size_t) config->num_labels;

	TCLS_TRY(tcls_exchange_sum(sums, 2, exchange));
	counts->loss = sums[0];
	counts->weight = sums[1];
	if (config->numbers.problem != TCLS_MULTI_LABEL)
		return tcls_exchange_sum_counts(counts->confusion.counts, labels * labels, exchange);
	TCLS_TRY(tcls_exchange_sum_counts(counts->multi.true_positive, labels, exchange));
	TCLS_TRY(tcls_exchange_sum_counts(counts->multi.false_positive, labels, exchange));
	TCLS_TRY(tcls_exchange_sum_counts(counts->multi.false_negative, labels, exchange));
	TCLS_TRY(tcls_exchange_sum_counts(&counts->multi.rows, 1, exchange));
	return tcls_exchange_sum_counts(&counts->multi.exact, 1, exchange);
}

static TclsStatus
summarize(TclsSummary *out, const EvaluationCounts *counts, const TclsConfig *config, TclsHost *host)
{
	return config->problem == TCLS_MULTI_LABEL ?
		tcls_multi_label_summary(out, &counts->multi, host) :
		tcls_confusion_summary(out, &counts->confusion, host);
}

static void
label_metrics(TclsClassMetrics *labels, const EvaluationCounts *counts, const TclsModelConfig *config)
{
	for (int32_t label = 0; label < config->num_labels; label++)
		labels[label] = config->numbers.problem == TCLS_MULTI_LABEL ?
			tcls_multi_label_class(&counts->multi, label) :
			tcls_confusion_class(&counts->confusion, label);
}

TclsStatus
tcls_trainer_evaluate_labels(TclsEvaluation *out, TclsClassMetrics *labels, TclsTrainer *trainer,
							 const TclsExampleSource *source)
{
	const TclsModelConfig *config = &trainer->model->config;
	EvaluationCounts counts;
	TclsSummary summary;

	TCLS_TRY(tcls_trainer_pack(trainer));
	TCLS_TRY(counts_create(&counts, config, trainer->host));
	TCLS_TRY(evaluate_source(&counts, trainer, source));
	if (trainer->events.exchange != NULL)
		TCLS_TRY(combine_counts(&counts, config, trainer->events.exchange));
	TCLS_TRY(summarize(&summary, &counts, &config->numbers, trainer->host));
	out->loss = counts.loss / counts.weight;
	out->accuracy = summary.accuracy;
	out->macro_f1 = summary.macro.f1;
	out->rows = summary.rows;
	if (labels != NULL)
		label_metrics(labels, &counts, config);
	counts_destroy(&counts, trainer->host);
	return TCLS_OK;
}

TclsStatus
tcls_trainer_evaluate(TclsEvaluation *out, TclsTrainer *trainer, const TclsExampleSource *source)
{
	return tcls_trainer_evaluate_labels(out, NULL, trainer, source);
}
