"""Tunes tasks with several settings and seeds, and scores the deltas on the test sets.

    python accuracy.py --kenserve ./kenserve --base BASE --data DATA --settings sparse "--sparse 0.002" --settings full "--full --tolerance 0"

DATA has a folder for each task with train.jsonl, dev.jsonl and test.jsonl. A setting is a
name and the flags of "kenserve tune" that it stands for. Results are appended to --out as
JSON lines, one for each run; runs that are there already are not repeated, so the script can
be interrupted. The table at the end has the mean over the seeds.
"""
import argparse
import collections
import json
import os
import random
import shlex
import statistics
import subprocess
import tempfile


def few(path, out, count, seed):
    """Writes the first count texts of each label, in an order drawn by the seed."""
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    random.Random(seed).shuffle(rows)
    taken = collections.Counter()
    with open(out, "w", encoding="utf-8") as f:
        for row in rows:
            if taken[row["label"]] < count:
                taken[row["label"]] += 1
                f.write(json.dumps(row) + "\n")


def measure(args, task, name, flags, seed):
    folder = os.path.join(args.data, task)
    with tempfile.TemporaryDirectory() as temp:
        train, delta = os.path.join(folder, "train.jsonl"), os.path.join(temp, "task.ken")
        dev = ["--dev", os.path.join(folder, "dev.jsonl")]
        if args.few:
            few(train, os.path.join(temp, "few.jsonl"), args.few, seed)
            train = os.path.join(temp, "few.jsonl")
            if args.split:
                dev = []
        command = [args.kenserve, "tune", train, *dev, "--base", args.base, "--out", delta, "--seed", str(seed), "--json", *shlex.split(flags)]
        report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
        test = subprocess.run([args.kenserve, "eval", delta, "--base", args.base, "--data", os.path.join(folder, "test.jsonl"), "--json"],
                              check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        small = os.path.join(temp, "small.ken")
        subprocess.run([args.kenserve, "pack", delta, "--base", args.base, "--out", small], check=True, stdout=subprocess.DEVNULL)
        return {"task": task, "setting": name, "flags": flags, "few": args.few, "seed": seed, "test": json.loads(test.stdout)["accuracy"],
                "dev": report["dev"]["accuracy"], "bytes": report["bytes"], "packed": os.path.getsize(small),
                "seconds": report["seconds"], "texts_per_second": report["texts_per_second"], "epoch": report["best"]["epoch"]}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kenserve", default="kenserve")
    p.add_argument("--base", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--tasks", nargs="+", default=["trec", "sst2", "banking77", "tweet-emotion"])
    p.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    p.add_argument("--settings", nargs=2, action="append", required=True, metavar=("NAME", "FLAGS"))
    p.add_argument("--few", type=int, default=0, help="texts of each label to train on (default: all)")
    p.add_argument("--split", action="store_true", help="with --few: split the dev set off these texts, as a user without one does")
    p.add_argument("--out", default="results.jsonl")
    args = p.parse_args()
    results = [json.loads(line) for line in open(args.out)] if os.path.exists(args.out) else []
    done = {(r["task"], r["setting"], r["flags"], r["few"], r["seed"]) for r in results}
    for task in args.tasks:
        for name, flags in args.settings:
            for seed in args.seeds:
                if (task, name, flags, args.few, seed) in done:
                    continue
                r = measure(args, task, name, flags, seed)
                results.append(r)
                print(json.dumps(r), flush=True)
                with open(args.out, "a") as f:
                    f.write(json.dumps(r) + "\n")
    table = collections.defaultdict(list)
    for r in results:
        table[r["task"], r["setting"], r["few"]].append(r)
    print("| task | setting | texts a label | test accuracy | seeds | bytes | packed |\n|---|---|---|---|---|---|---|")
    for (task, name, n), runs in sorted(table.items()):
        mean = statistics.mean
        print(f"| {task} | {name} | {n or 'all'} | {mean(r['test'] for r in runs):.4f} | {len(runs)} | {mean(r['bytes'] for r in runs):.0f} | {mean(r['packed'] for r in runs):.0f} |")


if __name__ == "__main__":
    main()
