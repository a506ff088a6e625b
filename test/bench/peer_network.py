#!/usr/bin/env python3
"""The work of bench_network.c by PyTorch and transformers in fp32, one thread: see there for the texts.

    peer_network.py [minilm|bert-base] [inference|training|single ...]
"""
import math
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import BertConfig, BertForSequenceClassification

TEXTS = 256
MASK = (1 << 64) - 1


def make_lengths():
    """The same lengths as make_lengths() of bench_network.c."""
    state = 1

    def uniform():
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return ((z ^ (z >> 31)) >> 11) * 2.0**-53

    lengths = []
    for _ in range(TEXTS):
        radius = math.sqrt(-2 * math.log(1 - uniform()))
        z = radius * math.cos(6.283185307179586 * uniform())
        lengths.append(int(min(128, max(8, math.exp(3.75 + 0.6 * z)))))
    return lengths


def batches(lengths, size):
    """Padded ids and masks, as a tokenizer with padding=True makes them."""
    for first in range(0, TEXTS, size):
        part = lengths[first:first + size]
        mask = torch.zeros(len(part), max(part), dtype=torch.long)
        for row, length in enumerate(part):
            mask[row, :length] = 1
        yield torch.randint(1000, 30000, mask.shape) * mask, mask


def main():
    model_name = sys.argv[1] if len(sys.argv) > 1 else "minilm"
    wanted = sys.argv[2:] or ["single", "training", "inference"]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = BertConfig(num_labels=4)
    if model_name == "minilm":
        config = BertConfig(hidden_size=384, num_hidden_layers=6, intermediate_size=1536, num_labels=4)
    model = BertForSequenceClassification(config)
    lengths = make_lengths()
    tokens = sum(lengths)

    def report(what, run, repeats=3):
        run()
        best = math.inf
        for _ in range(repeats):
            start = time.process_time()
            run()
            best = min(best, time.process_time() - start)
        print(f"{what}: {tokens / best:.0f} tokens/s, {TEXTS / best:.1f} texts/s, {best:.2f} s", flush=True)

    def infer(size, order):
        with torch.inference_mode():
            for ids, mask in batches(order, size):
                model(input_ids=ids, attention_mask=mask)

    def train(optimizer, size=16):
        for ids, mask in batches(lengths, size):
            loss = model(input_ids=ids, attention_mask=mask, labels=torch.zeros(len(ids), dtype=torch.long)).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    print(f"{model_name}, PyTorch {torch.__version__}, {torch.get_num_threads()} thread")
    model.eval()
    if "single" in wanted:
        report("inference, batches of 1", lambda: infer(1, lengths))
    if "inference" in wanted:
        report("inference, batches of 32", lambda: infer(32, sorted(lengths)))
    if "training" in wanted:
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01)
        report("training, batches of 16", lambda: train(optimizer))


if __name__ == "__main__":
    main()
