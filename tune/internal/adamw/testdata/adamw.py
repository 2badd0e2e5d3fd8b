"""Writes adamw.json: weights after 1, 2, 10 and 100 steps of PyTorch's AdamW.

Two parameter groups with rates and decays of their own, clipping by the global norm,
warm-up and linear decay. Gradients depend on the weights, so that errors would add up.
Made with PyTorch 2 and transformers 4.57: python adamw.py > adamw.json
"""
import json

import torch
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

N = 12


def start(seed):
    return [((i * 37 + seed * 11) % 23 - 11) / 16 for i in range(N)]


def run(schedule):
    a = torch.tensor(start(1), requires_grad=True)
    b = torch.tensor(start(2), requires_grad=True)
    groups = [{"params": [a], "lr": 1e-2, "weight_decay": 0.1}, {"params": [b], "lr": 1e-1, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups)
    plan = schedule(optimizer, 10, 100)
    out = []
    for step in range(1, 101):
        # 4·sin is not convex: the path depends on every earlier step.
        phase = torch.tensor([((step * 7 + i * 5) % 19) / 19 for i in range(N)])
        optimizer.zero_grad()
        ((a * 3 + phase).sin() * 4 + (b * phase) ** 2).sum().backward()
        norm = torch.nn.utils.clip_grad_norm_([a, b], 5.0)
        optimizer.step()
        plan.step()
        if step in (1, 2, 10, 100):
            out.append({"step": step, "norm": norm.item(), "a": a.tolist(), "b": b.tolist()})
    return out


print(json.dumps({"linear": run(get_linear_schedule_with_warmup), "cosine": run(get_cosine_schedule_with_warmup)}))
