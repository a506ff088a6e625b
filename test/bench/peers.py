#!/usr/bin/env python3
"""What a user would run instead, on the same texts: ONNX Runtime, OpenVINO, PyTorch, Hugging Face tokenizers.

    peers.py make-bert-base MINILM DIRECTORY			a classifier of that shape with random weights
    peers.py infer MODEL TEXTS [--threads N] [--engines LIST]	MODEL: a directory of Hugging Face
    peers.py tokenize MODEL TEXTS
    peers.py frame TEXTS >FILE					size (uint32) and bytes of each text, for bench_tokenizer
    peers.py finetune MODEL TRAIN TEST [--threads N] [--precision fp32|bf16] [--epochs N] [--seed N]

TEXTS, TRAIN and TEST are CSV files with a header and the columns text and, for finetune, label.  Prints lines
"what|figure|unit".  Rates of infer do not count tokenizing; batches are sorted by length and padded to their longest.
"""
import argparse
import csv
import os
import struct
import sys
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy as np
import torch
import transformers
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, BertConfig
from transformers import BertForSequenceClassification, get_linear_schedule_with_warmup

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

ENGINES = "ort_fp32,ort_int8,openvino_fp32,openvino_bf16,torch_fp32,torch_bf16"
MAX_LENGTH = 128


def show(what, figure, unit):
    print(f"{what}|{figure}|{unit}", flush=True)


def read_column(path, column):
    csv.field_size_limit(10**9)
    with open(path, newline="", encoding="utf-8") as file:
        return [row[column] for row in csv.DictReader(file)]


def make_bert_base(arguments):
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(num_labels=4))
    model.save_pretrained(arguments.directory)
    AutoTokenizer.from_pretrained(arguments.minilm).save_pretrained(arguments.directory)


class MeanPooled(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask):
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)


def load_encoder(directory, attention):
    return MeanPooled(AutoModel.from_pretrained(directory, attn_implementation=attention, dtype=torch.float32).eval())


def onnx_file(directory, folder, int8):
    path = os.path.join(folder, "model.onnx")
    if not os.path.exists(path):
        ids = torch.ones(2, 16, dtype=torch.long)
        axes = {"input_ids": {0: "b", 1: "s"}, "attention_mask": {0: "b", 1: "s"}, "pooled": {0: "b"}}
        torch.onnx.export(load_encoder(directory, "eager"), (ids, ids), path, dynamo=False, opset_version=17,
                          input_names=["input_ids", "attention_mask"], output_names=["pooled"], dynamic_axes=axes)
    if not int8:
        return path
    quantised = os.path.join(folder, "model-int8.onnx")
    if not os.path.exists(quantised):
        from onnxruntime.quantization import QuantType, quantize_dynamic
        quantize_dynamic(path, quantised, weight_type=QuantType.QInt8, per_channel=True)
    return quantised


def runner(engine, directory, folder, threads):
    family, precision = engine.split("_")
    if family == "ort":
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(onnx_file(directory, folder, precision == "int8"), options,
                                               providers=["CPUExecutionProvider"])
        return lambda ids, mask: session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    if family == "openvino":
        import openvino
        compiled = openvino.Core().compile_model(onnx_file(directory, folder, False), "CPU", {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32" if precision == "fp32" else "bf16"})
        request = compiled.create_infer_request()
        return lambda ids, mask: request.infer({"input_ids": ids, "attention_mask": mask})[compiled.output(0)]
    torch.set_num_threads(threads)
    net = load_encoder(directory, "sdpa")
    if precision == "bf16":
        net = net.to(torch.bfloat16)

    def run(ids, mask):
        with torch.inference_mode():
            return net(torch.from_numpy(ids), torch.from_numpy(mask)).float().numpy()
    return run


def batches(docs, size):
    order = sorted(range(len(docs)), key=lambda i: len(docs[i])) if size > 1 else list(range(len(docs)))
    for start in range(0, len(order), size):
        part = [docs[i] for i in order[start:start + size]]
        width = max(map(len, part))
        ids, mask = np.zeros((len(part), width), np.int64), np.zeros((len(part), width), np.int64)
        for row, doc in enumerate(part):
            ids[row, :len(doc)], mask[row, :len(doc)] = doc, 1
        yield ids, mask


def best_seconds(run, work, repeats):
    for ids, mask in work[:max(3, len(work) // 8)]:
        run(ids, mask)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        for ids, mask in work:
            run(ids, mask)
        best = min(best, time.perf_counter() - start)
    return best


def infer(arguments):
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    texts = read_column(arguments.texts, "text")
    docs = [tokenizer(text, truncation=True, max_length=MAX_LENGTH)["input_ids"] for text in texts]
    show("tokens a text", f"{sum(map(len, docs)) / len(docs):.1f}", "")
    with tempfile.TemporaryDirectory() as folder:
        for engine in arguments.engines.split(","):
            try:
                run = runner(engine, arguments.model, folder, arguments.threads)
            except ImportError as error:
                show(engine, "not installed", str(error))
                continue
            for size in (1, 32):
                seconds = best_seconds(run, list(batches(docs, size)), arguments.repeats)
                show(f"{engine} batch {size}", f"{len(docs) / seconds:.1f}", "texts/s")


def tokenize(arguments):
    tokenizer = AutoTokenizer.from_pretrained(arguments.model).backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = read_column(arguments.texts, "text")
    size = sum(len(text.encode()) for text in texts)
    best, count = float("inf"), 0
    for _ in range(arguments.repeats):
        start = time.perf_counter()
        count = sum(len(tokenizer.encode(text).ids) for text in texts)
        best = min(best, time.perf_counter() - start)
    show("tokenizers", f"{size / best / 1e6:.2f}", "MB/s")
    show("tokenizers tokens", str(count), "")


def frame(arguments):
    for text in read_column(arguments.texts, "text"):
        data = text.encode()
        sys.stdout.buffer.write(struct.pack("=I", len(data)) + data)


def finetune(arguments):
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    shuffle = np.random.default_rng(arguments.seed)
    texts, labels = read_column(arguments.train, "text"), read_column(arguments.train, "label")
    names = sorted(set(labels))
    targets = np.array([names.index(label) for label in labels])
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForSequenceClassification.from_pretrained(arguments.model, num_labels=len(names)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01)
    steps = arguments.epochs * -(-len(texts) // arguments.batch_size)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)

    def encode(part):
        return tokenizer(part, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")

    start = time.perf_counter()
    for _ in range(arguments.epochs):
        order = shuffle.permutation(len(texts))
        for first in range(0, len(order), arguments.batch_size):
            index = order[first:first + arguments.batch_size]
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=arguments.precision == "bf16"):
                loss = model(**encode([texts[i] for i in index]), labels=torch.from_numpy(targets[index])).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    seconds = time.perf_counter() - start
    name = f"torch {arguments.precision}, {arguments.threads} thread(s)"
    show(name, f"{arguments.epochs * len(texts) / seconds:.1f}", "texts/s of training")
    model.eval()
    test_texts, test_labels = read_column(arguments.test, "text"), read_column(arguments.test, "label")
    right = 0
    with torch.inference_mode():
        for first in range(0, len(test_texts), 64):
            best = model(**encode(test_texts[first:first + 64])).logits.argmax(-1).tolist()
            right += sum(names[i] == label for i, label in zip(best, test_labels[first:first + 64]))
    show(f"{name}, accuracy", f"{right / len(test_texts):.4f}", "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("make-bert-base")
    command.add_argument("minilm")
    command.add_argument("directory")
    command.set_defaults(run=make_bert_base)
    command = commands.add_parser("infer")
    command.add_argument("model")
    command.add_argument("texts")
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--engines", default=ENGINES)
    command.add_argument("--repeats", type=int, default=2)
    command.set_defaults(run=infer)
    command = commands.add_parser("tokenize")
    command.add_argument("model")
    command.add_argument("texts")
    command.add_argument("--repeats", type=int, default=3)
    command.set_defaults(run=tokenize)
    command = commands.add_parser("frame")
    command.add_argument("texts")
    command.set_defaults(run=frame)
    command = commands.add_parser("finetune")
    command.add_argument("model")
    command.add_argument("train")
    command.add_argument("test")
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    command.add_argument("--epochs", type=int, default=1)
    command.add_argument("--batch-size", type=int, default=16)
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(run=finetune)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
