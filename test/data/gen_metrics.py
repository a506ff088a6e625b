#!/usr/bin/env python3
"""Write metrics.txt: random predictions and what scikit-learn says of them (see requirements.txt).

Lines: "single CLASSES ROWS", a line of ROWS "expected:predicted" pairs, a line a class, a summary line;
"multi LABELS ROWS", a line of expected bits and one of predicted bits a row, then the same two kinds of lines.
Class line: precision recall f1 support. Summary line: accuracy balanced_accuracy mcc, then precision recall f1 of
macro, weighted and micro averages.
"""
import pathlib

import numpy as np
from sklearn.metrics import (accuracy_score, balanced_accuracy_score, matthews_corrcoef,
                             precision_recall_fscore_support)

random = np.random.default_rng(20240501)


def write(out, values):
    out.append(" ".join(repr(float(value)) for value in values))


def averages(expected, predicted):
    values = []
    for average in ("macro", "weighted", "micro"):
        values += precision_recall_fscore_support(expected, predicted, average=average, zero_division=0)[:3]
    return values


def single(out, classes, rows, accuracy, present=None):
    expected = random.choice(present or np.arange(classes), rows)
    predicted = np.where(random.random(rows) < accuracy, expected, random.integers(0, classes, rows))
    out.append(f"single {classes} {rows}")
    out.append(" ".join(f"{e}:{p}" for e, p in zip(expected, predicted)))
    parts = precision_recall_fscore_support(expected, predicted, labels=np.arange(classes), zero_division=0)
    for values in zip(*parts):
        write(out, values)
    write(out, [accuracy_score(expected, predicted), balanced_accuracy_score(expected, predicted),
                matthews_corrcoef(expected, predicted)] + averages(expected, predicted))


def multi(out, labels, rows, density):
    expected = random.random((rows, labels)) < density
    predicted = expected ^ (random.random((rows, labels)) < 0.2)
    out.append(f"multi {labels} {rows}")
    for row in range(rows):
        out.append("".join("01"[bit] for bit in expected[row].astype(int)))
        out.append("".join("01"[bit] for bit in predicted[row].astype(int)))
    parts = precision_recall_fscore_support(expected, predicted, average=None, zero_division=0)
    for values in zip(*parts):
        write(out, values)
    write(out, [accuracy_score(expected, predicted), 0, 0] + averages(expected.astype(int), predicted.astype(int)))


lines = []
single(lines, 2, 100, 0.8)
single(lines, 2, 50, 1.0)
single(lines, 2, 30, 0.9, present=[1])
single(lines, 1, 5, 1.0)
single(lines, 5, 300, 0.6)
single(lines, 9, 40, 0.3, present=[0, 2, 3, 7])
single(lines, 30, 900, 0.7)
multi(lines, 2, 20, 0.5)
multi(lines, 6, 60, 0.3)
multi(lines, 4, 12, 0.0)
pathlib.Path(__file__).with_name("metrics.txt").write_text("\n".join(lines) + "\n")
