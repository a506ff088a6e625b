/*
 * test_classifier.c
 *		Batches against single texts, limits, and errors that name the text.
 *
 * That the numbers themselves are right is test_import.c's business.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "classify/classifier.h"
#include "model_fixture.h"

#define TEXT_COUNT 300
#define HIDDEN 16

/* Texts of 0 to 60 words, in no order of length. */
static void
make_texts(TclsText *texts, int32_t count, UnitHost *unit)
{
	static const char *const words[] = {"the", "cat", "prize", "meeting", "noon", "zebra", "win", "!"};
	TclsRng		rng = {5};

	for (int32_t i = 0; i < count; i++)
	{
		TclsBytes	text = {0};

		for (uint64_t left = tcls_rng_next(&rng) % 61; left > 0; left--)
		{
			const char *word = words[tcls_rng_next(&rng) % 8];

			CHECK_OK(tcls_bytes_append(&text, word, strlen(word), &unit->host), &unit->host);
			CHECK_OK(tcls_bytes_append(&text, " ", 1, &unit->host), &unit->host);
		}
		texts[i] = (TclsText) {text.size > 0 ? text.data : "", text.size};
	}
}

/* Whatever the batch size, each text gets what it gets alone, at its own place. */
static void
batches_equal_single_texts(UnitHost *unit)
{
	static const char *const directories[] = {"bert_f32", "bert_multi", "distilbert"};
	static const int32_t budgets[] = {1, 64, 1000, 0};
	TclsText	texts[TEXT_COUNT];

	make_texts(texts, TEXT_COUNT, unit);
	for (int d = 0; d < 3; d++)
	{
		TclsPrepared model;
		int32_t		columns;
		float		single[TEXT_COUNT][4 + HIDDEN];
		float	   *probabilities;
		float	   *embeddings;

		fixture_prepare_model(&model, directories[d], &unit->host);
		columns = tcls_classifier_columns(&model);
		CHECK_OK(tcls_alloc(&probabilities, (size_t) (TEXT_COUNT * columns), sizeof(float), &unit->host), &unit->host);
		CHECK_OK(tcls_alloc(&embeddings, TEXT_COUNT * HIDDEN, sizeof(float), &unit->host), &unit->host);
		for (int i = 0; i < TEXT_COUNT; i++)
		{
			TclsPredictions one = {.probabilities = single[i], .embeddings = single[i] + 4};

			CHECK_OK(tcls_classifier_predict(&one, &model, &texts[i], 1, 0, 0, &unit->host), &unit->host);
		}
		for (int b = 0; b < 4; b++)
		{
			TclsPredictions all = {.probabilities = probabilities, .embeddings = embeddings};

			CHECK_OK(tcls_classifier_predict(&all, &model, texts, TEXT_COUNT, 0, budgets[b], &unit->host), &unit->host);
			for (int i = 0; i < TEXT_COUNT; i++)
			{
				for (int k = 0; k < columns; k++)
					CHECK_CLOSE(probabilities[i * columns + k], single[i][k], 1e-5);
				for (int k = 0; k < HIDDEN; k++)
					CHECK_CLOSE(embeddings[i * HIDDEN + k], single[i][4 + k], 1e-5 * fmax(1, fabs(single[i][4 + k])));
			}
		}
	}
}

static void
truncation_is_flagged_at_the_limit(UnitHost *unit)
{
	TclsPrepared model;
	const TclsText texts[] = {{"a b c d e", 9}, {"a b c d e f", 11}, {"a b c d e f g", 13}, {"", 0}};
	int32_t		n_tokens[4];
	bool		is_truncated[4];
	TclsPredictions out = {.n_tokens = n_tokens, .is_truncated = is_truncated};

	fixture_prepare_model(&model, "bert_f32", &unit->host);
	CHECK_OK(tcls_classifier_predict(&out, &model, texts, 4, 8, 0, &unit->host), &unit->host);
	CHECK(n_tokens[0] == 7 && !is_truncated[0]);
	CHECK(n_tokens[1] == 8 && !is_truncated[1]);
	CHECK(n_tokens[2] == 8 && is_truncated[2]);
	CHECK(n_tokens[3] == 2 && !is_truncated[3]);
}

/* Beyond the limit nothing of the text matters. */
static void
cut_text_equals_its_beginning(UnitHost *unit)
{
	TclsPrepared model;
	const TclsText texts[] = {{"a b c d e f", 11}, {"a b c d e f win a prize", 23}};
	float		probabilities[2][3];
	TclsPredictions out = {.probabilities = probabilities[0]};

	fixture_prepare_model(&model, "bert_f32", &unit->host);
	CHECK_OK(tcls_classifier_predict(&out, &model, texts, 2, 8, 0, &unit->host), &unit->host);
	for (int k = 0; k < 3; k++)
		CHECK_CLOSE(probabilities[0][k], probabilities[1][k], 1e-6);
	CHECK_CLOSE(probabilities[0][0] + probabilities[0][1] + probabilities[0][2], 1, 1e-5);
}

static void
binary_model_gives_both_labels(UnitHost *unit)
{
	TclsPrepared model;
	const TclsText text = {"win a prize now", 15};
	float		both[2];
	TclsPredictions out = {.probabilities = both};

	fixture_prepare_model(&model, "distilbert", &unit->host);
	model.config.numbers.problem = TCLS_BINARY;
	model.config.numbers.num_outputs = 1;
	model.inference.config = model.config.numbers;
	CHECK(tcls_classifier_columns(&model) == 2);
	CHECK_OK(tcls_classifier_predict(&out, &model, &text, 1, 0, 0, &unit->host), &unit->host);
	CHECK_CLOSE(both[0] + both[1], 1, 1e-6);
	CHECK(both[1] > 0 && both[1] < 1 && both[1] != 0.5f);
}

static void
embeddings_have_unit_length_where_the_model_says_so(UnitHost *unit)
{
	TclsPrepared model;
	const TclsText text = {"win a prize now", 15};
	float		embedding[HIDDEN];
	TclsPredictions out = {.embeddings = embedding};

	for (int normalizes = 0; normalizes < 2; normalizes++)
	{
		double		squares = 0;

		fixture_prepare_model(&model, "sentence", &unit->host);
		model.config.normalizes = normalizes;
		CHECK_OK(tcls_classifier_predict(&out, &model, &text, 1, 0, 0, &unit->host), &unit->host);
		for (int i = 0; i < HIDDEN; i++)
			squares += (double) embedding[i] * embedding[i];
		CHECK((fabs(squares - 1) < 1e-5) == normalizes);
	}
}

static void
errors_name_the_culprit(UnitHost *unit)
{
	TclsPrepared model;
	const TclsText texts[] = {{"fine", 4}, {"bad \xff", 5}, {"fine", 4}};
	float		numbers[3 * HIDDEN];
	TclsPredictions probabilities = {.probabilities = numbers};

	fixture_prepare_model(&model, "bert_f32", &unit->host);
	CHECK_STATUS(tcls_classifier_predict(&probabilities, &model, texts, 3, 0, 0, &unit->host), TCLS_BAD_TEXT,
				 &unit->host);
	CHECK(strncmp(unit->host.detail, "text 2: ", 8) == 0);
	CHECK_STATUS(tcls_classifier_predict(&probabilities, &model, texts + 1, 1, 0, 0, &unit->host), TCLS_BAD_TEXT,
				 &unit->host);
	CHECK(strncmp(unit->host.detail, "text", 4) != 0);
	CHECK_STATUS(tcls_classifier_predict(&probabilities, &model, texts, 1, 41, 0, &unit->host), TCLS_BAD_ARGUMENT,
				 &unit->host);
	CHECK_STATUS(tcls_classifier_predict(&probabilities, &model, texts, 1, 1, 0, &unit->host), TCLS_BAD_ARGUMENT,
				 &unit->host);
	fixture_prepare_model(&model, "bert_mlm", &unit->host);
	CHECK_STATUS(tcls_classifier_predict(&probabilities, &model, texts, 1, 0, 0, &unit->host), TCLS_BAD_ARGUMENT,
				 &unit->host);
}

/* More texts than a window, and no memory that stays. */
static void
windows_keep_order_and_memory(UnitHost *unit)
{
	enum
	{
		count = 9000
	};
	TclsPrepared model;
	TclsText   *texts;
	int32_t    *n_tokens;
	float	   *probabilities;
	float		alone[2][3];
	size_t		blocks;
	TclsPredictions out;

	fixture_prepare_model(&model, "bert_f32", &unit->host);
	CHECK_OK(tcls_alloc(&texts, count, sizeof(TclsText), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&n_tokens, count, sizeof(int32_t), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&probabilities, count * 3, sizeof(float), &unit->host), &unit->host);
	for (int i = 0; i < count; i++)
		texts[i] = i % 7 == 3 ? (TclsText) {"the prize", 9} : (TclsText) {"cat", 3};
	out = (TclsPredictions) {.probabilities = alone[0]};
	CHECK_OK(tcls_classifier_predict(&out, &model, &texts[0], 1, 0, 0, &unit->host), &unit->host);
	out.probabilities = alone[1];
	CHECK_OK(tcls_classifier_predict(&out, &model, &texts[3], 1, 0, 0, &unit->host), &unit->host);
	blocks = unit->live_blocks;
	out = (TclsPredictions) {.probabilities = probabilities, .n_tokens = n_tokens};
	CHECK_OK(tcls_classifier_predict(&out, &model, texts, count, 0, 0, &unit->host), &unit->host);
	CHECK(unit->live_blocks == blocks);
	for (int i = 0; i < count; i++)
	{
		CHECK(n_tokens[i] == (i % 7 == 3 ? 4 : 3));
		for (int k = 0; k < 3; k++)
			CHECK_CLOSE(probabilities[i * 3 + k], alone[i % 7 == 3][k], 1e-5);
	}
	CHECK_OK(tcls_classifier_predict(&out, &model, texts, 0, 0, 0, &unit->host), &unit->host);
}

static void
failures_and_cancels_are_passed_on(UnitHost *unit)
{
	TclsPrepared model;
	TclsText	texts[TEXT_COUNT];
	float		probabilities[TEXT_COUNT * 3];
	TclsPredictions out = {.probabilities = probabilities};
	TclsStatus	status = TCLS_CANCELLED;
	size_t		n;

	fixture_prepare_model(&model, "bert_f32", &unit->host);
	make_texts(texts, TEXT_COUNT, unit);
	for (n = 1; status != TCLS_OK; n += 29)
	{
		unit->cancel_at = unit->polls + n;
		status = tcls_classifier_predict(&out, &model, texts, TEXT_COUNT, 0, 0, &unit->host);
		CHECK(status == TCLS_OK || status == TCLS_CANCELLED);
	}
	CHECK(n > 20);
	unit->cancel_at = 0;
	status = TCLS_OUT_OF_MEMORY;
	for (n = 1; status != TCLS_OK; n++)
	{
		unit->fail_at = unit->allocations + n;
		status = tcls_classifier_predict(&out, &model, texts, TEXT_COUNT, 0, 0, &unit->host);
		if (status != TCLS_OK)
			CHECK_STATUS(status, TCLS_OUT_OF_MEMORY, &unit->host);
	}
	CHECK(n > 5);
}

int
main(void)
{
	RUN(batches_equal_single_texts);
	RUN(truncation_is_flagged_at_the_limit);
	RUN(cut_text_equals_its_beginning);
	RUN(binary_model_gives_both_labels);
	RUN(embeddings_have_unit_length_where_the_model_says_so);
	RUN(errors_name_the_culprit);
	RUN(windows_keep_order_and_memory);
	RUN(failures_and_cancels_are_passed_on);
	return unit_finish();
}
