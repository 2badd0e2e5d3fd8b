"""Compares kenserve classify with kenserve bench on the same texts.

    python bulk.py --kenserve ./kenserve [--texts 50000] [--rounds 3] [--input FILE]

bench classifies batches of 256 texts, four at a time, that are in memory. classify reads
them from a CSV, carries ids through, and writes JSON lines. Both run alternately, so that
other programs on the machine slow down both. Then classify is killed at random moments and
continued with --resume, and its output is compared with the first one, byte by byte.

Needs Python 3.9 and nothing else. The exit status is 1 if classify is slower than --least
times bench (the better round counts), or if the outputs differ.
"""

import argparse
import csv
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DEMO = os.path.join(HERE, "..", "..", "examples", "demo")
WORDS = ("the of and what was film where is city a good bad who how many year first name does it movie "
         "president country river long card account payment I cannot wait really very never about").split()


def write_texts(path, count):
    """Writes texts of 1 to 40 words, with quotes and commas, in random order of length."""
    rng = random.Random(1)
    with open(path, "w", encoding="utf-8", newline="") as f:
        w = csv.writer(f)
        w.writerow(["id", "text"])
        for i in range(count):
            words = [rng.choice(WORDS) for _ in range(rng.randint(1, 40))]
            w.writerow([i, " ".join(words) + rng.choice(["", ".", ", \"yes\"", "?"])])


def children():
    """Returns the processor time of ended children, in seconds."""
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def timed(command):
    """Runs a command; returns its wall time, processor time and standard output."""
    wall, cpu = time.perf_counter(), children()
    r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if r.returncode != 0:
        sys.exit(f"{' '.join(command)}: {r.stderr.decode()}")
    return time.perf_counter() - wall, children() - cpu, r.stdout


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--kenserve", default="kenserve", help="binary")
    p.add_argument("--base", default=os.path.join(DEMO, "base"))
    p.add_argument("--task", default=os.path.join(DEMO, "tasks", "trec.ken"))
    p.add_argument("--texts", type=int, default=50000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--kills", type=int, default=3)
    p.add_argument("--least", type=float, default=0.95, help="least share of bench's texts a second")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        texts, one, out = (os.path.join(tmp, name) for name in ("texts.csv", "one.csv", "out.jsonl"))
        write_texts(texts, a.texts)
        write_texts(one, 1)

        def classify(source, *more):
            return [a.kenserve, "classify", a.task, "--base", a.base, "--input", source, "--output", out, *more]

        wall_ratios, cpu_ratios, whole = [], [], 0
        for r in range(a.rounds):
            start, start_cpu, _ = timed(classify(one, "--force"))
            wall, cpu, _ = timed(classify(texts, "--force"))
            whole = wall
            # Each pass has all texts; the difference of one pass and three is two passes, without the start.
            bench = [a.kenserve, "bench", a.task, "--base", a.base, "--input", texts, "--texts", str(a.texts),
                     "--batch", "256", "--concurrency", "4", "--json"]
            _, cpu1, _ = timed(bench + ["--passes", "1"])
            _, cpu2, result = timed(bench + ["--passes", "2"])
            seconds = statistics.median(json.loads(result)["pass_seconds"])
            wall_ratios.append(seconds / (wall - start))
            cpu_ratios.append((cpu2 - cpu1) / (cpu - start_cpu))
            print(f"round {r + 1}: bench {a.texts / seconds:.0f} texts/s, classify {a.texts / (wall - start):.0f} texts/s: "
                  f"{wall_ratios[-1]:.3f} by wall time, {cpu_ratios[-1]:.3f} by processor time")
        with open(out, "rb") as f:
            want = f.read()
        os.remove(out)
        rng, kills, complete = random.Random(), 0, False
        for _ in range(a.kills):
            process = subprocess.Popen(classify(texts, *(["--resume"] if kills else [])), stderr=subprocess.DEVNULL)
            try:
                process.wait(rng.uniform(0.1, 0.6) * whole)
                complete = True
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
        if not complete:
            timed(classify(texts, "--resume"))
        with open(out, "rb") as f:
            same = f.read() == want
        lines = want.count(b"\n")
        print(f"{lines} lines; killed {kills} times and resumed: {'the same output' if same else 'ANOTHER OUTPUT'}")
        print(f"classify has {max(wall_ratios):.3f} of bench's texts a second (median {statistics.median(wall_ratios):.3f}, "
              f"by processor time {statistics.median(cpu_ratios):.3f}); want {a.least}")
        sys.exit(0 if same and lines == a.texts and max(wall_ratios) >= a.least else 1)


if __name__ == "__main__":
    main()
