#!/usr/bin/env python3
"""Write network.bin: hidden states, logits, losses and all gradients of tiny models by PyTorch.

The models are those of transformers (or torch layers behind them), computed in double precision over padded batches.
Parameters are not stored: both sides compute them from their place in the plan (see parameter_values).
Layout, little-endian, one case after the other: see write_case; test/unit/test_network.c reads it.

    python3 -m pip install -r test/data/requirements.txt
    test/data/gen_network.py
"""
import os
import struct

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel
from transformers import DistilBertConfig, DistilBertForSequenceClassification

ACTS = ["gelu", "gelu_new", "relu"]
POOLINGS = ["mean", "cls", "max"]
HEADS = ["none", "linear", "tanh", "relu"]
PROBLEMS = ["single", "binary", "multi"]
EPSILON = 1e-12

CASES = [
    dict(name="bert_single", family="bert", act="gelu", pooling="cls", head="tanh", problem="single", outputs=3,
         sizes=(40, 16, 2, 2, 24, 12, 2), lengths=[5, 1, 12, 2, 9], weights=True, smoothing=0.1),
    dict(name="distilbert_multi", family="distilbert", act="gelu", pooling="cls", head="relu", problem="multi",
         outputs=4, sizes=(40, 16, 2, 2, 24, 12, 0), lengths=[12, 3, 1], weights=True, smoothing=0.0),
    dict(name="mean_binary", family="pooled", act="gelu_new", pooling="mean", head="linear", problem="binary",
         outputs=1, sizes=(40, 16, 2, 2, 24, 12, 2), lengths=[1, 7, 2, 12], weights=True, smoothing=0.0),
    dict(name="max_single", family="pooled", act="relu", pooling="max", head="linear", problem="single", outputs=2,
         sizes=(40, 16, 1, 1, 24, 12, 1), lengths=[4, 12, 1, 2], weights=False, smoothing=0.0),
    dict(name="mean_single_wide", family="pooled", act="gelu", pooling="mean", head="linear", problem="single",
         outputs=5, sizes=(60, 36, 2, 3, 64, 70, 2), lengths=[70, 1, 2, 33, 17], weights=True, smoothing=0.0),
]


def parameter_values(count):
    """Uniform in -1..1: the high 24 bits of a linear congruence of a mixed index."""
    index = np.arange(count, dtype=np.uint64)
    mixed = (index * 2654435761 + 12345) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> np.uint64(15))) * 2246822519) & 0xFFFFFFFF
    mixed ^= mixed >> np.uint64(13)
    return (mixed >> np.uint64(8)).astype(np.float64) / 2**23 - 1.0


def canonical(case):
    """Names in the order of the plan, each with its name in the model of transformers."""
    _, _, layers, _, _, _, types = case["sizes"]
    distil = case["family"] == "distilbert"
    root = {"bert": "bert.", "distilbert": "distilbert.", "pooled": "encoder."}[case["family"]]
    names = ["embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"]
    if types:
        names.append("embeddings.token_type_embeddings.weight")
    names += ["embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"]
    names = [root + name for name in names]
    bert_parts = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
                  "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"]
    distil_parts = ["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm",
                    "ffn.lin1", "ffn.lin2", "output_layer_norm"]
    for layer in range(layers):
        prefix = root + ("transformer" if distil else "encoder") + f".layer.{layer}."
        parts = [prefix + part for part in (distil_parts if distil else bert_parts)]
        names += [part + ".weight" for part in parts[:3]] + [part + ".bias" for part in parts[:3]]
        for part in parts[3:]:
            names += [part + ".weight", part + ".bias"]
    dense = {"tanh": "bert.pooler.dense", "relu": "pre_classifier"}.get(case["head"])
    for part in ([dense] if dense else []) + ["classifier"]:
        names += [part + ".weight", part + ".bias"]
    return names


class Pooled(torch.nn.Module):
    def __init__(self, config, pooling, outputs):
        super().__init__()
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.classifier = torch.nn.Linear(config.hidden_size, outputs)
        self.pooling = pooling


def build(case):
    vocab, hidden, layers, heads, inner, positions, types = case["sizes"]
    if case["family"] == "distilbert":
        config = DistilBertConfig(vocab_size=vocab, dim=hidden, n_layers=layers, n_heads=heads, hidden_dim=inner,
                                  max_position_embeddings=positions, activation=case["act"],
                                  num_labels=case["outputs"], dropout=0.0, attention_dropout=0.0,
                                  seq_classif_dropout=0.0, attn_implementation="eager")
        return DistilBertForSequenceClassification(config).double()
    config = BertConfig(vocab_size=vocab, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
                        intermediate_size=inner, max_position_embeddings=positions, type_vocab_size=types,
                        hidden_act=case["act"], layer_norm_eps=EPSILON, num_labels=case["outputs"],
                        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="eager")
    if case["family"] == "bert":
        return BertForSequenceClassification(config).double()
    return Pooled(config, case["pooling"], case["outputs"]).double()


def set_parameters(model, names):
    parameters = dict(model.named_parameters())
    assert sorted(parameters) == sorted(names), set(parameters) ^ set(names)
    values = parameter_values(sum(parameters[name].numel() for name in names))
    first = 0
    with torch.no_grad():
        for name in names:
            parameter = parameters[name]
            part = values[first:first + parameter.numel()].reshape(parameter.shape)
            is_norm = "norm" in name.lower() and name.endswith(".weight")
            scaled = np.float32(0.5) * part.astype(np.float32) + np.float32(1.0 if is_norm else 0.0)
            parameter.copy_(torch.from_numpy(scaled.astype(np.float64)))
            first += parameter.numel()
    return parameters


def forward(model, case, ids, mask):
    """Hidden states, pooled vectors and logits of a padded batch."""
    if case["family"] != "pooled":
        base = model.bert if case["family"] == "bert" else model.distilbert
        hidden = base(input_ids=ids, attention_mask=mask)[0]
        return hidden, hidden[:, 0], model(input_ids=ids, attention_mask=mask).logits
    hidden = model.encoder(input_ids=ids, attention_mask=mask)[0]
    wide = mask.unsqueeze(-1).double()
    if case["pooling"] == "mean":
        pooled = (hidden * wide).sum(1) / wide.sum(1)
    else:
        pooled = hidden.masked_fill(wide == 0, -1e300).max(1).values
    return hidden, pooled, model.classifier(pooled)


def loss_of(case, logits, labels, weights):
    functional = torch.nn.functional
    if case["problem"] == "single":
        return functional.cross_entropy(logits, labels, weight=weights, label_smoothing=case["smoothing"])
    if case["problem"] == "binary":
        return functional.binary_cross_entropy_with_logits(logits[:, 0], labels.double(), weight=weights[labels])
    return functional.binary_cross_entropy_with_logits(logits, labels, weight=weights)


def write_case(file, case):
    vocab, hidden_size, layers, heads, inner, positions, types = case["sizes"]
    random = np.random.default_rng(7)
    lengths, outputs = case["lengths"], case["outputs"]
    batch, total = len(lengths), sum(lengths)
    model = build(case)
    names = canonical(case)
    parameters = set_parameters(model, names)
    # Id 0 is the padding token, whose embedding gets no gradient in PyTorch.
    ids = random.integers(1, vocab, total)
    padded = torch.zeros(batch, max(lengths), dtype=torch.long)
    mask = torch.zeros_like(padded)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    for text, length in enumerate(lengths):
        padded[text, :length] = torch.from_numpy(ids[starts[text]:starts[text + 1]])
        mask[text, :length] = 1
    classes = 2 if case["problem"] == "binary" else outputs
    weights = np.linspace(0.5, 1.75, classes).astype(np.float32) if case["weights"] else None
    labels = random.integers(0, classes, batch)
    multi = random.integers(0, 2, (batch, outputs)).astype(np.float32)
    targets = torch.from_numpy(multi).double() if case["problem"] == "multi" else torch.from_numpy(labels)
    hidden, pooled, logits = forward(model, case, padded, mask)
    loss = loss_of(case, logits, targets, None if weights is None else torch.from_numpy(weights).double())
    loss.backward()

    file.write(struct.pack("<24s", case["name"].encode()))
    file.write(struct.pack("<15i", vocab, hidden_size, layers, heads, inner, positions, types, ACTS.index(case["act"]),
                           POOLINGS.index(case["pooling"]), HEADS.index(case["head"]),
                           PROBLEMS.index(case["problem"]), outputs, batch, total, int(case["weights"])))
    file.write(struct.pack("<fd", case["smoothing"], loss.item()))
    for array, kind in ((ids, "<i4"), (starts, "<i4"), (labels, "<i4"), (multi, "<f4"),
                        (np.ones(classes) if weights is None else weights, "<f4"),
                        (hidden[mask.bool()].detach().numpy(), "<f4"), (pooled.detach().numpy(), "<f4"),
                        (logits.detach().numpy(), "<f4")):
        file.write(np.ascontiguousarray(array).astype(kind).tobytes())
    for name in names:
        file.write(parameters[name].grad.numpy().astype("<f4").tobytes())


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "network.bin")
    with open(path, "wb") as file:
        for case in CASES:
            write_case(file, case)
    print(path, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
