/*
 * unicode_normalize.h
 *		BERT's normaliser: a text as a stream of cleaned, unaccented, lower-cased
 *		characters, each with the place in the original that it came from.
 *
 * Clean, set ideographs apart, decompose and strip accents, lower: in one pass,
 * in memory that does not depend on the text.  The only file that knows utf8proc.
 *
 * Reference: Hugging Face tokenizers 0.23, normalizers/bert.rs, pre_tokenizers/bert.rs.
 */
#ifndef TEXTCLS_UNICODE_NORMALIZE_H
#define TEXTCLS_UNICODE_NORMALIZE_H

#include "tokenizer/tokenizer.h"

typedef enum TclsCharacterKind
{
	TCLS_CHARACTER_WORD,
	TCLS_CHARACTER_SPACE,
	TCLS_CHARACTER_PUNCTUATION
} TclsCharacterKind;

/* One character of the normalised text. */
typedef struct TclsCharacter
{
	uint32_t	code;
	TclsCharacterKind kind;
	int32_t		source;			/* the character of the original it stands for */
} TclsCharacter;

/* A place in the cleaned and decomposed, not yet reordered text. */
typedef struct TclsNormalizerCursor
{
	size_t		position;		/* byte after the present character */
	int32_t		source;			/* number of the present character in the original */
	bool		is_ideograph;	/* of the present character, set apart by spaces */
	int8_t		count;			/* length of its decomposition */
	int8_t		step;			/* elements of it already read */
	int32_t		elements[4];	/* (count) canonical decompositions have at most four */
} TclsNormalizerCursor;

/*
 * A run of combining marks of which some are kept.  They come out class by class,
 * by reading the run once for each class, so that a flood of marks needs no memory.
 */
typedef struct TclsMarkRun
{
	TclsNormalizerCursor begin;
	TclsNormalizerCursor next;	/* where the pass over the present class stands */
	TclsNormalizerCursor owner; /* walks the characters that the marks stand for */
	int64_t		length;			/* elements in the run */
	int64_t		left;			/* of them, not yet read in this pass */
	bool		is_active;		/* a run is being emitted */
	int32_t		class;			/* present class */
	int32_t		consumed;		/* characters that begin with a mark emitted or dropped so far */
	int32_t		walked;			/* of them, passed by the owner cursor */
	int32_t		source;			/* number of the last one in the original */
	int32_t		counts[256];	/* (class) characters that begin with a mark of the class */
	bool		kept[256];		/* (class) whether some mark of it is kept */
} TclsMarkRun;

typedef struct TclsNormalizer
{
	TclsTokenizerSettings settings;
	bool		strip_accents;
	const unsigned char *text;	/* valid UTF-8, borrowed */
	size_t		size;
	TclsNormalizerCursor cursor;
	TclsMarkRun run;
	TclsHost   *host;
	TclsStatus	status;			/* of the last poll */
} TclsNormalizer;

/* Begin a piece of text whose first character has the number index; combining marks do not cross pieces. */
extern void tcls_normalizer_start(TclsNormalizer *normalizer, const TclsTokenizerSettings *settings, const char *text,
								  size_t size, int32_t index, TclsHost *host);

/* Up to capacity (at least 3) characters; *n_read 0 means the end. */
extern TclsStatus tcls_normalizer_read(TclsCharacter *out, int32_t *n_read, int32_t capacity,
									   TclsNormalizer *normalizer);

/* TCLS_BAD_TEXT naming the position of the first byte that is not UTF-8. */
extern TclsStatus tcls_utf8_check(const char *text, size_t size, TclsHost *host);

/* Number of code points in valid UTF-8. */
extern int32_t tcls_utf8_count(const char *text, size_t size);

/* Bytes written to out (room for 4). */
extern int32_t tcls_utf8_encode(char *out, uint32_t code);

/* The code point that begins at text (valid UTF-8), and the one that ends before text + size. */
extern uint32_t tcls_utf8_first(const char *text);
extern uint32_t tcls_utf8_last(const char *text, size_t size);

/* Bytes of valid UTF-8 to show in a message ("%.*s"): about 60, whole characters. */
extern int	tcls_utf8_shown(const char *text, size_t size);

extern bool tcls_unicode_is_space(uint32_t code);

/* Letter, mark, digit or connector: \w of the regular expressions. */
extern bool tcls_unicode_is_word(uint32_t code);

#endif							/* TEXTCLS_UNICODE_NORMALIZE_H */
