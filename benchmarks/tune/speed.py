"""Compares the speed of training with PyTorch's, in turns, on the same texts and threads.

    python speed.py --kenserve ./kenserve --base BASE --data DATA/tweet-emotion

Each round runs PyTorch and every setting of kenserve once on the first --texts training texts
in batches of 32, one epoch. The table has the best of each, and the ratios to PyTorch's batches
by length. It is printed after every round, so that a run can be interrupted. Ratios are all
that counts on a machine that others use too.
"""
import argparse
import collections
import json
import os
import shlex
import subprocess
import sys
import tempfile

SETTINGS = {
    "full": "--full --tolerance 0", "full, bfloat16": "--full --tolerance 0 --compute bfloat16",
    "sparse": "--sparse 0.002", "sparse, bfloat16": "--sparse 0.002 --compute bfloat16", "vectors": "--vectors",
}


def table(rates):
    base, base16 = max(rates["PyTorch, bucketed"]), max(rates["PyTorch, bfloat16, bucketed"])
    print("| program | texts a second | ratio to PyTorch float32 | ratio to PyTorch bfloat16 |\n|---|---|---|---|")
    for name, list_of in rates.items():
        best = max(list_of)
        print(f"| {name} | {best:.1f} | {best / base:.2f} | {best / base16:.2f} |")
    print(flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kenserve", default="kenserve")
    p.add_argument("--base", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--texts", type=int, default=256)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    args = p.parse_args()
    rates = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as temp:
        with open(os.path.join(args.data, "train.jsonl"), encoding="utf-8") as f, open(os.path.join(temp, "train.jsonl"), "w", encoding="utf-8") as out:
            out.writelines(line for _, line in zip(range(args.texts), f))
        with open(os.path.join(args.data, "dev.jsonl"), encoding="utf-8") as f, open(os.path.join(temp, "dev.jsonl"), "w", encoding="utf-8") as out:
            out.writelines(line for _, line in zip(range(32), f))
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch.py")
        for _ in range(args.rounds):
            for name, flags in (("PyTorch", []), ("PyTorch, bfloat16", ["--bfloat16"])):
                out = subprocess.run([sys.executable, script, "--base", args.base, "--data", temp, "--speed", str(args.texts), "--threads", str(args.workers), *flags],
                                     check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
                for line in out.splitlines():
                    r = json.loads(line)
                    rates[f"{name}, {r['order']}"].append(r["texts_per_second"])
            for name in args.settings:
                flags = SETTINGS[name]
                command = [args.kenserve, "tune", os.path.join(temp, "train.jsonl"), "--dev", os.path.join(temp, "dev.jsonl"), "--base", args.base, "--out", os.path.join(temp, "t.ken"),
                           "--batch", "32", "--epochs", "1", "--contrastive", "0", "--workers", str(args.workers), "--json", *shlex.split(flags)]
                report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
                rates["kenserve, " + name].append(report["texts_per_second"])
            table(rates)


if __name__ == "__main__":
    main()
