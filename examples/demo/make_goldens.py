#!/usr/bin/env python3
"""Makes goldens.json.gz: the logits that `transformers` computes with the demo's classifiers.

usage: make_goldens.py KENSERVE DATA     numpy 1.26.4, torch 2.8.0, transformers 4.57.6

kenserve exports each delta in tasks/ to a full checkpoint, which transformers loads
in float32 and runs on 200 texts, ten of them with a second text. DATA has
trec/test.jsonl, sst2/test.jsonl and banking77/test.jsonl. The classifier of tweets
gets texts of the other three, because tweets may not be redistributed.
"""
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

kenserve, data = sys.argv[1:]
here = pathlib.Path(__file__).parent


def texts(name, first, count):
    lines = open(pathlib.Path(data, name, "test.jsonl"), encoding="utf-8").read().splitlines()
    return [json.loads(line)["text"] for line in lines[first : first + count]]


inputs = {
    "trec": texts("trec", 0, 200),
    "sst2": texts("sst2", 0, 200),
    "banking77": texts("banking77", 0, 3080)[::16][:190] + texts("banking77", 1, 10),
    "emotion": texts("sst2", 200, 100) + texts("trec", 200, 50) + texts("banking77", 5, 50),
}
goldens = {}
for task, singles in inputs.items():
    assert len(singles) == 200, (task, len(singles))
    pairs = [[t] for t in singles]
    for i in range(0, 200, 20):
        pairs[i].append(singles[(i + 7) % 200])
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([kenserve, "export", here / "tasks" / f"{task}.ken", "--base", here / "base", "--out", work], check=True, stdout=subprocess.DEVNULL)
        tokenizer = AutoTokenizer.from_pretrained(work)
        model = AutoModelForSequenceClassification.from_pretrained(work, dtype=torch.float32).eval()
    logits = []
    with torch.no_grad():
        for pair in pairs:
            logits.append([float(f"{x:.9g}") for x in model(**tokenizer(*pair, return_tensors="pt")).logits[0].tolist()])
    goldens[task] = {
        "labels": [model.config.id2label[i] for i in range(model.config.num_labels)],
        "inputs": pairs,
        "logits": logits,
    }
with gzip.GzipFile(here / "goldens.json.gz", "wb", mtime=0) as f:
    f.write(json.dumps(goldens, separators=(",", ":")).encode())
