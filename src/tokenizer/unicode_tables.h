/*
 * unicode_tables.h
 *		Classes of code points as Hugging Face tokenizers 0.23 know them.
 *
 * BERT's normaliser there works with three versions of Unicode: categories of
 * 8.0, decomposition and combining classes of 9.0, lower case and white space of
 * the newest.  A vocabulary was trained on that, so the first two are frozen
 * here as tables, whatever version utf8proc has.
 */
#ifndef TEXTCLS_UNICODE_TABLES_H
#define TEXTCLS_UNICODE_TABLES_H

#include <stdint.h>

typedef struct TclsCodeRange
{
	uint32_t	first;
	uint32_t	last;
} TclsCodeRange;

/* Sorted, without overlap. */
typedef struct TclsCodeTable
{
	const TclsCodeRange *ranges;
	int			count;
} TclsCodeTable;

extern const TclsCodeTable tcls_unicode_dropped;	/* by clean_text */
extern const TclsCodeTable tcls_unicode_punctuation;
extern const TclsCodeTable tcls_unicode_nonspacing; /* dropped by strip_accents */
extern const TclsCodeTable tcls_unicode_combining;	/* reordered by strip_accents */
extern const TclsCodeTable tcls_unicode_word;	/* added to utf8proc's letters, marks and digits */

#endif							/* TEXTCLS_UNICODE_TABLES_H */
