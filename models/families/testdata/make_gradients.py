"""Writes gradients.safetensors beside the small checkpoints of this folder and of
models/bert/testdata: the gradients of all weights that PyTorch computes for the
sequences in goldens.json, in float64.

Versions: Python 3.11, torch 2.15.0, transformers 4.57.6, safetensors 0.8.0.

    python make_gradients.py [FOLDER...]     all checkpoints, or those named

The loss is the sum of all logits times weight(sequence, label). Of a gradient the
file has a digest [4 + n]: its norm, three sums with the signs of sign(), and n of
its values at equal distances, at most 48.
"""
import json
import math
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent


def weight(sequence, label):
    return math.sin(1 + 3 * sequence + 7 * label)


def sign(k, i):
    return -1.0 if bin(i * (2 * k + 3) + k).count("1") % 2 else 1.0


def digest(gradient):
    g = gradient.flatten().double()
    n = min(len(g), 48)
    sums = [sum(sign(k, i) * x for i, x in enumerate(g.tolist())) for k in range(3)]
    values = [g[i * len(g) // n].item() for i in range(n)]
    return torch.tensor([g.norm().item(), *sums, *values], dtype=torch.float32)


def make(folder):
    goldens = json.loads((folder / "goldens.json").read_text())
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").double().eval()
    model.config.reference_compile = False
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            # PyTorch leaves the embedding of padding as it is. In training there is
            # no padding here, so no row is an exception. Nor are sinusoidal positions.
            module.padding_idx = None
    model.requires_grad_(True)
    worst = 0.0
    for s, golden in enumerate(goldens):
        ids = torch.tensor([golden["ids"]])
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if golden.get("type_ids") and getattr(model.config, "type_vocab_size", 0):
            inputs["token_type_ids"] = torch.tensor([golden["type_ids"]])
        logits = model(**inputs).logits[0]
        worst = max(worst, (logits.detach() - torch.tensor(golden["logits"])).abs().max().item())
        loss = sum(x * weight(s, label) for label, x in enumerate(logits))
        loss.backward()
    assert worst < 1e-4, worst
    save_file({name: digest(p.grad if p.grad is not None else torch.zeros_like(p))
               for name, p in model.named_parameters()}, folder / "gradients.safetensors")
    print(folder.name, "logits differ by", worst)


if __name__ == "__main__":
    folders = [pathlib.Path(f) for f in sys.argv[1:]] or sorted(
        p.parent for d in (HERE, HERE.parents[1] / "bert" / "testdata") for p in d.glob("*/goldens.json"))
    for f in folders:
        if f.name != "settings":
            make(f)
