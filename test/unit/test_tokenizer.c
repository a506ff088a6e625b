/*
 * test_tokenizer.c
 *		Ids and places equal to Hugging Face's, hostile files, blocks and texts.
 */
#include <string.h>

#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/vocabulary.h"
#include "unit.h"

#define FOLDER "../data/tokenizer/"
#define NO_LIMIT INT32_MAX

static const char *const fixtures[] = {"uncased", "cased", "chinese", "multilingual", "added"};

#define N_FIXTURES (sizeof(fixtures) / sizeof(fixtures[0]))

static char *
read_fixture(const char *name, const char *extension, size_t *size)
{
	char		path[256];

	snprintf(path, sizeof(path), FOLDER "%s%s", name, extension);
	return unit_read_file(path, size);
}

static void
load(TclsTokenizer *tokenizer, const char *name, UnitHost *unit)
{
	size_t		size;
	char	   *json = read_fixture(name, ".json", &size);

	CHECK_OK(tcls_tokenizer_from_json(tokenizer, json, size, &unit->host), &unit->host);
	free(json);
}

/* One line of a fixture: a text and what it becomes. */
typedef struct Case
{
	char		text[4096];
	size_t		size;
	int32_t		numbers[3][1024];	/* ids, starts, ends */
	int32_t		count;
} Case;

static const char *
read_case(Case *out, const char *line)
{
	out->size = 0;
	for (; *line != '\t'; line += 2)
	{
		unsigned int byte;

		sscanf(line, "%2x", &byte);
		out->text[out->size++] = (char) byte;
	}
	for (int i = 0; i < 3; i++)
	{
		out->count = 0;
		do
			out->numbers[i][out->count++] = (int32_t) strtol(line + 1, (char **) &line, 10);
		while (*line == ',');
	}
	return line + 1;
}

static bool
equals(const TclsTokens *tokens, const Case *wanted)
{
	size_t		bytes = (size_t) wanted->count * sizeof(int32_t);

	return tokens->count == wanted->count && memcmp(tokens->ids, wanted->numbers[0], bytes) == 0 &&
		memcmp(tokens->starts, wanted->numbers[1], bytes) == 0 && memcmp(tokens->ends, wanted->numbers[2], bytes) == 0;
}

/* A shorter limit keeps the first tokens and the last one. */
static void
check_limits(const TclsTokenizer *tokenizer, const Case *wanted, UnitHost *unit)
{
	TclsTokens	tokens = {0};

	for (int32_t limit = 2; limit <= wanted->count + 1; limit += limit < 8 ? 1 : 7)
	{
		int32_t		count = limit < wanted->count ? limit : wanted->count;

		CHECK_OK(tcls_tokenizer_encode(&tokens, tokenizer, wanted->text, wanted->size, limit, false, &unit->host),
				 &unit->host);
		CHECK(tokens.count == count && tokens.is_truncated == (limit < wanted->count));
		CHECK(memcmp(tokens.ids, wanted->numbers[0], (size_t) (count - 1) * sizeof(int32_t)) == 0);
		CHECK(tokens.ids[count - 1] == wanted->numbers[0][wanted->count - 1]);
		CHECK(tokens.starts == NULL && tokens.ends == NULL);
	}
	tcls_free(tokens.ids, &unit->host);
}

static int
check_cases(const TclsTokenizer *tokenizer, const char *name, UnitHost *unit)
{
	size_t		size;
	char	   *cases = read_fixture(name, ".txt", &size);
	TclsTokens	tokens = {0};
	int			n_cases = 0;
	Case		wanted;

	for (const char *line = cases; *line != '\0'; n_cases++)
	{
		line = read_case(&wanted, line);
		CHECK_OK(tcls_tokenizer_encode(&tokens, tokenizer, wanted.text, wanted.size, NO_LIMIT, true, &unit->host),
				 &unit->host);
		if (!equals(&tokens, &wanted))
			unit_fail(__FILE__, __LINE__, "%s: text %d differs: %.*s", name, n_cases + 1, (int) wanted.size,
					  wanted.text);
		check_limits(tokenizer, &wanted, unit);
	}
	free(cases);
	return n_cases;
}

static void
ids_and_places_equal_reference(UnitHost *unit)
{
	for (size_t i = 0; i < N_FIXTURES; i++)
	{
		TclsTokenizer tokenizer;

		load(&tokenizer, fixtures[i], unit);
		CHECK(check_cases(&tokenizer, fixtures[i], unit) > 300);
	}
}

static void
vocabulary_file_equals_json(UnitHost *unit)
{
	TclsTokenizer tokenizer;
	TclsBytes	written = {0};
	size_t		size;
	char	   *lines = read_fixture("uncased", ".vocab.txt", &size);

	CHECK_OK(tcls_tokenizer_from_vocabulary(&tokenizer, lines, size, &tcls_tokenizer_uncased, &unit->host),
			 &unit->host);
	check_cases(&tokenizer, "uncased", unit);
	CHECK_OK(tcls_tokenizer_to_vocabulary(&written, &tokenizer, &unit->host), &unit->host);
	CHECK(written.size == size && memcmp(written.data, lines, size) == 0);
	free(lines);
}

/* The library's own writing, byte for byte. */
static void
json_is_written_as_read(UnitHost *unit)
{
	for (size_t i = 0; i < N_FIXTURES; i++)
	{
		TclsTokenizer tokenizer;
		TclsBytes	written = {0};
		size_t		size;
		char	   *json = read_fixture(fixtures[i], ".json", &size);

		load(&tokenizer, fixtures[i], unit);
		CHECK_OK(tcls_tokenizer_to_json(&written, &tokenizer, &unit->host), &unit->host);
		CHECK(written.size == size && memcmp(written.data, json, size) == 0);
		free(json);
	}
}

static TclsStatus
hash_word(void *context, const TclsWord *word)
{
	uint64_t   *hash = context;

	*hash = tcls_vocabulary_hash(*hash, word->bytes, (size_t) word->ends[word->count - 1]);
	*hash = tcls_vocabulary_hash(*hash, "\n", 1);
	return TCLS_OK;
}

/* The words of a code point between letters and marks, for 4,096 code points. */
static uint64_t
hash_words(uint32_t first, const TclsTokenizerSettings *settings, UnitHost *unit)
{
	uint64_t	hash = TCLS_HASH_SEED;
	TclsWord	word;

	tcls_word_init(&word, 100, hash_word, &hash, &unit->host);
	for (uint32_t code = first; code < first + 4096; code++)
	{
		TclsNormalizer normalizer;
		TclsCharacter characters[32];
		char		text[16] = "a";
		int32_t		size = 1 + tcls_utf8_encode(text + 1, code);
		int32_t		count;

		if (code >= 0xD800 && code < 0xE000)
			continue;
		memcpy(text + size, "\xCC\xA7\xCC\x81" "b", 5);
		tcls_normalizer_start(&normalizer, settings, text, (size_t) size + 5, 0, &unit->host);
		CHECK_OK(tcls_normalizer_read(characters, &count, 32, &normalizer), &unit->host);
		for (int32_t i = 0; i < count; i++)
			CHECK_OK(tcls_word_add(&word, &characters[i]), &unit->host);
		CHECK_OK(tcls_word_end(&word), &unit->host);
		hash = tcls_vocabulary_hash(hash, "", 1);
	}
	return hash;
}

static void
every_code_point_equals_reference(UnitHost *unit)
{
	TclsTokenizerSettings cased = tcls_tokenizer_uncased;
	size_t		size;
	char	   *lines = read_fixture("code_points", ".txt", &size);
	const char *line = lines;
	int			n_lines = 0;

	cased.lowercase = false;
	for (; *line != '\0'; n_lines++)
	{
		uint32_t	first = (uint32_t) strtoul(line, (char **) &line, 16);
		uint64_t	wanted = strtoull(line, (char **) &line, 16);
		uint64_t	wanted_cased = strtoull(line, (char **) &line, 16);

		if (hash_words(first, &tcls_tokenizer_uncased, unit) != wanted ||
			hash_words(first, &cased, unit) != wanted_cased)
			unit_fail(__FILE__, __LINE__, "code points from U+%04X on differ", first);
		line++;
	}
	CHECK(n_lines == 0x110);
	free(lines);
}

static void
tokens_have_texts(UnitHost *unit)
{
	TclsTokenizer tokenizer;
	size_t		size;
	const char *token;

	load(&tokenizer, "added", unit);
	token = tcls_tokenizer_token(&size, &tokenizer, 2);
	CHECK(size == 5 && memcmp(token, "[CLS]", 5) == 0);
	token = tcls_tokenizer_token(&size, &tokenizer, tcls_tokenizer_vocabulary_size(&tokenizer) - 1);
	CHECK(size == 4 && memcmp(token, "a\xCC\x81" "b", 4) == 0);
	tcls_tokenizer_token(&size, &tokenizer, -1);
	CHECK(size == 0);
	tcls_tokenizer_token(&size, &tokenizer, tcls_tokenizer_vocabulary_size(&tokenizer));
	CHECK(size == 0);
}

/* Of two equal lines the later is found; carriage returns and a missing last line feed do no harm. */
static void
vocabulary_file_may_be_odd(UnitHost *unit)
{
	static const char lines[] = "[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n\r\na\r\n##b";
	TclsTokenizer tokenizer;
	TclsTokens	tokens = {0};
	size_t		size;

	CHECK_OK(tcls_tokenizer_from_vocabulary(&tokenizer, lines, strlen(lines), &tcls_tokenizer_uncased, &unit->host),
			 &unit->host);
	CHECK(tcls_tokenizer_vocabulary_size(&tokenizer) == 7);
	CHECK_OK(tcls_tokenizer_encode(&tokens, &tokenizer, "Ab", 2, NO_LIMIT, true, &unit->host), &unit->host);
	CHECK(tokens.count == 4 && tokens.ids[0] == 1 && tokens.ids[1] == 5 && tokens.ids[2] == 6 && tokens.ids[3] == 2);
	tcls_tokenizer_token(&size, &tokenizer, 4);
	CHECK(size == 0);
}

static void
settings_are_read(UnitHost *unit)
{
	static const char json[] = "{\"do_lower_case\": false, \"strip_accents\": true, \"tokenize_chinese_chars\": false}";
	TclsTokenizerSettings settings = tcls_tokenizer_uncased;

	CHECK_OK(tcls_tokenizer_read_settings(&settings, "{\"model_max_length\": 512}", 25, &unit->host), &unit->host);
	CHECK(settings.lowercase && settings.strip_accents == -1 && settings.handle_chinese_chars);
	CHECK_OK(tcls_tokenizer_read_settings(&settings, json, strlen(json), &unit->host), &unit->host);
	CHECK(!settings.lowercase && settings.strip_accents == 1 && !settings.handle_chinese_chars);
	CHECK_OK(tcls_tokenizer_read_settings(&settings, "{\"strip_accents\": null}", 23, &unit->host), &unit->host);
	CHECK(settings.strip_accents == -1);
	CHECK_STATUS(tcls_tokenizer_read_settings(&settings, "{\"do_lower_case\": 1}", 20, &unit->host), TCLS_BAD_FILE,
				 &unit->host);
	CHECK(strstr(unit->host.detail, "do_lower_case") != NULL);
	CHECK_STATUS(tcls_tokenizer_read_settings(&settings, "[]", 2, &unit->host), TCLS_BAD_FILE, &unit->host);
}

static void
bad_vocabulary_files_are_refused(UnitHost *unit)
{
	static const struct
	{
		const char *text;
		size_t		size;
		const char *reason;
	}			files[] = {
		{"", 0, "[UNK]"}, {"[UNK]\n[CLS]\nx\n", 14, "[SEP]"}, {"[UNK]\n[CLS]\n[SEP]\n\xFF\n", 20, "UTF-8"},
		{"[UNK]\n[CLS]\n[SEP]\n\0\n", 20, "zero byte at position 18"}
	};
	TclsTokenizerSettings settings = tcls_tokenizer_uncased;
	TclsTokenizer tokenizer;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
	{
		CHECK_STATUS(tcls_tokenizer_from_vocabulary(&tokenizer, files[i].text, files[i].size, &settings, &unit->host),
					 TCLS_BAD_FILE, &unit->host);
		CHECK(strstr(unit->host.detail, files[i].reason) != NULL);
	}
	settings.max_word_chars = 0;
	CHECK_STATUS(tcls_tokenizer_from_vocabulary(&tokenizer, "x", 1, &settings, &unit->host), TCLS_BAD_ARGUMENT,
				 &unit->host);
}

/* The small tokenizer below with a part replaced; each name begins its part. */
static const char *const small_parts[][2] = {
	{"version", "\"version\":\"1.0\""},
	{"added", "\"added_tokens\":[{\"id\":1,\"content\":\"[CLS]\",\"single_word\":false,\"lstrip\":false,"
		"\"rstrip\":false,\"normalized\":false,\"special\":true}]"},
	{"normalizer", "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
		"\"strip_accents\":null,\"lowercase\":true}"},
	{"pre", "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"},
	{"post", "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",2],\"cls\":[\"[CLS]\",1]}"},
	{"model", "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
		"\"max_input_chars_per_word\":100,\"vocab\":{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"a\":3,\"##b\":4}}"}
};

#define N_PARTS (sizeof(small_parts) / sizeof(small_parts[0]))

static size_t
compose(char *json, size_t capacity, const char *part, const char *replacement)
{
	size_t		size = (size_t) snprintf(json, capacity, "{");

	for (size_t i = 0; i < N_PARTS; i++)
		size += (size_t) snprintf(json + size, capacity - size, "%s%s", i == 0 ? "" : ",",
								  strcmp(small_parts[i][0], part) == 0 ? replacement : small_parts[i][1]);
	return size + (size_t) snprintf(json + size, capacity - size, "}");
}

#define MODEL(vocabulary, chars) "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\"," \
	"\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":" chars ",\"vocab\":" vocabulary "}"
#define ADDED(id, content, normalized) "{\"id\":" id ",\"content\":\"" content "\",\"single_word\":false," \
	"\"lstrip\":false,\"rstrip\":false,\"normalized\":" normalized ",\"special\":false}"

static void
bad_json_is_refused(UnitHost *unit)
{
	static const struct
	{
		const char *part;
		const char *replacement;
		TclsStatus	status;
		const char *reason;
	}			files[] = {
		{"version", "\"version\":\"2.0\"", TCLS_UNSUPPORTED, "version"},
		{"version", "\"version\":1,\"version\":2", TCLS_BAD_FILE, "duplicate"},
		{"added", "\"added_tokens\":{}", TCLS_BAD_FILE, "added_tokens"},
		{"added", "\"added_tokens\":[1]", TCLS_BAD_FILE, "content"},
		{"added", "\"added_tokens\":[" ADDED("7", "new", "true") "]",
		TCLS_BAD_FILE, "\"new\" has the id 7, its place is 5"},
		{"added", "\"added_tokens\":[" ADDED("3", "[CLS]", "true") "]", TCLS_BAD_FILE, "its place is 1"},
		{"added", "\"added_tokens\":[" ADDED("5", "\\u200b", "true") "]", TCLS_BAD_FILE, "nothing is left"},
		{"added", "\"added_tokens\":[" ADDED("5", "Ab", "true") "," ADDED("6", "aB", "true") "]",
		TCLS_BAD_FILE, "match the same text \"ab\""},
		{"added", "\"added_tokens\":[" ADDED("5", "x", "1") "]", TCLS_BAD_FILE, "normalized"},
		{"normalizer", "\"normalizer\":{\"type\":\"Lowercase\"}", TCLS_UNSUPPORTED, "Lowercase"},
		{"normalizer", "\"normalizer\":{\"type\":\"BertNormalizer\"}", TCLS_BAD_FILE, "clean_text"},
		{"normalizer", "\"normalizer\":3", TCLS_BAD_FILE, "normalizer"},
		{"pre", "\"pre_tokenizer\":null", TCLS_UNSUPPORTED, "pre_tokenizer"},
		{"pre", "\"pre_tokenizer\":{\"type\":\"ByteLevel\"}", TCLS_UNSUPPORTED, "ByteLevel"},
		{"post", "\"post_processor\":null", TCLS_UNSUPPORTED, "post_processor"},
		{"post", "\"post_processor\":{\"type\":\"RobertaProcessing\"}", TCLS_UNSUPPORTED, "RobertaProcessing"},
		{"post", "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"x\",-1],\"cls\":[\"y\",1]}",
		TCLS_BAD_FILE, "sep"},
		{"post", "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"x\",9],\"cls\":[\"y\",1]}",
		TCLS_BAD_FILE, "no token of the vocabulary"},
		{"post", "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}", TCLS_UNSUPPORTED, "template"},
		{"model", "\"model\":{\"type\":\"BPE\"}", TCLS_UNSUPPORTED, "BPE"},
		{"model", "\"model\":[]", TCLS_BAD_FILE, "model"},
		{"model", MODEL("{}", "100"), TCLS_BAD_FILE, "0 tokens"},
		{"model", MODEL("{\"a\":0}", "100"), TCLS_BAD_FILE, "[UNK]"},
		{"model", MODEL("{\"[UNK]\":-1}", "100"), TCLS_BAD_FILE, "[UNK]"},
		{"model", MODEL("{\"[UNK]\":2147483647}", "100"), TCLS_BAD_FILE, "[UNK]"},
		{"model", MODEL("{\"[UNK]\":1.5}", "100"), TCLS_BAD_FILE, "[UNK]"},
		{"model", MODEL("{\"[UNK]\":0,\"[CLS]\":1,\"a\":2147483646}", "100"),
		TCLS_BAD_FILE, "\"a\" has the id 2147483646"},
		{"model", MODEL("{\"[UNK]\":0,\"[CLS]\":1,\"a\":2,\"b\":2}", "100"),
		TCLS_BAD_FILE, "\"a\" and \"b\" have the same id"},
		{"model", MODEL("{\"[UNK]\":0,\"\\u0000\":1}", "100"), TCLS_BAD_FILE, "JSON"},
		{"model", MODEL("{\"[UNK]\":0}", "0"), TCLS_UNSUPPORTED, "max_input_chars_per_word"},
		{"model", MODEL("{\"[UNK]\":0}", "9999999999"), TCLS_UNSUPPORTED, "max_input_chars_per_word"},
		{"model", MODEL("{\"\\ud800\":0}", "100"), TCLS_BAD_FILE, "JSON"},
	};
	TclsTokenizer tokenizer;
	char		json[4096];
	size_t		size = compose(json, sizeof(json), "", "");

	CHECK_OK(tcls_tokenizer_from_json(&tokenizer, json, size, &unit->host), &unit->host);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
	{
		size = compose(json, sizeof(json), files[i].part, files[i].replacement);
		CHECK_STATUS(tcls_tokenizer_from_json(&tokenizer, json, size, &unit->host), files[i].status, &unit->host);
		if (strstr(unit->host.detail, files[i].reason) == NULL)
			unit_fail(__FILE__, __LINE__, "\"%s\" does not say %s", unit->host.detail, files[i].reason);
	}
}

static void
truncated_json_is_refused(UnitHost *unit)
{
	TclsTokenizer tokenizer;
	char		json[4096];
	size_t		size = compose(json, sizeof(json), "", "");
	char	   *nested;

	for (size_t cut = 0; cut < size; cut++)
		CHECK_STATUS(tcls_tokenizer_from_json(&tokenizer, json, cut, &unit->host), TCLS_BAD_FILE, &unit->host);
	nested = malloc(1000000);
	memset(nested, '[', 1000000);
	CHECK_STATUS(tcls_tokenizer_from_json(&tokenizer, nested, 1000000, &unit->host), TCLS_BAD_FILE, &unit->host);
	free(nested);
}

/* Whatever bytes a block has: it is refused, or it can be used. */
static void
use_block(const void *block, size_t size, UnitHost *unit)
{
	static const char text[] = "Hello [MASK]! a b\xC3\xA9 <user> New York \xE4\xB8\xAD\xE5\x9B\xBD unbreakable";
	TclsTokenizer tokenizer;
	TclsTokens	tokens = {0};
	TclsBytes	written = {0};

	if (tcls_tokenizer_open(&tokenizer, block, size, &unit->host) != TCLS_OK)
		return;
	CHECK_OK(tcls_tokenizer_encode(&tokens, &tokenizer, text, strlen(text), 64, true, &unit->host), &unit->host);
	for (int32_t i = 0; i < tokens.count; i++)
		CHECK(tokens.ids[i] >= 0 && tokens.ids[i] < tcls_tokenizer_vocabulary_size(&tokenizer));
	(void) tcls_tokenizer_to_json(&written, &tokenizer, &unit->host);
	written.size = 0;
	(void) tcls_tokenizer_to_vocabulary(&written, &tokenizer, &unit->host);
	unit_host_reset(unit);
}

static void
damaged_blocks_do_no_harm(UnitHost *unit)
{
	TclsTokenizer tokenizer;
	TclsTokenizer reopened;
	size_t		size;
	unsigned char *copy;

	load(&tokenizer, "added", unit);
	size = tokenizer.size;
	CHECK_OK(tcls_tokenizer_open(&reopened, tokenizer.block, size, &unit->host), &unit->host);
	copy = malloc(size);
	memcpy(copy, tokenizer.block, size);
	unit_host_reset(unit);
	for (size_t cut = 0; cut < size; cut += cut < 512 ? 1 : 61)
	{
		unsigned char *shorter = malloc(cut + 1);

		memcpy(shorter, copy, cut);
		CHECK_STATUS(tcls_tokenizer_open(&reopened, shorter, cut, &unit->host), TCLS_BAD_FILE, &unit->host);
		free(shorter);
	}
	for (size_t i = 0; i < size; i += i < sizeof(TclsTokenizerHeader) ? 1 : 3)
	{
		static const unsigned char values[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
		unsigned char kept = copy[i];

		for (size_t v = 0; v < sizeof(values); v++)
		{
			copy[i] = values[v];
			use_block(copy, size, unit);
		}
		copy[i] = kept;
	}
	free(copy);
}

static void
invalid_text_is_located(UnitHost *unit)
{
	static const struct
	{
		const char *text;
		size_t		size;
		size_t		position;
	}			texts[] = {
		{"\x80", 1, 0}, {"ab\xFF", 3, 2}, {"abcdefgh\xC3", 9, 8}, {"a\xC0\x80", 3, 1}, {"\xE0\x80\x80", 3, 0},
		{"\xED\xA0\x80", 3, 0}, {"x\xF4\x90\x80\x80", 5, 1}, {"\xC3\xA9\xE4\xB8", 4, 2}, {"\xF0\x9F\x98", 3, 0},
		{"abcdefghijklmnop\xC3\xA9\xC3(", 20, 18}, {"\xF8\x88\x80\x80\x80", 5, 0}
	};
	TclsTokenizer tokenizer;
	TclsTokens	tokens = {0};
	char		place[64];

	load(&tokenizer, "uncased", unit);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		CHECK_STATUS(tcls_tokenizer_encode(&tokens, &tokenizer, texts[i].text, texts[i].size, 2, true, &unit->host),
					 TCLS_BAD_TEXT, &unit->host);
		snprintf(place, sizeof(place), "position %zu ", texts[i].position);
		CHECK(strstr(unit->host.detail, place) != NULL);
	}
	CHECK_STATUS(tcls_tokenizer_encode(&tokens, &tokenizer, "a", 1, 1, true, &unit->host), TCLS_BAD_ARGUMENT,
				 &unit->host);
}

/* Long floods: the memory does not grow with them. */
static void
floods_need_no_memory(UnitHost *unit)
{
	static const char *const floods[] = {
		"\xCC\x81", "\xEF\xB7\xBA", "\xE3\x80\xAE", "\xF0\x9D\x85\xA0", " ", "a", "[", "[MASK]", "\xE2\x80\x8B",
		"\xE4\xB8\xAD", "\xE1\xBE\x82", "<USER NAME>", "New York", "."
	};
	size_t		repeats = 300000;
	TclsTokenizer tokenizers[2];
	char	   *text = malloc(16 * repeats);

	load(&tokenizers[0], "uncased", unit);
	load(&tokenizers[1], "added", unit);
	for (size_t i = 0; i < 2 * sizeof(floods) / sizeof(floods[0]); i++)
	{
		const char *flood = floods[i / 2];
		TclsTokens	tokens = {0};
		size_t		size = 0;

		for (size_t j = 0; j < repeats; j++, size += strlen(flood))
			memcpy(text + size, flood, strlen(flood));
		unit->allocations = 0;
		CHECK_OK(tcls_tokenizer_encode(&tokens, &tokenizers[i % 2], text, size, 128, true, &unit->host), &unit->host);
		CHECK(tokens.count <= 128);
		CHECK(unit->allocations < 20);
	}
	free(text);
}

static void
cancel_is_seen(UnitHost *unit)
{
	static const char *const floods[] = {"\xCC\x81", "\xE3\x80\xAE", "ab ", "[MASK]", "[", "\xE2\x80\x8B"};
	size_t		repeats = 600000;
	TclsTokenizer tokenizer;
	char	   *text = malloc(8 * repeats);

	load(&tokenizer, "uncased", unit);
	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++)
	{
		TclsTokens	tokens = {0};
		size_t		size = 0;

		for (size_t j = 0; j < repeats; j++, size += strlen(floods[i]))
			memcpy(text + size, floods[i], strlen(floods[i]));
		unit->polls = 0;
		unit->cancel_at = 4;
		CHECK_STATUS(tcls_tokenizer_encode(&tokens, &tokenizer, text, size, NO_LIMIT, true, &unit->host),
					 TCLS_CANCELLED, &unit->host);
		CHECK(unit->polls == 4);
		unit->cancel_at = 0;
	}
	free(text);
}

static TclsStatus
run_all(const char *json, size_t size, UnitHost *unit)
{
	static const char text[] = "Hello New York, caf\xC3\xA9 <user> [MASK] unbreakable words and more of them";
	char		longer[700];
	TclsTokenizer tokenizer;
	TclsTokens	tokens = {0};
	TclsBytes	written = {0};

	memset(longer, 'a', sizeof(longer));
	TCLS_TRY(tcls_tokenizer_from_json(&tokenizer, json, size, &unit->host));
	TCLS_TRY(tcls_tokenizer_encode(&tokens, &tokenizer, text, strlen(text), NO_LIMIT, true, &unit->host));
	TCLS_TRY(tcls_tokenizer_encode(&tokens, &tokenizer, longer, sizeof(longer), NO_LIMIT, true, &unit->host));
	TCLS_TRY(tcls_tokenizer_to_json(&written, &tokenizer, &unit->host));
	written.size = 0;
	TCLS_TRY(tcls_tokenizer_to_vocabulary(&written, &tokenizer, &unit->host));
	return tcls_tokenizer_from_vocabulary(&tokenizer, written.data, written.size, &tcls_tokenizer_uncased,
										  &unit->host);
}

/* A model whose longest word is longer than the room a word has without allocation. */
static char *
json_with_long_words(size_t *size)
{
	static const char from[] = "\"max_input_chars_per_word\":100";
	static const char to[] = "\"max_input_chars_per_word\":900";
	char	   *json = read_fixture("added", ".json", size);

	memcpy(strstr(json, from), to, strlen(to));
	return json;
}

static void
every_allocation_may_fail(UnitHost *unit)
{
	size_t		size;
	char	   *json = json_with_long_words(&size);
	size_t		needed;

	CHECK_OK(run_all(json, size, unit), &unit->host);
	needed = unit->allocations;
	CHECK(needed > 20);
	for (size_t n = 1; n <= needed; n++)
	{
		unit_host_reset(unit);
		unit->fail_at = n;
		CHECK_STATUS(run_all(json, size, unit), TCLS_OUT_OF_MEMORY, &unit->host);
	}
	unit->fail_at = 0;
	free(json);
}

/* What succeeds leaves nothing behind but its result. */
static void
nothing_is_left_behind(UnitHost *unit)
{
	TclsTokens	tokens = {0};
	TclsBytes	written = {0};
	TclsTokenizer tokenizer;
	size_t		size;
	char	   *json = json_with_long_words(&size);
	char		longer[700];

	memset(longer, 'a', sizeof(longer));
	CHECK_OK(tcls_tokenizer_from_json(&tokenizer, json, size, &unit->host), &unit->host);
	CHECK(unit->live_blocks == 1);
	CHECK_OK(tcls_tokenizer_to_json(&written, &tokenizer, &unit->host), &unit->host);
	CHECK(unit->live_blocks == 2);
	CHECK_OK(tcls_tokenizer_encode(&tokens, &tokenizer, longer, sizeof(longer), NO_LIMIT, true, &unit->host),
			 &unit->host);
	CHECK(unit->live_blocks == 5);
	CHECK_OK(tcls_tokenizer_encode(&tokens, &tokenizer, longer, sizeof(longer), 8, false, &unit->host), &unit->host);
	CHECK(unit->live_blocks == 3);
	free(json);
}

int
main(void)
{
	RUN(ids_and_places_equal_reference);
	RUN(vocabulary_file_equals_json);
	RUN(json_is_written_as_read);
	RUN(every_code_point_equals_reference);
	RUN(tokens_have_texts);
	RUN(vocabulary_file_may_be_odd);
	RUN(settings_are_read);
	RUN(bad_vocabulary_files_are_refused);
	RUN(bad_json_is_refused);
	RUN(truncated_json_is_refused);
	RUN(damaged_blocks_do_no_harm);
	RUN(invalid_text_is_located);
	RUN(floods_need_no_memory);
	RUN(cancel_is_seen);
	RUN(every_allocation_may_fail);
	RUN(nothing_is_left_behind);
	return unit_finish();
}
