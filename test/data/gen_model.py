"""Tiny models of every kind that is imported, with what transformers compute with them.

    python3 test/data/gen_model.py        (packages: requirements.txt)

Each directory under models/ is as save_pretrained or sentence-transformers lay it
out, plus expected.txt: a line for each line of texts.txt with the probabilities
(none for an encoder) and the pooled hidden state.
"""
import json
import os
import shutil
import string

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel,
                          DistilBertConfig, DistilBertForSequenceClassification)

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")

TEXTS = [
    "the cat sat on the mat",
    "win a prize now",
    "",
    "meeting moved to noon, bring the report!",
    "Zebra",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9 the end of a long text that is cut",
    "caf\u00e9 na\u00efve \u4e2d\u6587",
    "the the the the",
]

WORDS = ("the cat sat on mat win prize now meeting moved to noon bring report end of long text that is cut "
         "ze ##bra cafe na ##ive ##ing ##ed").split()


def vocabulary():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list(".,!?") + list(string.digits)
    tokens += list(string.ascii_lowercase) + ["##" + c for c in string.ascii_lowercase] + ["\u4e2d"]
    return tokens + [w for w in WORDS if w not in tokens]


def make_tokenizer():
    ids = {token: i for i, token in enumerate(vocabulary())}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])])
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


TOKENIZER = make_tokenizer()
SIZES = dict(vocab_size=len(vocabulary()), max_position_embeddings=40)
BERT = dict(SIZES, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
DISTILBERT = dict(SIZES, dim=16, n_layers=2, n_heads=2, hidden_dim=32)


def spread(model, seed):
    """Weights large enough that texts differ in their results, norms that are not 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = "norm" in name.lower() and name.endswith("weight")
            parameter.copy_(1 + 0.2 * noise if is_norm else 0.3 * noise)
    return model.eval()


def write_tokenizer(directory, files):
    path = os.path.join(HERE, directory)
    if "tokenizer.json" in files:
        TOKENIZER.save(os.path.join(path, "tokenizer.json"))
    if "vocab.txt" in files:
        with open(os.path.join(path, "vocab.txt"), "w", encoding="utf-8") as out:
            out.write("".join(token + "\n" for token in vocabulary()))
    if "tokenizer_config.json" in files:
        with open(os.path.join(path, "tokenizer_config.json"), "w") as out:
            json.dump({"do_lower_case": True, "model_max_length": int(1e30), "tokenizer_class": "BertTokenizer"}, out,
                      indent=2)
            out.write("\n")


def encode(text, limit):
    encoding = TOKENIZER.encode(text)
    ids = encoding.ids
    if len(ids) > limit:
        ids = ids[:limit - 1] + ids[-1:]
    return torch.tensor([ids])


def expect(directory, model, encoder, pooling, problem=None, normalize=False, limit=40):
    """pooling: mean or cls of the encoder's last hidden state."""
    with open(os.path.join(HERE, directory, "expected.txt"), "w") as out:
        for text in TEXTS:
            ids = encode(text, limit)
            with torch.no_grad():
                hidden = encoder(ids).last_hidden_state[0]
                pooled = hidden.mean(0) if pooling == "mean" else hidden[0]
                if normalize:
                    pooled = torch.nn.functional.normalize(pooled, dim=0)
                values = []
                if problem is not None:
                    logits = model(ids).logits[0]
                    values = (torch.sigmoid(logits) if problem == "multi" else torch.softmax(logits, 0)).tolist()
            out.write(" ".join("%.8g" % v for v in values + pooled.tolist()) + "\n")


def save(model, directory, **arguments):
    path = os.path.join(HERE, directory)
    shutil.rmtree(path, ignore_errors=True)
    model.save_pretrained(path, **arguments)


def labelled(base, labels, **more):
    return dict(base, id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)}, **more)


def bert_classifiers():
    labels = ["business", "science & more", "\u00fcbrig"]
    config = BertConfig(**labelled(BERT, labels, problem_type="single_label_classification"), project_note="kept")
    model = spread(BertForSequenceClassification(config), 1)
    save(model, "bert_f32")
    write_tokenizer("bert_f32", ["tokenizer.json", "vocab.txt", "tokenizer_config.json"])
    expect("bert_f32", model, model.bert, "cls", "single")
    save(model, "bert_sharded", max_shard_size="12KB")
    write_tokenizer("bert_sharded", ["tokenizer.json"])
    expect("bert_sharded", model, model.bert, "cls", "single")
    for name, dtype in (("bert_f16", torch.float16), ("bert_bf16", torch.bfloat16)):
        half = spread(BertForSequenceClassification(config), 1).to(dtype)
        save(half, name)
        write_tokenizer(name, ["vocab.txt", "tokenizer_config.json"])
        whole = half.float()
        expect(name, whole, whole.bert, "cls", "single")


def bert_multi_label():
    config = BertConfig(**labelled(BERT, ["a", "b", "c", "d"], problem_type="multi_label_classification"),
                        hidden_act="gelu_new")
    model = spread(BertForSequenceClassification(config), 2)
    save(model, "bert_multi")
    write_tokenizer("bert_multi", ["tokenizer.json", "tokenizer_config.json"])
    expect("bert_multi", model, model.bert, "cls", "multi")


def distilbert():
    config = DistilBertConfig(**labelled(DISTILBERT, ["NEGATIVE", "POSITIVE"]))
    model = spread(DistilBertForSequenceClassification(config), 3)
    save(model, "distilbert")
    write_tokenizer("distilbert", ["tokenizer.json"])
    expect("distilbert", model, model.distilbert, "cls", "single")


def masked_language_model():
    model = spread(BertForMaskedLM(BertConfig(**BERT)), 4)
    save(model, "bert_mlm")
    write_tokenizer("bert_mlm", ["vocab.txt"])
    expect("bert_mlm", model, model.bert, "mean")


def old_names():
    """As files of 2019: no prefix, gamma and beta, position_ids among the tensors, no class in the config."""
    model = spread(BertModel(BertConfig(**BERT), add_pooling_layer=False), 5)
    save(model, "bert_old")
    path = os.path.join(HERE, "bert_old")
    weights = os.path.join(path, "model.safetensors")
    tensors = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
               for name, tensor in load_file(weights).items()}
    tensors["embeddings.position_ids"] = torch.arange(40).unsqueeze(0)
    save_file(tensors, weights, metadata={"format": "pt"})
    with open(os.path.join(path, "config.json")) as source:
        config = json.load(source)
    del config["architectures"]
    with open(os.path.join(path, "config.json"), "w") as out:
        json.dump(config, out, indent=2)
        out.write("\n")
    write_tokenizer("bert_old", ["vocab.txt"])
    expect("bert_old", model, model, "mean")


def sentence_transformer():
    model = spread(BertModel(BertConfig(**BERT)), 6)
    save(model, "sentence")
    path = os.path.join(HERE, "sentence")
    os.makedirs(os.path.join(path, "1_Pooling"))
    kind = "sentence_transformers.models."
    modules = [{"idx": i, "name": str(i), "path": p, "type": kind + c}
               for i, (p, c) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])]
    pooling = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False,
               "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False}
    for name, content in (("modules.json", modules), ("1_Pooling/config.json", pooling),
                          ("sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": False})):
        with open(os.path.join(path, name), "w") as out:
            json.dump(content, out, indent=2)
            out.write("\n")
    write_tokenizer("sentence", ["tokenizer.json", "tokenizer_config.json"])
    expect("sentence", model, model, "cls", normalize=True, limit=24)


def main():
    os.makedirs(HERE, exist_ok=True)
    with open(os.path.join(HERE, "texts.txt"), "w", encoding="utf-8") as out:
        out.write("".join(text + "\n" for text in TEXTS))
    bert_classifiers()
    bert_multi_label()
    distilbert()
    masked_language_model()
    old_names()
    sentence_transformer()


if __name__ == "__main__":
    main()
