#!/usr/bin/env python3
"""Write adamw.txt, lazy.txt and schedule.txt: AdamW, clipping and schedules as the reference libraries compute them.

"adamw STEPS COUNT LR DECAY BETA1 BETA2 EPS CLIP", the initial weights, then a step: the gradient, its norm, the weights.
"lazy STEPS COUNT LR DECAY BETA1 BETA2 EPS WARMUP", the initial weights, then a step of a linear schedule: 1 and the
gradient or 0 for none (which AdamW is given as zeros), the weights.
"schedule KIND(0 linear, 1 cosine, 2 constant) WARMUP TOTAL" and TOTAL factors.
Versions: requirements.txt.
"""
import pathlib

import torch
from transformers import get_scheduler

torch.manual_seed(11)


def line(values):
    return " ".join(repr(float(value)) for value in values)


def adamw(out, steps, count, lr, decay, betas, eps, clip):
    weights = torch.nn.Parameter(torch.randn(count) * 0.1)
    optimizer = torch.optim.AdamW([weights], lr=lr, weight_decay=decay, betas=betas, eps=eps)
    out.append(f"adamw {steps} {count} {lr!r} {decay!r} {betas[0]!r} {betas[1]!r} {eps!r} {clip!r}")
    out.append(line(weights.detach()))
    for step in range(steps):
        weights.grad = torch.randn(count) * 10.0 ** float(torch.randint(-3, 2, ()))
        if step % 5 == 3:
            weights.grad[::2] = 0
        out.append(line(weights.grad))
        norm = torch.nn.utils.clip_grad_norm_([weights], clip if clip > 0 else float("inf"))
        out.append(line([norm]))
        optimizer.step()
        out.append(line(weights.detach()))


def lazy(out, steps, count, lr, decay, betas, eps, warmup, chance):
    weights = torch.nn.Parameter(torch.randn(count) * 0.1)
    optimizer = torch.optim.AdamW([weights], lr=lr, weight_decay=decay, betas=betas, eps=eps)
    scheduler = get_scheduler("linear", optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    out.append(f"lazy {steps} {count} {lr!r} {decay!r} {betas[0]!r} {betas[1]!r} {eps!r} {warmup}")
    out.append(line(weights.detach()))
    for _ in range(steps):
        touched = bool(torch.rand(()) < chance)
        weights.grad = torch.randn(count) * 10.0 ** float(torch.randint(-3, 2, ())) if touched else torch.zeros(count)
        out.append("1 " + line(weights.grad) if touched else "0")
        optimizer.step()
        scheduler.step()
        out.append(line(weights.detach()))


def schedule(out, number, kind, warmup, total):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=total)
    factors = []
    for _ in range(total):
        factors.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    out.append(f"schedule {number} {warmup} {total}")
    out.append(line(factors))


def save(name, lines):
    pathlib.Path(__file__).with_name(name).write_text("\n".join(lines) + "\n")


lines = []
adamw(lines, 20, 37, 1e-2, 0.01, (0.9, 0.999), 1e-8, 1.0)
adamw(lines, 20, 37, 1e-3, 0.0, (0.8, 0.95), 1e-6, 0.0)
save("adamw.txt", lines)
lines = []
lazy(lines, 60, 13, 1e-2, 0.01, (0.9, 0.999), 1e-8, 6, 0.1)
lazy(lines, 200, 13, 1e-3, 0.5, (0.8, 0.95), 1e-8, 0, 0.02)
save("lazy.txt", lines)
lines = []
for number, kind in enumerate(("linear", "cosine", "constant_with_warmup")):
    schedule(lines, number, kind, 4, 23)
    schedule(lines, number, kind, 0, 5)
    schedule(lines, number, kind, 6, 6)
save("schedule.txt", lines)
