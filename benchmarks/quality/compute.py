"""Measures the accuracy of deltas by compute type: the table of docs/compute.md.

    python3 compute.py --kenserve ./kenserve --base BASE --task NAME=FILE.ken=TEST.jsonl …

It runs `kenserve eval` on the whole test file for each task and type.
"""
import argparse
import json
import subprocess

TYPES = ["float32", "bfloat16", "int8"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kenserve", required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--task", action="append", required=True, metavar="NAME=FILE.ken=TEST.jsonl")
    args = parser.parse_args()
    print("| task | texts |", " | ".join(TYPES), "|")
    print("|---" * (2 + len(TYPES)) + "|")
    for task in args.task:
        name, delta, data = task.split("=")
        row = []
        for compute in TYPES:
            command = [args.kenserve, "eval", delta, "--base", args.base, "--data", data, "--compute", compute, "--json"]
            row.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        print(f"| {name} | {row[0]['texts']} |", " | ".join(f"{100 * r['accuracy']:.2f}" for r in row), "|", flush=True)


if __name__ == "__main__":
    main()
