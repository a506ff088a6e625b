#!/usr/bin/env python3
"""Write trainer.txt: ten training steps of a tiny BERT in PyTorch (versions: requirements.txt).

"case NAME PROBLEM(0 single label, 2 multi-label) OUTPUTS", "tensors N", N lines "name count values...",
"examples N", N lines "n_tokens ids... targets...", "losses 10" and the losses, "changes" and for each tensor the L2
norm of what the ten steps changed.  Step i takes the examples 4i..4i+3.  Id 0 does not
occur, since PyTorch trains no padding token.  The options of the cases are in test_trainer.c.
"""
import pathlib

import torch
from transformers import BertConfig, BertForSequenceClassification, get_scheduler

STEPS, BATCH = 10, 4
lines = []


def canonical(name):
    if name.startswith("bert.pooler.dense."):
        return name.replace("bert.pooler.dense.", "head.dense.")
    return name.removeprefix("bert.")


def parameter_groups(model, learning_rate, head_learning_rate, decay):
    groups = []
    for name, parameter in model.named_parameters():
        head = canonical(name).startswith(("head.", "classifier."))
        groups.append({"params": [parameter], "lr": head_learning_rate if head else learning_rate,
                       "weight_decay": decay if parameter.dim() == 2 else 0.0})
    return groups


def number(value):
    return f"{float(value):.9g}"


def case(name, multi, outputs, loss_function, learning_rate, head_learning_rate, decay, clip, kind, warmup):
    torch.manual_seed(5)
    config = BertConfig(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=32, max_position_embeddings=12, num_labels=outputs,
                        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = BertForSequenceClassification(config).train()
    lines.append(f"case {name} {2 if multi else 0} {outputs}")
    state = {canonical(key): value for key, value in model.named_parameters()}
    with torch.no_grad():
        for value in state.values():
            value.add_(torch.randn_like(value) * 0.05)
    before = {key: value.detach().double().clone() for key, value in state.items()}
    lines.append(f"tensors {len(state)}")
    for key, value in state.items():
        lines.append(f"{key} {value.numel()} " + " ".join(number(v) for v in value.detach().flatten()))
    optimizer = torch.optim.AdamW(parameter_groups(model, learning_rate, head_learning_rate, decay), eps=1e-6)
    scheduler = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=STEPS)
    examples, losses = [], []
    for _ in range(STEPS):
        logits, targets = [], []
        for _ in range(BATCH):
            ids = torch.randint(1, 40, (int(torch.randint(1, 13, ())),))
            target = (torch.rand(outputs) < 0.4).float() if multi else torch.randint(0, outputs, ())
            examples.append(f"{len(ids)} " + " ".join(str(int(i)) for i in ids) + " " +
                            " ".join(str(int(v)) for v in target.flatten()))
            logits.append(model(ids[None]).logits)
            targets.append(target)
        loss = loss_function(torch.cat(logits), torch.stack(targets))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip if clip > 0 else float("inf"))
        optimizer.step()
        scheduler.step()
    lines.append(f"examples {len(examples)}")
    lines.extend(examples)
    lines.append(f"losses {STEPS}")
    lines.append(" ".join(number(loss) for loss in losses))
    changes = [(value.detach().double() - before[key]).norm() for key, value in state.items()]
    lines.append("changes " + " ".join(number(change) for change in changes))


case("plain", False, 3, torch.nn.CrossEntropyLoss(), 1e-3, 1e-3, 0.01, 1.0, "linear", 1)
case("weighted", False, 3, torch.nn.CrossEntropyLoss(weight=torch.tensor([0.5, 2.0, 1.5]), label_smoothing=0.1),
     1e-3, 5e-3, 0.1, 0.0, "cosine", 3)
case("multi", True, 4, torch.nn.BCEWithLogitsLoss(), 2e-3, 2e-3, 0.0, 0.5, "constant_with_warmup", 2)
pathlib.Path(__file__).with_name("trainer.txt").write_text("\n".join(lines) + "\n")
