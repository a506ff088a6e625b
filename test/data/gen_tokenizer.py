#!/usr/bin/env python3
"""Write tokenizer/: small tokenizers, and what Hugging Face BertTokenizerFast makes of hostile texts.

NAME.json	tokenizer.json as the library writes it; uncased.vocab.txt the same vocabulary as lines
NAME.txt	a line a text: its UTF-8 in hexadecimal, ids, first and last characters
code_points.txt	a hash of the words of every code point in context, for runs of 4,096
trained.txt	size wanted, size reached and tokens of held_messages.txt, for vocabularies trained on train_messages.txt
"""
import csv
import os
import random

from tokenizers import AddedToken, BertWordPieceTokenizer, normalizers, pre_tokenizers
from transformers import BertTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "tokenizer")

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = """the a an of to and in is it was for on that with not this you your we order parcel bill refund card late
new york cafe noir naive uber resume strass istanbul hello world price euro un break able ing ed s er est ly ness tion
play run walk talk ##ing ##ed ##s ##er ##est ##ly ##ness ##tion ##able ##break ##ful ##less ##ment ##re ##al ##ble""".split()
CASED = "The A I York New Paris Cafe HELLO Ubung Istanbul É é ü ß ##É ##ü ##é naïve café São ##ão Ωmega ωmega".split()
CHINESE = list("的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生自会那后能对着事其里所去行过家十用发天如然作方成者多日都三小军二无同么经法当起与好看学进种将还分此心前面又定见只主没公从") + ["24", "##h", "微", "信"]
WORLD = list("абвгдежзийклмнопрстуфхцчшщъыьэюяАБВαβγδεζηθικλμνξοπρστυφχψωςאבגדהוابتثجحخدذرزसहनमकािीुेोंのにはをたがでてとしアイウエオカキ가나다라마한국어กขคง")


def letters(codes):
    return list(codes) + ["##" + c for c in codes]


def vocabulary(*parts):
    tokens = list(SPECIAL)
    for part in parts:
        tokens += [token for token in part if token not in tokens]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


ASCII = [chr(c) for c in range(33, 127)]
LOWER = letters("abcdefghijklmnopqrstuvwxyz0123456789")
UPPER = letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
MARKS = ["\u0301", "##\u0301", "\u0307", "##\u0307", "##\U0001d165", "##\U0001d16e", "\U0001d157", "##\u302e", "##\u08d4", "##\U0001e000", "$", "\u20ac", "\u201c", "\u00ab", "\u3002", "\uff0c"]

ADDED = [
    AddedToken("<user>", normalized=False), AddedToken("<USER NAME>", normalized=False, lstrip=True, rstrip=True),
    AddedToken("[MASK]!", normalized=False, rstrip=True, special=True),
    AddedToken("[E1]", normalized=False, single_word=True), AddedToken("Café", normalized=True),
    AddedToken("café noir", normalized=True, rstrip=True), AddedToken("New York", normalized=True, single_word=True),
    AddedToken("中国", normalized=True, lstrip=True), AddedToken("..", normalized=True),
    AddedToken("a\u0301b", normalized=True, lstrip=True, rstrip=True, single_word=True),
]

TOKENIZERS = {
    "uncased": (vocabulary(ASCII, LOWER, WORDS, MARKS), dict(do_lower_case=True), []),
    "cased": (vocabulary(ASCII, LOWER, UPPER, WORDS, CASED, MARKS), dict(do_lower_case=False), []),
    "chinese": (vocabulary(ASCII, LOWER, CHINESE, MARKS), dict(do_lower_case=True), []),
    "multilingual": (vocabulary(ASCII, LOWER, UPPER, CASED, CHINESE, letters(WORLD), MARKS),
                     dict(do_lower_case=False, strip_accents=False), []),
    "added": (vocabulary(ASCII, LOWER, WORDS, CHINESE, MARKS), dict(do_lower_case=True), ADDED),
}

WRITTEN = [
    "", " ", "\n\t", "Hello, world!", "The parcel was late; I want a refund.", "unbreakable playfulness", "RESUME résumé Résumé",
    "naïve café São Paulo Übung Straße", "İstanbul I\u0307stanbul ISTANBUL ıstanbul", "e\u0301\u0323 e\u0323\u0301 \u0301a",
    "ﬁne ﬀ ẞ ß ŉ ǆ Ǆ ǅ", "24h 24小时 我在中国 大家好,你好。", "中国 国中 﨎 﨑 豈 丽 \U0002f800\U00020000\U0002b820\U0002ceb0",
    "かな カナ 한국어 가나다 \u1100\u1161\u11a8", "привет Йод йод Ёж", "Ωmega ωmega ΟΔΟΣ ς", "שלום \u05e9\u05c1", "हिन्दी कि", "กขคง",
    "[CLS] [SEP] [MASK] [PAD] [UNK]", "[mask] [Mask] x[MASK]y [MASK", "[[MASK]] [MASK][MASK]", "a[SEP]b [CLS]c",
    "<user> <USER NAME>  x  <USER NAME>  <User>", "x   [MASK]!   y[MASK]!", "[E1] x[E1] [E1]x é[E1] _[E1] -[E1]- [E1]",
    "café Cafe\u0301 CAFE café noir   x caféine", "New York new york New Yorker xnew york", "去中国 中国", "a..b ... ....",
    "áb ab a\u0301b xáb áb x", "don't rock'n'roll $5.00 €4 a_b C++ #tag @name 3.14 50%", "“quoted” «so» ¿qué? …—–",
    "zero\u200bwidth soft\u00adhyphen \ufeffbom \u200d \u202ertl\u202c", "nbsp\u00a0thin\u2009ideographic\u3000line\u2028para\u2029nel\u0085",
    "tab\tnew\nline\rcr\x0bvt\x0cff\x00nul\x7fdel\x1besc \ufffd", "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 ❤\ufe0f \U0001f1eb\U0001f1f7",
    "a" * 99, "a" * 100, "a" * 101, "é" * 100, "é" * 101, "x" * 250 + " y", "a." * 60, "中" * 120, "a\u0301" * 120, "\u0301" * 300,
    "q\u0301\u302e\u0323\U0001d165\u0327\u08d4", "\U0001d15f\U0001d160\U0001d163 \U0001d165\u0301\U0001d16e\U0001d165",
    "\u0344\u0f73\u0f75\u0f81 \u1e9b\u0323 \u212b\u2126\u212a", "\u037e \u0387 \u1fef \u2000\u2001 \u2329\u232a", "\ue000\U000f0000 \U000e0041 \ufffe \u0378",
    "\U00010400\U0001e900 \ua7cb\ua7dc\u1c89\U00010d50\U00016ea0", "\u0898\u1ac1\U00010efd \U000111c9 \u166d \u2e52\u061d", "##ing ## #a",
]
POOLS = [
    list("aeiou \u0301\u0323\u030a\u0327"), ["\U0001d15f", "\U0001d160", "\U0001d165", "\U0001d16e", "\u302e", "\u0f73", "\u0344", "\U0001e000", "\u08d4", "\u0301", "\u0327", "e", "é"],
    list("中国的一是 ,.。a1"), [" ", "\t", "\u00a0", "\u3000", "\x00", "\u200b", "a", "b", "."], WORDS, SPECIAL + [" ", "x", "[", "]", "中"],
    [token.content for token in ADDED] + [" ", "  ", "x", "_", "é", "中", "new", " york", "cafe"], list("ABCabcÉÈéèÀÅßİıŒœØøĐđ "), WORLD + [" "],
    [chr(c) for c in range(0x1100, 0x1200)] + ["가", "각", " "], [chr(c) for c in range(0x2000, 0x2070)] + ["a", "1"],
]


def texts():
    choose = random.Random(20)
    for text in WRITTEN:
        yield text
    for i in range(300):
        if i % 10 == 0:
            yield "".join(chr(c) for c in (choose.randrange(0x110000) for _ in range(12)) if not 0xD800 <= c < 0xE000)
        else:
            parts = [c for _ in range(choose.randint(1, 3)) for c in choose.choices(choose.choice(POOLS), k=choose.randint(1, 8))]
            yield ("" if choose.random() < 0.8 else " ").join(parts)


def write(name, text):
    with open(os.path.join(OUT, name), "w", encoding="utf-8", newline="\n") as out:
        out.write(text)


def write_cases(name, tokens, settings, added):
    tokenizer = BertTokenizerFast(vocab=tokens, **settings)
    tokenizer.add_tokens(added)
    write(name + ".json", tokenizer.backend_tokenizer.to_str())
    lines = []
    for text in texts():
        encoding = tokenizer(text, return_offsets_mapping=True)
        numbers = (encoding["input_ids"], *zip(*encoding["offset_mapping"]))
        lines.append("\t".join([text.encode("utf-8").hex()] + [",".join(map(str, n)) for n in numbers]))
    write(name + ".txt", "\n".join(lines) + "\n")


def fnv(hash_, data):
    for byte in data:
        hash_ = (hash_ ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return hash_


def write_code_points():
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    kinds = [normalizers.BertNormalizer(lowercase=True), normalizers.BertNormalizer(lowercase=False)]
    lines = []
    for first in range(0, 0x110000, 4096):
        hashes = []
        for kind in kinds:
            value = 0xCBF29CE484222325
            for code in range(first, first + 4096):
                if not 0xD800 <= code < 0xE000:
                    text = f"a{chr(code)}\u0327\u0301b"
                    words = [word for word, _ in split(kind.normalize_str(text))]
                    value = fnv(value, "".join(word + "\n" for word in words).encode("utf-8") + b"\0")
            hashes.append(f"{value:016x}")
        lines.append(f"{first:x} " + " ".join(hashes))
    write("code_points.txt", "\n".join(lines) + "\n")


def write_trained():
    with open(os.path.join(HERE, "..", "demo", "messages.csv"), encoding="utf-8", newline="") as file:
        messages = [row[1] for row in csv.reader(file)]
    held, train = messages[::5], [m for i, m in enumerate(messages) if i % 5]
    lines = []
    for size in (150, 400, 1000):
        tokenizer = BertWordPieceTokenizer(lowercase=True)
        tokenizer.train_from_iterator(train, vocab_size=size, min_frequency=2, limit_alphabet=100, show_progress=False)
        lines.append(f"{size} {tokenizer.get_vocab_size()} {sum(len(e.ids) for e in tokenizer.encode_batch(held, add_special_tokens=False))}")
    write("trained.txt", "\n".join(lines) + "\n")
    write("train_messages.txt", "\n".join(train) + "\n")
    write("held_messages.txt", "\n".join(held) + "\n")


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    for name, (tokens, settings, added) in TOKENIZERS.items():
        write_cases(name, tokens, settings, added)
    write("uncased.vocab.txt", "".join(token + "\n" for token in TOKENIZERS["uncased"][0]))
    write_code_points()
    write_trained()
