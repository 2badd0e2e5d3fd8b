#!/usr/bin/env python3
"""Checks that kenserve computes the same as Hugging Face's libraries on your own checkpoint.

usage: fidelity.py --kenserve BINARY --base DIR --tuned DIR --data FILE.jsonl [--texts N] [--limit F]

Prunes the tuned checkpoint, keeping everything exactly, and then checks
  export     every tensor of the exported checkpoint has the bits of the tuned one;
  half       with half of the weights kept, every exported weight is the tuned or the base one;
  ids        token ids of all texts equal those of `tokenizers`;
  logits     raw scores of the first N texts are close to those of `transformers` (float32);
  accuracy   on all labelled texts is close to that of `transformers`.
Prints one JSON object; exits 1 if a check fails.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

parser = argparse.ArgumentParser()
parser.add_argument("--kenserve", required=True)
parser.add_argument("--base", required=True)
parser.add_argument("--tuned", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--texts", type=int, default=200)
parser.add_argument("--limit", type=float, default=1e-4)
a = parser.parse_args()


def kenserve(*args, **kwargs):
    return subprocess.run([a.kenserve, *args], check=True, capture_output=True, **kwargs).stdout.decode()


def load(path):
    return load_file(os.path.join(path, "model.safetensors"))


def same_bits(x, y):
    return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


examples = [json.loads(line) for line in open(a.data, encoding="utf-8")]
texts = [e["text"].replace("\n", " ") for e in examples]
report = {}
with tempfile.TemporaryDirectory() as work:
    full = os.path.join(work, "full.ken")
    kenserve("prune", "--base", a.base, "--tuned", a.tuned, "--out", full, "--keep", "1", "--values", "f32")
    kenserve("export", full, "--base", a.base, "--out", os.path.join(work, "full"))
    tuned, exported = load(a.tuned), load(os.path.join(work, "full"))
    report["export_identical"] = tuned.keys() == exported.keys() and all(same_bits(tuned[k], exported[k]) for k in tuned)

    half = os.path.join(work, "half.ken")
    kenserve("prune", "--base", a.base, "--tuned", a.tuned, "--out", half, "--keep", "0.5", "--values", "f32")
    kenserve("export", half, "--base", a.base, "--out", os.path.join(work, "half"))
    base, exported = load(a.base), load(os.path.join(work, "half"))
    neither = 0
    for name, x in exported.items():
        t = tuned[name].view(np.uint32)
        b = next((base[n] for n in (name, name.split(".", 1)[1]) if n in base), None)
        b = t if b is None else b.astype(np.float32).view(np.uint32)
        neither += int(((x.view(np.uint32) != t) & (x.view(np.uint32) != b)).sum())
    report["half_weights_of_neither"] = neither

    lines = "".join(t + "\n" for t in texts)
    tokenizer = AutoTokenizer.from_pretrained(a.tuned)
    ids = [json.loads(line)["ids"] for line in kenserve("tokenize", "--base", a.base, input=lines.encode()).splitlines()]
    report["texts"] = len(texts)
    report["ids_different"] = sum(x != y for x, y in zip(ids, tokenizer(texts)["input_ids"], strict=True))

    model = AutoModelForSequenceClassification.from_pretrained(a.tuned, dtype=torch.float32).eval()
    labels = [model.config.id2label[i] for i in range(model.config.num_labels)]
    ours = []
    for line in kenserve("classify", full, "--base", a.base, "--format", "text", "--raw-scores", input=lines.encode()).splitlines():
        scores = {s["label"]: s["score"] for s in json.loads(line)["scores"]}
        ours.append([scores[label] for label in labels])
    ours = np.array(ours)
    theirs = []
    with torch.no_grad():
        for text in texts:
            theirs.append(model(**tokenizer(text, truncation=True, max_length=model.config.max_position_embeddings, return_tensors="pt")).logits[0].numpy())
    theirs = np.array(theirs)
    difference = np.abs(ours - theirs).max(axis=1)
    report["logits_texts"] = min(a.texts, len(texts))
    report["logits_max_difference"] = float(difference[: a.texts].max())
    report["logits_max_difference_all_texts"] = float(difference.max())
    want = np.array([labels.index(e["label"]) for e in examples])
    report["accuracy"] = float((ours.argmax(axis=1) == want).mean())
    report["accuracy_transformers"] = float((theirs.argmax(axis=1) == want).mean())

print(json.dumps(report, indent=1))
good = (
    report["export_identical"]
    and report["half_weights_of_neither"] == 0
    and report["ids_different"] == 0
    and report["logits_max_difference"] <= a.limit
    and abs(report["accuracy"] - report["accuracy_transformers"]) <= 0.002
)
sys.exit(0 if good else 1)
