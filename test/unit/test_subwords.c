/*
 * test_subwords.c
 *		Tokens as shorter pieces, and texts with noise on their tokens.
 */
#include <string.h>

#include "train/batch.h"
#include "train/subwords.h"
#include "unit.h"

/* Ids are line numbers from 0. */
static const char vocabulary[] =
	"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
	"p\nprint\nprinting\nprinter\n##r\n##in\n##ing\n##ting\n##t\n##g\n##e\nq\nqu\nqux\nr\xC3\xA9\nr\xC3\xA9t\n";

enum
{
	P = 5, PRINT, PRINTING, PRINTER, R, IN, ING, TING, T, G, E, Q, QU, QUX, RE, RET
};

static void
open_vocabulary(TclsTokenizer *tokenizer, TclsHost *host)
{
	CHECK_OK(tcls_tokenizer_from_vocabulary(tokenizer, vocabulary, strlen(vocabulary), &tcls_tokenizer_uncased, host),
			 host);
}

static void
check_pieces(const TclsSubwords *subwords, int32_t id, const int32_t *wanted, int32_t count)
{
	int32_t		first = subwords->starts[id];

	CHECK(subwords->starts[id + 1] - first == count);
	for (int32_t i = 0; i < count && i < subwords->starts[id + 1] - first; i++)
		CHECK(subwords->pieces[first + i] == wanted[i]);
}

static void
pieces_are_longest_matches(UnitHost *unit)
{
	TclsTokenizer tokenizer;
	TclsSubwords subwords;
	size_t		blocks;

	open_vocabulary(&tokenizer, &unit->host);
	blocks = unit->live_blocks;
	CHECK_OK(tcls_subwords_create(&subwords, &tokenizer, &unit->host), &unit->host);
	CHECK(subwords.vocabulary_size == tcls_tokenizer_vocabulary_size(&tokenizer));
	check_pieces(&subwords, PRINTING, (int32_t[]) {PRINT, ING}, 2);
	check_pieces(&subwords, PRINTER, (int32_t[]) {PRINT, E, R}, 3);
	check_pieces(&subwords, PRINT, (int32_t[]) {P, R, IN, T}, 4);
	check_pieces(&subwords, TING, (int32_t[]) {T, ING}, 2);
	check_pieces(&subwords, ING, (int32_t[]) {IN, G}, 2);
	check_pieces(&subwords, RET, (int32_t[]) {RE, T}, 2);
	check_pieces(&subwords, P, NULL, 0);	/* nothing shorter */
	check_pieces(&subwords, QUX, NULL, 0);	/* the rest "x" has no token */
	check_pieces(&subwords, RE, NULL, 0);	/* not within a character */
	check_pieces(&subwords, 2, NULL, 0);	/* [CLS] */
	tcls_subwords_destroy(&subwords, &unit->host);
	CHECK(unit->live_blocks == blocks);
}

static TclsStatus
fixed_read(void *context, int64_t index, TclsExample *example)
{
	static const int32_t ids[] = {2, PRINTING, QUX, PRINTER, PRINTING};

	(void) context;
	(void) index;
	*example = (TclsExample) {.ids = ids, .n_tokens = 5};
	return TCLS_OK;
}

static void
check_noisy(const TclsTokenNoise *noise, const int32_t *wanted, int32_t count, TclsHost *host)
{
	TclsConfig	config = {.problem = TCLS_SINGLE_LABEL, .num_outputs = 2};
	TclsExampleSource source = {.count = 1, .read = fixed_read};
	TclsBatch	batch;

	CHECK_OK(tcls_batch_create(&batch, 4, &config, 2, host), host);
	CHECK_OK(tcls_batch_load(&batch, &source, NULL, 0, 1, noise, host), host);
	CHECK(tcls_batch_tokens(&batch) == count);
	if (tcls_batch_tokens(&batch) == count)
		CHECK(memcmp(batch.ids.data, wanted, (size_t) count * sizeof(int32_t)) == 0);
	tcls_batch_destroy(&batch, host);
}

/* The last token is a mark and stays whole, though it is also a word here. */
static void
noisy_texts_keep_marks_and_length(UnitHost *unit)
{
	TclsTokenizer tokenizer;
	TclsSubwords subwords;
	TclsTokenNoise noise = {.subword_dropout = 1, .subwords = &subwords, .max_tokens = 100};

	open_vocabulary(&tokenizer, &unit->host);
	CHECK_OK(tcls_subwords_create(&subwords, &tokenizer, &unit->host), &unit->host);
	check_noisy(NULL, (int32_t[]) {2, PRINTING, QUX, PRINTER, PRINTING}, 5, &unit->host);
	check_noisy(&noise, (int32_t[]) {2, P, R, IN, T, IN, G, QUX, P, R, IN, T, E, R, PRINTING}, 15, &unit->host);
	noise.max_tokens = 6;
	check_noisy(&noise, (int32_t[]) {2, P, R, IN, T, PRINTING}, 6, &unit->host);
	noise.token_dropout = 1;
	check_noisy(&noise, (int32_t[]) {2, PRINTING}, 2, &unit->host);
	noise.token_dropout = 0;
	subwords.vocabulary_size = P;	/* an id that the tokenizer does not know is left to the network */
	check_noisy(&noise, (int32_t[]) {2, PRINTING, QUX, PRINTER, PRINTING}, 5, &unit->host);
}

static void
failures_are_passed_on(UnitHost *unit)
{
	TclsTokenizer tokenizer;
	TclsSubwords subwords;

	open_vocabulary(&tokenizer, &unit->host);
	for (size_t n = 1; n <= 3; n++)
	{
		unit->fail_at = unit->allocations + n;
		CHECK_STATUS(tcls_subwords_create(&subwords, &tokenizer, &unit->host), TCLS_OUT_OF_MEMORY, &unit->host);
	}
	unit->fail_at = 0;
	unit->cancel_at = 1;
	CHECK_STATUS(tcls_subwords_create(&subwords, &tokenizer, &unit->host), TCLS_CANCELLED, &unit->host);
}

int
main(void)
{
	RUN(pieces_are_longest_matches);
	RUN(noisy_texts_keep_marks_and_length);
	RUN(failures_are_passed_on);
	return unit_finish();
}
