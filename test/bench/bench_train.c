/*
 * bench_train.c
 *		What training from scratch reaches, and how fast, on one core.
 *
 *	bench_train TRAIN TEST [seed]
 *
 * Both files have a line "label<TAB>text" a text.  A tenth of TRAIN is the validation set.
 * The recipe is that of train/scratch.h.  Prints a line an evaluation and the accuracy and macro F1 on TEST.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "train/scratch.h"
#include "train/split.h"
#include "train/trainer.h"

#define MAX_LABELS 1000
#define VALIDATION_FRACTION 0.1
#define VOCABULARY_BYTES ((size_t) 64 << 20)

typedef struct Row
{
	char	   *text;
	int32_t    *ids;
	int32_t		n_tokens;
	int32_t		label;
} Row;

typedef struct Rows
{
	Row		   *items;
	int64_t		count;
} Rows;

typedef struct Labels
{
	char	   *names[MAX_LABELS];
	int32_t		count;
} Labels;

/* ---- the host ---- */

static void *
bench_alloc(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static void
bench_free(void *context, void *block)
{
	(void) context;
	free(block);
}

static TclsStatus
bench_poll(void *context)
{
	(void) context;
	return TCLS_OK;
}

static TclsHost host = {.alloc = bench_alloc, .free = bench_free, .poll = bench_poll};

static void
check(TclsStatus status)
{
	if (status == TCLS_OK)
		return;
	fprintf(stderr, "bench_train: %s: %s\n", tcls_status_name(status), host.detail);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* ---- rows ---- */

static int32_t
find_label(Labels *labels, const char *name)
{
	for (int32_t i = 0; i < labels->count; i++)
		if (strcmp(labels->names[i], name) == 0)
			return i;
	if (labels->count == MAX_LABELS)
	{
		fprintf(stderr, "bench_train: more than %d labels\n", MAX_LABELS);
		exit(1);
	}
	labels->names[labels->count] = strdup(name);
	return labels->count++;
}

static Rows
read_rows(const char *path, Labels *labels)
{
	FILE	   *file = fopen(path, "r");
	Rows		rows = {0};
	char	   *line = NULL;
	size_t		capacity = 0;

	if (file == NULL)
	{
		perror(path);
		exit(1);
	}
	while (getline(&line, &capacity, file) > 0)
	{
		char	   *tab = strchr(line, '\t');

		line[strcspn(line, "\n")] = '\0';
		if (tab == NULL)
			continue;
		*tab = '\0';
		rows.items = realloc(rows.items, (size_t) (rows.count + 1) * sizeof(Row));
		rows.items[rows.count++] = (Row) {.text = strdup(tab + 1), .label = find_label(labels, line)};
	}
	free(line);
	fclose(file);
	return rows;
}

/* The rows in a random order, as the server's hash order, and their validation part moved to *validation. */
static void
split_rows(Rows *train, Rows *validation, int32_t classes, uint64_t seed)
{
	int64_t    *counts = calloc((size_t) classes, sizeof(int64_t));
	Rows		kept = {.items = calloc((size_t) train->count, sizeof(Row))};
	TclsSplit  *split;

	*validation = (Rows) {.items = calloc((size_t) train->count, sizeof(Row))};
	for (int64_t i = 0; i < train->count; i++)
		counts[train->items[i].label]++;
	check(tcls_split_create(&split, counts, classes, VALIDATION_FRACTION, true, &host));
	for (int64_t i = 0; i < train->count; i++)
	{
		Row		   *row = &train->items[tcls_rng_permute((uint64_t) i, (uint64_t) train->count, seed)];
		Rows	   *side = tcls_split_next(split, row->label, (uint64_t) i) ? validation : &kept;

		side->items[side->count++] = *row;
	}
	tcls_split_destroy(split, &host);
	free(counts);
	free(train->items);
	*train = kept;
}

static TclsStatus
row_read(void *context, int64_t index, TclsExample *example)
{
	const Row  *row = &((Rows *) context)->items[index];

	*example = (TclsExample) {.ids = row->ids, .n_tokens = row->n_tokens, .label = row->label};
	return TCLS_OK;
}

static TclsExampleSource
source_of(Rows *rows)
{
	return (TclsExampleSource) {.count = rows->count, .read = row_read, .context = rows};
}

/* ---- the model ---- */

static TclsTokenizer
learn_vocabulary(const Rows *rows)
{
	TclsWordPieceTrainer *trainer;
	TclsTokenizer tokenizer;

	check(tcls_wordpiece_trainer_create(&trainer, &tcls_scratch_vocabulary_defaults, VOCABULARY_BYTES, &host));
	for (int64_t i = 0; i < rows->count; i++)
		check(tcls_wordpiece_trainer_add(trainer, rows->items[i].text, strlen(rows->items[i].text), &host));
	check(tcls_wordpiece_trainer_finish(&tokenizer, trainer, &host));
	tcls_wordpiece_trainer_destroy(trainer, &host);
	return tokenizer;
}

static int64_t
tokenize_rows(Rows *rows, const TclsTokenizer *tokenizer, int32_t max_length)
{
	TclsTokens	tokens = {0};
	int64_t		total = 0;

	for (int64_t i = 0; i < rows->count; i++)
	{
		Row		   *row = &rows->items[i];
		size_t		size;

		check(tcls_tokenizer_encode(&tokens, tokenizer, row->text, strlen(row->text), max_length, false, &host));
		size = (size_t) tokens.count * sizeof(int32_t);
		row->ids = memcpy(malloc(size), tokens.ids, size);
		row->n_tokens = tokens.count;
		total += tokens.count;
	}
	return total;
}

static void
create_model(TclsModel *model, const TclsTokenizer *tokenizer, int32_t classes, uint64_t seed)
{
	float	   *block;

	tcls_scratch_config(&model->config, tcls_tokenizer_vocabulary_size(tokenizer));
	model->config.numbers.head = TCLS_HEAD_LINEAR;
	model->config.numbers.problem = TCLS_SINGLE_LABEL;
	model->config.numbers.num_outputs = classes;
	model->config.num_labels = classes;
	model->tokenizer = *tokenizer;
	check(tcls_parameter_plan_create(&model->plan, &model->config.numbers, &host));
	check(tcls_alloc_zero(&block, model->plan.total, sizeof(float), &host));
	check(tcls_weights_bind(&model->weights, &model->config.numbers, &model->plan, block, &host));
	tcls_weights_initialize(block, &model->plan, 0, seed);
}

static TclsStatus
print_progress(void *context, const TclsTrainer *trainer, double loss, double learning_rate, int64_t tokens,
			   const TclsEvaluation *evaluation)
{
	const double *start = context;

	(void) loss;
	(void) learning_rate;
	(void) tokens;
	if (evaluation != NULL)
		printf("epoch %2lld  loss %.4f  validation loss %.4f  accuracy %.4f  macro F1 %.4f  %6.1f s\n",
			   (long long) trainer->state.epoch, trainer->state.loss, evaluation->loss, evaluation->accuracy,
			   evaluation->macro_f1, now() - *start);
	fflush(stdout);
	return TCLS_OK;
}

int
main(int argc, char **argv)
{
	double		start = now();
	Labels		labels = {.count = 0};
	TclsTrainOptions options = tcls_scratch_train_defaults;
	TclsTrainEvents events = {.progress = print_progress, .context = &start};
	TclsModel	model = {.plan = {.count = 0}};
	TclsTokenizer tokenizer;
	TclsEvaluation result;
	TclsTrainer *trainer;
	Rows		train;
	Rows		validation;
	Rows		test;

	if (argc < 3)
	{
		fprintf(stderr, "usage: bench_train TRAIN TEST [seed]\n");
		return 2;
	}
	if (argc > 3)
		options.seed = strtoull(argv[3], NULL, 10);
	train = read_rows(argv[1], &labels);
	test = read_rows(argv[2], &labels);
	split_rows(&train, &validation, labels.count, options.seed);
	tokenizer = learn_vocabulary(&train);
	create_model(&model, &tokenizer, labels.count, options.seed);
	printf("%lld training rows, %lld tokens, %lld validation rows, %lld test rows, %d labels\n",
		   (long long) train.count, (long long) tokenize_rows(&train, &tokenizer, model.config.max_length),
		   (long long) validation.count, (long long) test.count, labels.count);
	tokenize_rows(&validation, &tokenizer, model.config.max_length);
	tokenize_rows(&test, &tokenizer, model.config.max_length);
	printf("vocabulary %d, %zu parameters, %.1f s\n", model.config.numbers.vocab_size, model.plan.parameters,
		   now() - start);
	{
		TclsExampleSource train_source = source_of(&train);
		TclsExampleSource validation_source = source_of(&validation);
		TclsExampleSource test_source = source_of(&test);

		check(tcls_trainer_create(&trainer, &model, &train_source, &validation_source, &options, &events, &host));
		check(tcls_trainer_run(trainer));
		check(tcls_trainer_evaluate(&result, trainer, &test_source));
	}
	printf("test accuracy %.4f  macro F1 %.4f  loss %.4f  %.1f s\n", result.accuracy, result.macro_f1, result.loss,
		   now() - start);
	return 0;
}
