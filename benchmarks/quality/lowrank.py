#!/usr/bin/env python3
"""Measures size and accuracy of low-rank changes (as LoRA has) as a peer of deltas.

usage: lowrank.py --kenserve BINARY --base DIR --task NAME=TUNED=TEST.jsonl … [--ranks 1 2 4 …] [--json FILE]

The change of every matrix, tuned minus base, is replaced by the closest product of
two factors of the given rank (truncated singular value decomposition, each factor
multiplied by the root of the singular values), in float16. Biases, layer norms and
the head are the tuned ones. `layers` keeps the base's embeddings and pooler. Bytes
count the factors and the whole tensors in float16, without a container. Each point
is written as a checkpoint, pruned to a delta that keeps all of it exactly, and
scored by `kenserve eval` on the whole test file.

Needs requirements.txt.
"""
import argparse
import json
import os
import shutil
import subprocess
import tempfile

import numpy
from safetensors.numpy import load_file, save_file

parser = argparse.ArgumentParser()
parser.add_argument("--kenserve", required=True)
parser.add_argument("--base", required=True)
parser.add_argument("--task", action="append", required=True, help="NAME=TUNED=TEST.jsonl")
parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
parser.add_argument("--json")
a = parser.parse_args()


def decompose(change):
    """Returns left and right singular vectors, each times the root of the singular
    values. The short side's Gram matrix is enough: embeddings are long."""
    if change.shape[0] < change.shape[1]:
        right, left = decompose(change.T)
        return left, right
    values, vectors = numpy.linalg.eigh(change.T @ change)
    order = numpy.argsort(values)[::-1]
    singular = numpy.sqrt(numpy.maximum(values[order], 1e-30))
    vectors = vectors[:, order]
    return change @ vectors / numpy.sqrt(singular), vectors * numpy.sqrt(singular)


class Task:
    def __init__(self, name, tuned, test):
        self.name, self.folder, self.test = name, tuned, test
        self.base = {n: x.astype(numpy.float64) for n, x in load_file(os.path.join(a.base, "model.safetensors")).items()}
        self.tuned = load_file(os.path.join(tuned, "model.safetensors"))
        self.factors = {}
        for name, x in self.tuned.items():
            below = self.below(name)
            if below is not None and x.ndim == 2 and (x != below).any():
                self.factors[name] = decompose(x.astype(numpy.float64) - below)

    def below(self, name):
        """Returns the base's tensor of that name, or None for the head."""
        return self.base.get(name, self.base.get(name.split(".", 1)[-1]))

    def point(self, scope, rank):
        size, tensors = 0, {}
        for name, x in self.tuned.items():
            below = self.below(name)
            if name not in self.factors:
                tensors[name] = x.astype(numpy.float32)
                if below is None or x.ndim < 2:
                    size += 2 * x.size
            elif scope == "layers" and ".layer." not in name:
                tensors[name] = below.astype(numpy.float32)
            else:
                left, right = (f[:, :rank].astype(numpy.float16) for f in self.factors[name])
                size += 2 * (left.size + right.size)
                tensors[name] = (below + left.astype(numpy.float64) @ right.astype(numpy.float64).T).astype(numpy.float32)
        with tempfile.TemporaryDirectory() as work:
            for file in os.listdir(self.folder):
                if not file.endswith(".safetensors"):
                    shutil.copy(os.path.join(self.folder, file), work)
            save_file(tensors, os.path.join(work, "model.safetensors"), {"format": "pt"})
            path = os.path.join(work, "task.ken")
            run("prune", "--base", a.base, "--tuned", work, "--out", path, "--keep", "1", "--values", "f32")
            scored = json.loads(run("eval", path, "--base", a.base, "--data", self.test, "--json"))
        return {"task": self.name, "scope": scope, "rank": rank, "bytes": size, "accuracy": scored["accuracy"]}


def run(*arguments):
    return subprocess.run([a.kenserve, *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()


tasks = [Task(*t.split("=")) for t in a.task]
points = []
print("| matrices | rank | " + " | ".join(f"{t.name} | MB" for t in tasks) + " |")
print("|---|---|" + "---|---|" * len(tasks))
for scope in ("layers", "all"):
    for rank in a.ranks:
        row = [t.point(scope, rank) for t in tasks]
        points += row
        print(f"| {scope} | {rank} | " + " | ".join(f"{p['accuracy']:.3f} | {p['bytes'] / 1e6:.2f}" for p in row) + " |", flush=True)
if a.json:
    with open(a.json, "w") as f:
        json.dump(points, f, indent=1)
        f.write("\n")
