/*
 * test_wordpiece_trainer.c
 *		Learnt vocabularies: as good as Hugging Face's, the same every time, in bounded memory.
 */
#include <string.h>

#include "tokenizer/wordpiece_trainer.h"
#include "unit.h"

#define FOLDER "../data/tokenizer/"
#define AMPLE ((size_t) 64 << 20)

static TclsVocabularyOptions
options_for(int32_t vocab_size)
{
	TclsVocabularyOptions options = {vocab_size, 2, 100, {true, true, true, -1, 100}};

	return options;
}

/* Learn from the lines of the messages, the last line first if backwards. */
static TclsStatus
train(TclsTokenizer *out, const TclsVocabularyOptions *options, size_t max_bytes, bool backwards, UnitHost *unit)
{
	TclsWordPieceTrainer *trainer;
	TclsStatus	status;
	size_t		size;
	char	   *text = unit_read_file(FOLDER "train_messages.txt", &size);

	status = tcls_wordpiece_trainer_create(&trainer, options, max_bytes, &unit->host);
	for (size_t end = size; backwards && status == TCLS_OK && end > 0;)
	{
		size_t		begin = end;

		while (begin > 0 && text[begin - 1] != '\n')
			begin--;
		status = tcls_wordpiece_trainer_add(trainer, text + begin, end - begin, &unit->host);
		end = begin == 0 ? 0 : begin - 1;
	}
	if (!backwards && status == TCLS_OK)
		status = tcls_wordpiece_trainer_add(trainer, text, size, &unit->host);
	free(text);
	TCLS_TRY(status);
	TCLS_TRY(tcls_wordpiece_trainer_finish(out, trainer, &unit->host));
	tcls_wordpiece_trainer_destroy(trainer, &unit->host);
	return TCLS_OK;
}

/* Tokens of the held-out messages, without [CLS] and [SEP]. */
static int32_t
count_held(const TclsTokenizer *tokenizer, UnitHost *unit)
{
	TclsTokens	tokens = {0};
	size_t		size;
	char	   *text = unit_read_file(FOLDER "held_messages.txt", &size);
	int32_t		lines = 0;

	CHECK_OK(tcls_tokenizer_encode(&tokens, tokenizer, text, size, INT32_MAX, false, &unit->host), &unit->host);
	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	CHECK(lines == 80);
	free(text);
	return tokens.count - 2;
}

static void
as_good_as_reference(UnitHost *unit)
{
	size_t		size;
	char	   *lines = unit_read_file(FOLDER "trained.txt", &size);
	const char *line = lines;
	int			n_lines = 0;

	for (; *line != '\0'; line++, n_lines++)
	{
		TclsVocabularyOptions options = options_for((int32_t) strtol(line, (char **) &line, 10));
		long		vocabulary = strtol(line, (char **) &line, 10);
		long		wanted = strtol(line, (char **) &line, 10);
		TclsTokenizer tokenizer;

		CHECK_OK(train(&tokenizer, &options, AMPLE, false, unit), &unit->host);
		CHECK(tcls_tokenizer_vocabulary_size(&tokenizer) == vocabulary);
		CHECK_CLOSE(count_held(&tokenizer, unit) / (double) wanted, 1, 0.03);
	}
	CHECK(n_lines == 3);
	free(lines);
}

static void
special_tokens_come_first(UnitHost *unit)
{
	static const char *const names[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
	TclsVocabularyOptions options = options_for(300);
	TclsTokenizer tokenizer;

	CHECK_OK(train(&tokenizer, &options, AMPLE, false, unit), &unit->host);
	for (int32_t id = 0; id < 5; id++)
	{
		size_t		size;
		const char *token = tcls_tokenizer_token(&size, &tokenizer, id);

		CHECK(size == strlen(names[id]) && memcmp(token, names[id], size) == 0);
	}
}

static void
same_every_time(UnitHost *unit)
{
	TclsVocabularyOptions options = options_for(500);
	TclsTokenizer first;
	TclsTokenizer second;

	CHECK_OK(train(&first, &options, AMPLE, true, unit), &unit->host);
	CHECK_OK(train(&second, &options, AMPLE, true, unit), &unit->host);
	CHECK(first.size == second.size && memcmp(first.block, second.block, first.size) == 0);
}

/* "ab" thrice, "cab" twice: a ##b leads; of c ##a and ##a ##b, twice each, the first is the smaller. */
static void
merges_most_frequent_pair(UnitHost *unit)
{
	static const char *const wanted[] = {"a", "b", "c", "##b", "##a", "ab", "ca", "cab"};
	TclsVocabularyOptions options = options_for(13);
	TclsWordPieceTrainer *trainer;
	TclsTokenizer tokenizer;
	size_t		size;

	CHECK_OK(tcls_wordpiece_trainer_create(&trainer, &options, AMPLE, &unit->host), &unit->host);
	CHECK_OK(tcls_wordpiece_trainer_add(trainer, "ab AB \xC3\xA1" "b cab cab", 17, &unit->host), &unit->host);
	CHECK_OK(tcls_wordpiece_trainer_finish(&tokenizer, trainer, &unit->host), &unit->host);
	CHECK(tcls_tokenizer_vocabulary_size(&tokenizer) == 13);
	for (int32_t i = 0; i < 8; i++)
	{
		const char *token = tcls_tokenizer_token(&size, &tokenizer, 5 + i);

		if (size != strlen(wanted[i]) || memcmp(token, wanted[i], size) != 0)
			unit_fail(__FILE__, __LINE__, "token %d is %.*s, wanted %s", 5 + i, (int) size, token, wanted[i]);
	}
}

/* With room for all, every word becomes one token. */
static void
learns_every_word(UnitHost *unit)
{
	TclsVocabularyOptions options = options_for(100000);
	TclsTokenizer tokenizer;
	TclsTokens	tokens = {0};

	options.min_frequency = 1;
	CHECK_OK(train(&tokenizer, &options, AMPLE, false, unit), &unit->host);
	CHECK_OK(tcls_tokenizer_encode(&tokens, &tokenizer, "colleague statement charged", 27, 99, false, &unit->host),
			 &unit->host);
	CHECK(tokens.count == 5);
}

/* Many different words in little memory: the frequent ones stay. */
static void
rare_words_are_dropped(UnitHost *unit)
{
	TclsVocabularyOptions options = options_for(200);
	TclsWordPieceTrainer *trainer;
	TclsTokenizer tokenizer;
	TclsTokens	tokens = {0};

	CHECK_OK(tcls_wordpiece_trainer_create(&trainer, &options, 0, &unit->host), &unit->host);
	for (unsigned int i = 0; i < 30000; i++)
	{
		char		text[64];
		int			size = snprintf(text, sizeof(text), "x%uy frequent", i * 2654435761u);

		CHECK_OK(tcls_wordpiece_trainer_add(trainer, text, (size_t) size, &unit->host), &unit->host);
	}
	CHECK(unit->live_blocks < 10);
	CHECK_OK(tcls_wordpiece_trainer_finish(&tokenizer, trainer, &unit->host), &unit->host);
	CHECK_OK(tcls_tokenizer_encode(&tokens, &tokenizer, "frequent", 8, 99, false, &unit->host), &unit->host);
	CHECK(tokens.count == 3);
}

static void
bad_arguments_are_refused(UnitHost *unit)
{
	TclsVocabularyOptions options = options_for(5);
	TclsWordPieceTrainer *trainer;

	CHECK_STATUS(tcls_wordpiece_trainer_create(&trainer, &options, AMPLE, &unit->host), TCLS_BAD_ARGUMENT,
				 &unit->host);
	options = options_for(100);
	options.limit_alphabet = 0;
	CHECK_STATUS(tcls_wordpiece_trainer_create(&trainer, &options, AMPLE, &unit->host), TCLS_BAD_ARGUMENT,
				 &unit->host);
	options = options_for(100);
	CHECK_OK(tcls_wordpiece_trainer_create(&trainer, &options, AMPLE, &unit->host), &unit->host);
	CHECK_STATUS(tcls_wordpiece_trainer_add(trainer, "ab\xFF", 3, &unit->host), TCLS_BAD_TEXT, &unit->host);
}

/* Texts without a word leave the special tokens alone. */
static void
nothing_to_learn(UnitHost *unit)
{
	TclsVocabularyOptions options = options_for(100);
	TclsWordPieceTrainer *trainer;
	TclsTokenizer tokenizer;

	CHECK_OK(tcls_wordpiece_trainer_create(&trainer, &options, AMPLE, &unit->host), &unit->host);
	CHECK_OK(tcls_wordpiece_trainer_add(trainer, " \n", 2, &unit->host), &unit->host);
	CHECK_OK(tcls_wordpiece_trainer_finish(&tokenizer, trainer, &unit->host), &unit->host);
	CHECK(tcls_tokenizer_vocabulary_size(&tokenizer) == 5);
	tcls_wordpiece_trainer_destroy(trainer, &unit->host);
	tcls_free((void *) tokenizer.block, &unit->host);
	CHECK(unit->live_blocks == 0);
}

static void
every_allocation_may_fail(UnitHost *unit)
{
	TclsVocabularyOptions options = options_for(300);
	TclsTokenizer tokenizer;
	size_t		needed;

	CHECK_OK(train(&tokenizer, &options, AMPLE, false, unit), &unit->host);
	CHECK(unit->live_blocks == 1);
	needed = unit->allocations;
	for (size_t n = 1; n <= needed; n++)
	{
		unit_host_reset(unit);
		unit->fail_at = n;
		CHECK_STATUS(train(&tokenizer, &options, AMPLE, false, unit), TCLS_OUT_OF_MEMORY, &unit->host);
	}
	unit->fail_at = 0;
}

static void
cancel_is_seen(UnitHost *unit)
{
	TclsVocabularyOptions options = options_for(300);
	TclsTokenizer tokenizer;
	size_t		polls;

	CHECK_OK(train(&tokenizer, &options, AMPLE, false, unit), &unit->host);
	polls = unit->polls;
	CHECK(polls > 100);
	for (size_t n = 1; n <= polls; n += 17)
	{
		unit_host_reset(unit);
		unit->cancel_at = n;
		CHECK_STATUS(train(&tokenizer, &options, AMPLE, false, unit), TCLS_CANCELLED, &unit->host);
	}
	unit->cancel_at = 0;
}

int
main(void)
{
	RUN(as_good_as_reference);
	RUN(special_tokens_come_first);
	RUN(same_every_time);
	RUN(merges_most_frequent_pair);
	RUN(learns_every_word);
	RUN(rare_words_are_dropped);
	RUN(bad_arguments_are_refused);
	RUN(nothing_to_learn);
	RUN(every_allocation_may_fail);
	RUN(cancel_is_seen);
	return unit_finish();
}
