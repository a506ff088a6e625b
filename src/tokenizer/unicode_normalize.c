/*
 * unicode_normalize.c
 *		BERT's normaliser over utf8proc, one character at a time.
 */
#include <string.h>

#include <utf8proc.h>

#include "tokenizer/unicode_normalize.h"
#include "tokenizer/unicode_tables.h"
#include "base/pure_c.h"

#define MAX_OUTPUT 3			/* characters that one element becomes: an ideograph and two spaces */
#define POLL_INTERVAL 65536	/* characters */
#define FIRST_COMBINING 0x300	/* no combining mark lies below */

typedef struct Element
{
	uint32_t	code;
	int32_t		class;			/* canonical combining class */
	bool		is_first;		/* of its character's decomposition */
} Element;

enum
{
	ASCII_WORD,
	ASCII_UPPER,
	ASCII_PUNCTUATION,
	ASCII_SPACE,				/* kept by clean_text as ' ' */
	ASCII_CONTROL_SPACE,		/* white space that clean_text drops: VT and FF */
	ASCII_CONTROL
};

static const uint8_t ascii_kinds[128] = {
	[0 ... 8] = ASCII_CONTROL,
	['\t'] = ASCII_SPACE,['\n'] = ASCII_SPACE,
	['\v'] = ASCII_CONTROL_SPACE,['\f'] = ASCII_CONTROL_SPACE,
	['\r'] = ASCII_SPACE,
	[14 ... 31] = ASCII_CONTROL,
	[' '] = ASCII_SPACE,
	['!' ... '/'] = ASCII_PUNCTUATION,
	[':' ... '@'] = ASCII_PUNCTUATION,
	['A' ... 'Z'] = ASCII_UPPER,
	['[' ... '`'] = ASCII_PUNCTUATION,
	['{' ... '~'] = ASCII_PUNCTUATION,
	[127] = ASCII_CONTROL
};

static bool
has_code(const TclsCodeTable *table, uint32_t code)
{
	int			low = 0;
	int			high = table->count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (code > table->ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < table->count && code >= table->ranges[low].first;
}

bool
tcls_unicode_is_space(uint32_t code)
{
	return code == ' ' || (code >= 0x9 && code <= 0xD) || code == 0x85 || code == 0xA0 || code == 0x1680 ||
		(code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
		code == 0x205F || code == 0x3000;
}

bool
tcls_unicode_is_word(uint32_t code)
{
	switch (utf8proc_category((utf8proc_int32_t) code))
	{
		case UTF8PROC_CATEGORY_LU:
		case UTF8PROC_CATEGORY_LL:
		case UTF8PROC_CATEGORY_LT:
		case UTF8PROC_CATEGORY_LM:
		case UTF8PROC_CATEGORY_LO:
		case UTF8PROC_CATEGORY_MN:
		case UTF8PROC_CATEGORY_MC:
		case UTF8PROC_CATEGORY_ME:
		case UTF8PROC_CATEGORY_ND:
		case UTF8PROC_CATEGORY_NL:
		case UTF8PROC_CATEGORY_PC:
			return true;
		default:
			return has_code(&tcls_unicode_word, code);
	}
}

/* The blocks that BERT sets apart; kana and hangul are not among them. */
static bool
is_ideograph(uint32_t code)
{
	return code >= 0x3400 &&
		((code <= 0x4DBF) || (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0xF900 && code <= 0xFAFF) ||
		 (code >= 0x20000 && code <= 0x2A6DF) || (code >= 0x2A700 && code <= 0x2B81F) ||
		 (code >= 0x2B920 && code <= 0x2CEAF) || (code >= 0x2F800 && code <= 0x2FA1F));
}

/*
 * Whether the code point had its decomposition in Unicode 9.0: later versions
 * decompose some new ones above the first plane, and never change an old one.
 */
static bool
is_decomposed(uint32_t code)
{
	static const TclsCodeRange ranges[] = {
		{0xC0, 0xFFFF}, {0x1109A, 0x110AB}, {0x1112E, 0x1112F}, {0x1134B, 0x1134C}, {0x114BB, 0x114BE},
		{0x115BA, 0x115BB}, {0x1D15E, 0x1D1C0}, {0x2F800, 0x2FA1D}
	};
	static const TclsCodeTable table = {ranges, sizeof(ranges) / sizeof(ranges[0])};

	return has_code(&table, code);
}

static int32_t
combining_class(uint32_t code)
{
	if (code < FIRST_COMBINING || !has_code(&tcls_unicode_combining, code))
		return 0;
	return utf8proc_get_property((utf8proc_int32_t) code)->combining_class;
}

/* Lower case of Unicode 17: utf8proc's, and the pairs that came after Unicode 15. */
static uint32_t
to_lower(uint32_t code)
{
	static const struct
	{
		uint32_t	first;
		uint32_t	last;
		int32_t		distance;
	}			later[] = {
		{0x1C89, 0x1C89, 1}, {0xA7CB, 0xA7CB, 0x264 - 0xA7CB}, {0xA7CC, 0xA7CC, 1}, {0xA7CE, 0xA7CE, 1},
		{0xA7D2, 0xA7D2, 1}, {0xA7D4, 0xA7D4, 1}, {0xA7DA, 0xA7DA, 1}, {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
		{0x10D50, 0x10D65, 0x20}, {0x16EA0, 0x16EB8, 0x1B}
	};

	if (code < 0x80)
		return code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code;
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (code >= later[i].first && code <= later[i].last)
			return (uint32_t) ((int32_t) code + later[i].distance);
	return (uint32_t) utf8proc_tolower((utf8proc_int32_t) code);
}

/* Length of a valid sequence by its first byte. */
static int
sequence_length(unsigned char first)
{
	return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

static uint32_t
decode(const unsigned char *text)
{
	switch (sequence_length(text[0]))
	{
		case 1:
			return text[0];
		case 2:
			return (text[0] & 0x1Fu) << 6 | (text[1] & 0x3Fu);
		case 3:
			return (text[0] & 0x0Fu) << 12 | (text[1] & 0x3Fu) << 6 | (text[2] & 0x3Fu);
		default:
			return (text[0] & 0x07u) << 18 | (text[1] & 0x3Fu) << 12 | (text[2] & 0x3Fu) << 6 | (text[3] & 0x3Fu);
	}
}

/* Take the next character into the cursor; false at the end of the text and when cancelled. */
static bool
cursor_advance(TclsNormalizerCursor *cursor, TclsNormalizer *normalizer)
{
	while (cursor->position < normalizer->size)
	{
		uint32_t	code = decode(normalizer->text + cursor->position);
		int			boundary_class = 0;

		cursor->position += (size_t) sequence_length(normalizer->text[cursor->position]);
		cursor->source++;
		if (cursor->source % POLL_INTERVAL == 0)
			normalizer->status = tcls_poll(normalizer->host);
		if (normalizer->status != TCLS_OK)
			return false;
		if (normalizer->settings.clean_text)
		{
			if (has_code(&tcls_unicode_dropped, code))
				continue;
			if (tcls_unicode_is_space(code))
				code = ' ';
		}
		cursor->is_ideograph = normalizer->settings.handle_chinese_chars && is_ideograph(code);
		cursor->step = 0;
		cursor->count = 1;
		cursor->elements[0] = (int32_t) code;
		if (normalizer->strip_accents && is_decomposed(code))
			cursor->count = (int8_t) utf8proc_decompose_char((utf8proc_int32_t) code, cursor->elements, 4,
															 UTF8PROC_DECOMPOSE, &boundary_class);
		return true;
	}
	return false;
}

static bool
cursor_read(Element *out, TclsNormalizerCursor *cursor, TclsNormalizer *normalizer)
{
	if (cursor->step == cursor->count && !cursor_advance(cursor, normalizer))
		return false;
	out->code = (uint32_t) cursor->elements[cursor->step];
	out->class = normalizer->strip_accents ? combining_class(out->code) : 0;
	out->is_first = cursor->step == 0;
	cursor->step++;
	return true;
}

static void
put(TclsCharacter *out, uint32_t code, int32_t source)
{
	out->code = code;
	out->source = source;
	if (tcls_unicode_is_space(code))
		out->kind = TCLS_CHARACTER_SPACE;
	else if (has_code(&tcls_unicode_punctuation, code))
		out->kind = TCLS_CHARACTER_PUNCTUATION;
	else
		out->kind = TCLS_CHARACTER_WORD;
}

/* Lower and emit; only U+0130 becomes two characters. */
static int32_t
put_lowered(TclsCharacter *out, const TclsNormalizer *normalizer, uint32_t code, int32_t source)
{
	if (!normalizer->settings.lowercase)
		put(&out[0], code, source);
	else if (code != 0x130)
		put(&out[0], to_lower(code), source);
	else
	{
		put(&out[0], 'i', source);
		put(&out[1], 0x307, source);
		return 2;
	}
	return 1;
}

static int32_t
put_ascii(TclsCharacter *out, const TclsNormalizer *normalizer, unsigned char code, int32_t source)
{
	static const TclsCharacterKind kinds[] = {
		[ASCII_WORD] = TCLS_CHARACTER_WORD,[ASCII_UPPER] = TCLS_CHARACTER_WORD,
		[ASCII_PUNCTUATION] = TCLS_CHARACTER_PUNCTUATION,[ASCII_SPACE] = TCLS_CHARACTER_SPACE,
		[ASCII_CONTROL_SPACE] = TCLS_CHARACTER_SPACE,[ASCII_CONTROL] = TCLS_CHARACTER_WORD
	};
	uint8_t		kind = ascii_kinds[code];

	if (normalizer->settings.clean_text && kind >= ASCII_SPACE)
	{
		if (kind != ASCII_SPACE)
			return 0;
		code = ' ';
	}
	out->code = kind == ASCII_UPPER && normalizer->settings.lowercase ? (uint32_t) code + ('a' - 'A') : code;
	out->kind = kinds[kind];
	out->source = source;
	return 1;
}

/*
 * Read the run of combining marks that begins at begin, which the cursor has just
 * entered.  Leaves the cursor behind the run, and the run ready to be emitted when
 * one of its marks is kept.
 */
static void
run_enter(TclsNormalizer *normalizer, const TclsNormalizerCursor *begin)
{
	TclsMarkRun *run = &normalizer->run;
	TclsNormalizerCursor behind = *begin;
	Element		element;
	bool		any_kept = false;

	memset(run->counts, 0, sizeof(run->counts));
	memset(run->kept, 0, sizeof(run->kept));
	run->length = 0;
	normalizer->cursor = *begin;
	while (cursor_read(&element, &normalizer->cursor, normalizer) && element.class != 0)
	{
		bool		is_kept = !has_code(&tcls_unicode_nonspacing, element.code);

		behind = normalizer->cursor;
		run->length++;
		run->counts[element.class] += element.is_first;
		run->kept[element.class] |= is_kept;
		any_kept |= is_kept;
	}
	normalizer->cursor = behind;
	if (!any_kept)
		return;
	run->begin = run->owner = *begin;
	run->left = 0;
	run->is_active = true;
	run->class = 0;
	run->consumed = run->walked = 0;
	run->source = begin->source;
}

/* Go on to the next class that has a mark to keep; false when there is none. */
static bool
run_next_class(TclsMarkRun *run)
{
	do
		run->consumed += run->kept[run->class] ? 0 : run->counts[run->class];
	while (++run->class < 256 && !run->kept[run->class]);
	run->next = run->begin;
	run->left = run->length;
	run->is_active = run->class < 256;
	return run->is_active;
}

/*
 * The character of the original that the present mark stands for: marks take the
 * characters of their run in order, however the marks themselves were reordered.
 */
static int32_t
run_source(TclsMarkRun *run, TclsNormalizer *normalizer)
{
	Element		element;

	while (run->walked < run->consumed && cursor_read(&element, &run->owner, normalizer))
		if (element.is_first)
		{
			run->walked++;
			run->source = run->owner.source;
		}
	return run->source;
}

/* The next kept mark of the run; 0 behind the last. */
static int32_t
run_emit(TclsCharacter *out, TclsNormalizer *normalizer)
{
	TclsMarkRun *run = &normalizer->run;
	Element		element;

	do
	{
		while (run->left > 0)
		{
			run->left--;
			if (!cursor_read(&element, &run->next, normalizer))
				return 0;
			if (element.class != run->class)
				continue;
			run->consumed += element.is_first;
			if (!has_code(&tcls_unicode_nonspacing, element.code))
				return put_lowered(out, normalizer, element.code, run_source(run, normalizer));
		}
	} while (run_next_class(run));
	return 0;
}

/* The next element outside a run; false at the end of the text. */
static bool
element_emit(TclsCharacter *out, int32_t *count, TclsNormalizer *normalizer)
{
	TclsNormalizerCursor *cursor = &normalizer->cursor;
	TclsNormalizerCursor before = *cursor;
	Element		element;

	if (!cursor_read(&element, cursor, normalizer))
		return false;
	if (element.class != 0)
		run_enter(normalizer, &before);
	else if (normalizer->strip_accents && element.code >= FIRST_COMBINING &&
			 has_code(&tcls_unicode_nonspacing, element.code))
		return true;
	else if (cursor->is_ideograph)
	{
		put(&out[(*count)++], ' ', cursor->source);
		*count += put_lowered(&out[*count], normalizer, element.code, cursor->source);
		put(&out[(*count)++], ' ', cursor->source);
	}
	else
		*count += put_lowered(&out[*count], normalizer, element.code, cursor->source);
	return true;
}

void
tcls_normalizer_start(TclsNormalizer *normalizer, const TclsTokenizerSettings *settings, const char *text,
					  size_t size, int32_t index, TclsHost *host)
{
	normalizer->settings = *settings;
	normalizer->strip_accents = settings->strip_accents < 0 ? settings->lowercase : settings->strip_accents != 0;
	normalizer->text = (const unsigned char *) text;
	normalizer->size = size;
	memset(&normalizer->cursor, 0, sizeof(normalizer->cursor));
	normalizer->cursor.source = index - 1;
	normalizer->run.is_active = false;
	normalizer->host = host;
	normalizer->status = TCLS_OK;
}

TclsStatus
tcls_normalizer_read(TclsCharacter *out, int32_t *n_read, int32_t capacity, TclsNormalizer *normalizer)
{
	TclsNormalizerCursor *cursor = &normalizer->cursor;
	int32_t		count = 0;

	TCLS_TRY(tcls_poll(normalizer->host));
	while (count + MAX_OUTPUT <= capacity && normalizer->status == TCLS_OK)
	{
		if (normalizer->run.is_active)
			count += run_emit(&out[count], normalizer);
		else if (cursor->step == cursor->count && cursor->position < normalizer->size &&
				 normalizer->text[cursor->position] < 0x80)
		{
			cursor->source++;
			count += put_ascii(&out[count], normalizer, normalizer->text[cursor->position], cursor->source);
			cursor->position++;
		}
		else if (!element_emit(out, &count, normalizer))
			break;
	}
	*n_read = count;
	return normalizer->status;
}

TclsStatus
tcls_utf8_check(const char *text, size_t size, TclsHost *host)
{
	const unsigned char *bytes = (const unsigned char *) text;
	size_t		position = 0;

	for (size_t steps = 1; position < size; steps++)
	{
		utf8proc_int32_t code;
		utf8proc_ssize_t length;
		uint64_t	word;

		if (steps % POLL_INTERVAL == 0)
			TCLS_TRY(tcls_poll(host));
		if (size - position >= sizeof(word))
		{
			memcpy(&word, bytes + position, sizeof(word));
			if ((word & UINT64_C(0x8080808080808080)) == 0)
			{
				position += sizeof(word);
				continue;
			}
		}
		length = utf8proc_iterate(bytes + position, (utf8proc_ssize_t) (size - position), &code);
		if (length <= 0)
			return tcls_fail(host, TCLS_BAD_TEXT, "byte 0x%02x at position %zu of the text is not valid UTF-8",
							 bytes[position], position);
		position += (size_t) length;
	}
	return TCLS_OK;
}

int32_t
tcls_utf8_count(const char *text, size_t size)
{
	int32_t		count = 0;

	for (size_t i = 0; i < size; i++)
		count += (text[i] & 0xC0) != 0x80;
	return count;
}

int32_t
tcls_utf8_encode(char *out, uint32_t code)
{
	if (code < 0x80)
	{
		*out = (char) code;
		return 1;
	}
	return (int32_t) utf8proc_encode_char((utf8proc_int32_t) code, (utf8proc_uint8_t *) out);
}

uint32_t
tcls_utf8_first(const char *text)
{
	return decode((const unsigned char *) text);
}

uint32_t
tcls_utf8_last(const char *text, size_t size)
{
	do
		size--;
	while (size > 0 && (text[size] & 0xC0) == 0x80);
	return decode((const unsigned char *) text + size);
}

int
tcls_utf8_shown(const char *text, size_t size)
{
	if (size <= 60)
		return (int) size;
	for (size = 60; (text[size] & 0xC0) == 0x80;)
		size--;
	return (int) size;
}
