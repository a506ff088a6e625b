#!/usr/bin/env python3
"""Write src/tokenizer/unicode_tables.c: what Hugging Face tokenizers take each code point for.

Hugging Face classify with the tables of Unicode 8.0 (crate unicode_categories),
decompose with those of 9.0 (unicode-normalization-alignments) and match \\w with
the newest (regex).  The library is asked about every code point, so that the
tables hold what it does.

Usage: gen_unicode_tables.py > ../../src/tokenizer/unicode_tables.c
"""
import ctypes

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
UTF8PROC = ctypes.CDLL("libutf8proc.so.2")
UTF8PROC.utf8proc_category_string.restype = ctypes.c_char_p


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**flags, **on}).normalize_str


def dropped():
    clean = bert(clean_text=True)
    return [c for c in CODES if clean("x" + chr(c) + "x") == "xx"]


def punctuation():
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    return [c for c in CODES if len(split("x" + chr(c) + "x")) == 3]


def nonspacing():
    strip, nfd = bert(strip_accents=True), normalizers.NFD().normalize_str
    return [c for c in CODES if strip("x" + chr(c)) == "x" and nfd(chr(c)) == chr(c)]


def combining():
    """A class above that of U+0334 (1) or below that of U+0345 (240) shows in the order."""
    nfd = normalizers.NFD().normalize_str
    return [c for c in CODES if nfd(chr(c)) == chr(c) and
            (nfd("a" + chr(c) + "\u0334")[1] == "\u0334" and c != 0x334 or nfd("a\u0345" + chr(c))[2] == "\u0345")]


def word():
    """Word characters of the regular expressions that utf8proc's categories (Unicode 15) do not show."""
    tokenizer = Tokenizer(models.WordPiece({"?": 0}, unk_token="?"))
    tokenizer.add_tokens([AddedToken("<>", single_word=True, normalized=False)])
    shown = {b"Lu", b"Ll", b"Lt", b"Lm", b"Lo", b"Nl", b"Nd", b"Mn", b"Mc", b"Me", b"Pc"}
    return [c for c in CODES if UTF8PROC.utf8proc_category_string(c) not in shown and
            len(tokenizer.encode("<>" + chr(c)).ids) == 1]


def write(name, comment, codes):
    ranges = []
    for code in sorted(codes):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    print(f"\n/* {comment} */")
    print(f"static const TclsCodeRange {name}_ranges[] = {{")
    cells = ["{0x%X, 0x%X}" % (first, last) for first, last in ranges]
    line = ""
    for cell in cells:
        if len(line) + len(cell) > 108:
            print(f"\t{line.rstrip()}")
            line = ""
        line += cell + ", "
    print(f"\t{line.rstrip(', ')}\n}};")
    print(f"\nconst TclsCodeTable tcls_unicode_{name} = {{{name}_ranges, {len(ranges)}}};")


print('''/*
 * unicode_tables.c
 *		Written by test/data/gen_unicode_tables.py; see unicode_tables.h.
 */
#include "tokenizer/unicode_tables.h"
#include "base/pure_c.h"''')
write("dropped", "Control, format and private use, and U+FFFD.", dropped())
write("punctuation", "Categories P of Unicode 8.0, and ASCII's.", punctuation())
write("nonspacing", "Category Mn of Unicode 8.0.", nonspacing())
write("combining", "Combining class above 0 in Unicode 9.0.", combining())
write("word", "Word characters beyond those utf8proc's categories show.", word())
