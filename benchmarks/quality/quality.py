#!/usr/bin/env python3
"""Measures accuracy and size of deltas: tasks × selections × keep fractions × codings.

usage: quality.py --kenserve BINARY --base DIR --task NAME=TUNED=TEST.jsonl[=DEV.jsonl] … [--json FILE] [--auto DIR | --budgets]

Needs only Python. Each point is one run of `kenserve prune` and one of `kenserve
eval` on the whole test file; the size is that of the delta file, compared with the
full checkpoint in float32. Prints the table of docs/quality.md.

With --auto it runs only the searches: `kenserve prune --auto` on the dev files for
each tolerance, and `kenserve eval` of the deltas found on the test files. It writes
the points and plots of the searches to the folder. With --budgets it measures the
table of budgets and factors; fitted factors need the dev files as well.
"""
import argparse
import json
import os
import subprocess
import tempfile

parser = argparse.ArgumentParser()
parser.add_argument("--kenserve", required=True)
parser.add_argument("--base", required=True)
parser.add_argument("--task", action="append", required=True, help="NAME=TUNED=TEST.jsonl")
parser.add_argument("--json")
parser.add_argument("--auto", metavar="DIR", help="run the searches, and write their points and plots there")
parser.add_argument("--budgets", action="store_true", help="measure budgets and factors, with signs and whole vectors")
a = parser.parse_args()

POINTS = [("ken", "1", "f32")]
POINTS += [(s, k, "f32") for k in ("0.5", "0.25") for s in ("ken", "random", "magnitude", "delta")]
POINTS += [("ken", "0.75", "int8"), ("ken", "0.5", "int8")]
POINTS += [("delta", k, "int8") for k in ("0.5", "0.25")]
POINTS += [("delta", k, "sign") for k in ("0.5", "0.25", "0.1")]
# Selection, budget, keep fraction, factor.
BUDGETS = [(s, "row", "0.1", "1") for s in ("ken", "random", "delta")]
BUDGETS += [("delta", b, "0.1", "1") for b in ("tensor", "model")]
BUDGETS += [(s, b, k, "auto") for k in ("0.1", "0.03") for s, b in (
    ("ken", "row"), ("random", "row"), ("random", "model"), ("delta", "row"), ("delta", "tensor"), ("delta", "model"))]
TOLERANCES = ("0.005", "0.01")


def kenserve(*args):
    return subprocess.run([a.kenserve, *args], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()


def score(path, data):
    return json.loads(kenserve("eval", path, "--base", a.base, "--data", data, "--json"))


def search():
    os.makedirs(a.auto, exist_ok=True)
    for task in a.task:
        name, tuned, test, dev = task.split("=")
        for tolerance in TOLERANCES:
            with tempfile.TemporaryDirectory() as work:
                path = os.path.join(work, "task.ken")
                beside = os.path.join(a.auto, f"{name}-{tolerance}")
                kenserve("prune", "--base", a.base, "--tuned", tuned, "--out", path, "--auto", "--dev", dev, "--tolerance", tolerance,
                         "--points", beside + ".json", "--plot", beside + ".svg")
                scored = score(path, test)
            with open(beside + ".json") as f:
                found = json.load(f)
            best, ken = found["best"], found["ken"]
            print(f"| {name} | {tolerance} | {best['bytes'] / 1e6:.2f} | {best['change']:+.4f} ({best['low']:+.3f} to {best['high']:+.3f}) "
                  f"| {scored['accuracy']:.4f} | {ken['bytes'] / 1e6:.1f} | {ken['change']:+.4f} | {len(found['points'])} |", flush=True)


def budgets():
    tasks = [task.split("=") for task in a.task]
    print("| selection | budget | keep | factor | " + " | ".join(f"{t[0]} | × | MB" for t in tasks) + " |")
    print("|---|---|---|---|" + "---|---|---|" * len(tasks))
    for select, budget, keep, factor in BUDGETS:
        cells = []
        for name, tuned, test, dev in tasks:
            with tempfile.TemporaryDirectory() as work:
                path = os.path.join(work, "task.ken")
                kenserve("prune", "--base", a.base, "--tuned", tuned, "--out", path, "--select", select, "--budget", budget,
                         "--keep", keep, "--values", "sign", "--vectors", "whole", "--factor", factor, *(["--dev", dev] if factor == "auto" else []))
                scored = score(path, test)
                used = json.loads(kenserve("inspect", path, "--json")).get("factor", 1)
                cells.append(f"{scored['accuracy']:.3f} | {used:.3g} | {os.path.getsize(path) / 1e6:.2f}")
        print(f"| {select} | {budget} | {keep} | {'fitted' if factor == 'auto' else factor} | " + " | ".join(cells) + " |", flush=True)


if a.budgets:
    budgets()
    raise SystemExit

if a.auto:
    print("| task | tolerance | MB | on dev, 95% interval | test accuracy | ken, MB | on dev | points |\n|---|---|---|---|---|---|---|---|")
    search()
    raise SystemExit

results = {}
with tempfile.TemporaryDirectory() as work:
    for task in a.task:
        name, tuned, data = task.split("=")[:3]
        full = 0
        with open(os.path.join(tuned, "model.safetensors"), "rb") as f:
            header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        for key, t in header.items():
            if key != "__metadata__":
                n = 1
                for d in t["shape"]:
                    n *= d
                full += 4 * n
        for select, keep, coding in POINTS:
            path = os.path.join(work, "task.ken")
            kenserve("prune", "--base", a.base, "--tuned", tuned, "--out", path, "--select", select, "--keep", keep, "--values", coding)
            scored = score(path, data)
            results.setdefault((select, keep, coding), {})[name] = {
                "accuracy": scored["accuracy"],
                "macro_f1": scored["macro_f1"],
                "bytes": os.path.getsize(path),
                "share": os.path.getsize(path) / full,
            }
            print(name, select, keep, coding, results[(select, keep, coding)][name], flush=True)

names = [task.split("=")[0] for task in a.task]
print("\n| selection | keep | coding | " + " | ".join(f"{n} | MB" for n in names) + " | of full |")
print("|---|---|---|" + "---|---|" * len(names) + "---|")
for point in POINTS:
    cells = [f"{results[point][n]['accuracy']:.3f} | {results[point][n]['bytes'] / 1e6:.1f}" for n in names]
    share = sum(results[point][n]["share"] for n in names) / len(names)
    print(f"| {point[0]} | {point[1]} | {point[2]} | " + " | ".join(cells) + f" | {share:.1%} |")
if a.json:
    with open(a.json, "w") as f:
        json.dump([{"selection": s, "keep": float(k), "coding": c, "tasks": r} for (s, k, c), r in results.items()], f, indent=1)
