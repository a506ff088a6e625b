#!/usr/bin/env python3
"""Compare ids and offsets with Hugging Face BertTokenizerFast: 0 differences are allowed.

Usage: compare.py ENCODE_STREAM DATA_FOLDER [RANDOM_STRINGS]

DATA_FOLDER has the vocabularies (vocab/NAME/vocab.txt) and data sets (*.csv.gz).
Each tokenizer reads every code point alone and in context, and its share of
RANDOM_STRINGS (1,000,000); the kinds that models come in read every text of the
data sets too.
"""
import csv
import glob
import gzip
import itertools
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import unicodedata

import numpy
from tokenizers import AddedToken, Tokenizer
from transformers import BertTokenizerFast

BATCH = 2000
MODEL_KINDS = 5  # of TOKENIZERS, the first ones
csv.field_size_limit(1 << 30)

# (name, vocabulary, settings, whether added tokens of all kinds are put in)
TOKENIZERS = [
    ("uncased", "bert-base-uncased", dict(do_lower_case=True), False),
    ("cased", "bert-base-cased", dict(do_lower_case=False), False),
    ("chinese", "bert-base-chinese", dict(do_lower_case=True), False),
    ("multilingual", "bert-base-cased", dict(do_lower_case=False, strip_accents=False), False),
    ("multilingual chinese", "bert-base-chinese", dict(do_lower_case=False, strip_accents=False), False),
    ("lower with accents", "bert-base-uncased", dict(do_lower_case=True, strip_accents=False), False),
    ("stripped with case", "bert-base-cased", dict(do_lower_case=False, strip_accents=True), False),
    ("ideographs together", "bert-base-chinese", dict(tokenize_chinese_chars=False), False),
    ("added tokens", "bert-base-uncased", dict(do_lower_case=True), True),
]

ADDED = [
    AddedToken("<user>", normalized=False), AddedToken("<USER NAME>", normalized=False, lstrip=True, rstrip=True),
    AddedToken("[MASK]!", normalized=False, rstrip=True, special=True), AddedToken("[E1]", normalized=False, single_word=True),
    AddedToken("Caf\u00e9", normalized=True), AddedToken("caf\u00e9 noir", normalized=True, rstrip=True),
    AddedToken("New York", normalized=True, single_word=True), AddedToken("\u4e2d\u56fd", normalized=True, lstrip=True),
    AddedToken("a\u0301b", normalized=True, lstrip=True, rstrip=True, single_word=True), AddedToken("..", normalized=True),
]


def tokenizer_for(data, vocabulary, settings, with_added):
    lines = open(os.path.join(data, "vocab", vocabulary, "vocab.txt"), encoding="utf-8", newline="\n").read().split("\n")
    tokenizer = BertTokenizerFast(vocab={token: i for i, token in enumerate(lines) if token != ""}, **settings)
    if with_added:
        tokenizer.add_tokens(ADDED)
    return tokenizer.backend_tokenizer


class Ours:
    def __init__(self, program, backend):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8")
        self.file.write(backend.to_str())
        self.file.flush()
        self.rewritten = subprocess.run([program, self.file.name, "rewrite"], capture_output=True, check=True).stdout
        self.process = subprocess.Popen([program, self.file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def encode(self, texts):
        """The input goes in from a thread, so that neither side waits on a full pipe."""
        import threading
        data = b"".join(struct.pack("<I", len(t)) + t for t in (text.encode("utf-8") for text in texts))
        writer = threading.Thread(target=lambda: (self.process.stdin.write(data), self.process.stdin.flush()))
        writer.start()
        results = []
        for _ in texts:
            (count,) = struct.unpack("<I", self.process.stdout.read(4))
            results.append(numpy.frombuffer(self.process.stdout.read(12 * count), dtype=numpy.int32).reshape(3, count))
        writer.join()
        return results

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def data_texts(data):
    for path in sorted(glob.glob(os.path.join(data, "*", "*.csv.gz"))):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield from (value for key, value in row.items() if key and value and not key.startswith("label"))
    for path in sorted(glob.glob(os.path.join(data, "pretrain", "*.txt.gz"))):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from itertools.islice(file, 20000)


def code_point_texts():
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000:
            c = chr(code)
            yield c
            yield f"ab{c}cd {c}\u0323{c}\u0301 A{c}{c}9"


class RandomTexts:
    def __init__(self, seed):
        self.random = random.Random(seed)
        codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
        by = lambda test: [chr(c) for c in codes if test(chr(c))]
        self.codes = [chr(c) for c in codes]
        self.pools = [
            by(unicodedata.combining), by(lambda c: unicodedata.category(c) == "Mc"), by(unicodedata.decomposition),
            by(lambda c: unicodedata.category(c)[0] in "ZC" and unicodedata.category(c) not in ("Cn", "Co")),
            by(lambda c: unicodedata.category(c)[0] == "P"), by(lambda c: c.lower() != c),
            by(lambda c: 0x4E00 <= ord(c) <= 0x4FFF or 0xF900 <= ord(c) <= 0xFAFF or 0x3040 <= ord(c) <= 0x30FF or 0xAC00 <= ord(c) <= 0xACFF),
            list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,.'-"), list("aeiou \u0301\u0323\u030a"),
            ["\U0001d15f", "\U0001d160", "\U0001d165", "\U0001d16e", "\u302e", "\u0f73", "\u0344", "\U0001e000", "\u08d4", "\u0301", "\u0327"],
            ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[MASK]!", "[cls]", "[", "]", " ", "  ", "x", "\u00a0", "<user>", "<USER NAME>", "[E1]",
             "caf\u00e9", "Cafe\u0301", " noir", "new york", "New", " York", "\u4e2d", "\u56fd", "a\u0301b", "ab", "..", ".", "\t", "\u3000", "_", "\u0000"],
        ]

    def text(self):
        choose = self.random
        parts = []
        for _ in range(choose.randint(1, 4)):
            pool = self.codes if choose.random() < 0.15 else choose.choice(self.pools)
            parts += choose.choices(pool, k=choose.randint(1, 12))
            if choose.random() < 0.3:
                other = choose.choice(self.pools)
                parts += [c for pair in zip(choose.choices(pool, k=6), choose.choices(other, k=6)) for c in pair]
        if choose.random() < 0.02:
            parts += choose.choices(choose.choice(self.pools), k=choose.randint(90, 400))
        return "".join(parts)

    def texts(self, count):
        return (self.text() for _ in range(count))


def compare(name, backend, ours, texts):
    total = differences = 0
    texts = iter(texts)
    while batch := list(itertools.islice(texts, BATCH)):
        theirs = backend.encode_batch(batch)
        for text, expected, (ids, starts, ends) in zip(batch, theirs, ours.encode(batch)):
            total += 1
            if expected.ids != ids.tolist() or expected.offsets != list(zip(starts.tolist(), ends.tolist())):
                differences += 1
                if differences <= 5:
                    print(f"# {name}: {ascii(text[:300])}\n#  wanted {expected.ids[:40]} {expected.offsets[:40]}\n"
                          f"#  got    {ids.tolist()[:40]} {list(zip(starts.tolist(), ends.tolist()))[:40]}")
    return total, differences


def main():
    program, data = sys.argv[1:3]
    n_random = int(sys.argv[3]) if len(sys.argv) > 3 else 1000000
    failed = 0
    for seed, (name, vocabulary, settings, with_added) in enumerate(TOKENIZERS):
        backend = tokenizer_for(data, vocabulary, settings, with_added)
        ours = Ours(program, backend)
        same = Tokenizer.from_str(ours.rewritten.decode("utf-8")).to_str() == backend.to_str()
        failed += not same
        print(f"{name}, tokenizer.json as we write it: {'loads as the same' if same else 'DIFFERS'}")
        sources = [("random strings", RandomTexts(seed).texts(-(-n_random // len(TOKENIZERS)))),
                   ("code points", code_point_texts())]
        if seed < MODEL_KINDS:
            sources.append(("data sets", data_texts(data)))
        for source, texts in sources:
            total, differences = compare(name, backend, ours, texts)
            failed += differences
            print(f"{name}, {source}: {total:,} texts, {differences} differences", flush=True)
        ours.close()
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
