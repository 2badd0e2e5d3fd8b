"""Compares matrix products of package gemm with OpenBLAS on one core, in turns.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    go build -o products ./products.go
    venv/bin/python compare.py ./products

It writes its table into README.md and replaces an earlier one of the same
processor. Every figure is the best of many, in the thread's processor time; all
figures of a shape are measured in turns.
"""
import os
import pathlib
import re
import subprocess
import sys
import time

for name in list(os.environ):
    if name.startswith("OPENBLAS_"):  # such as one that selects the kernels of another processor
        del os.environ[name]
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402  imported after the environment is set

SHAPES = [(384, 384), (1536, 384), (384, 1536), (768, 768), (3072, 768), (768, 3072)]
ROWS = [1, 8, 32, 128]
TYPES = ["float32", "bfloat16", "int8"]
SECONDS = float(os.environ.get("SECONDS_PER_ROW", "2"))


def main():
    process = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(line):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    rng = np.random.default_rng(1)
    lines = []
    for n, k in SHAPES:
        w = rng.standard_normal((n, k), dtype=np.float32)
        for rows in ROWS:
            a = rng.standard_normal((rows, k), dtype=np.float32)
            c = np.empty((rows, n), dtype=np.float32)
            best = dict.fromkeys(TYPES + ["openblas"], float("inf"))
            end = time.monotonic() + SECONDS
            turns = 0
            while turns < 5 or time.monotonic() < end:
                turns += 1
                peak = ask("peak")
                for t in TYPES:
                    best[t] = min(best[t], ask(f"{t} {n} {k} {rows}"))
                np.dot(a, w.T, out=c)
                start = time.thread_time()
                np.dot(a, w.T, out=c)
                best["openblas"] = min(best["openblas"], time.thread_time() - start)
            share = 2 * n * k * rows / best["float32"] / peak
            line = f"| {k} → {n} | {rows} | {share:.2f} | " + " | ".join(
                f"{x:.2f}" for x in (best["openblas"] / best["float32"], best["float32"] / best["bfloat16"], best["float32"] / best["int8"])
            )
            print(line, "|", flush=True)
            lines.append(line + " |")
    process.stdin.close()
    process.wait()

    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
    family = " ".join(next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith(key)), "?") for key in ("cpu family", "model\t"))
    level = "AVX-512" if "avx512f" in open("/proc/cpuinfo").read() else "AVX2"
    processor = f"family and model {family}, {level}"
    blas = np.show_config("dicts")["Build Dependencies"]["blas"]
    table = "\n".join(
        [
            f"On {cpu} ({processor}), numpy {np.__version__} with OpenBLAS {blas['version']}:",
            "",
            "| layer | rows | of peak | × OpenBLAS | bfloat16, × float32 | int8, × float32 |",
            "|---|---|---|---|---|---|",
        ]
        + lines
    )
    readme = pathlib.Path(__file__).with_name("README.md")
    text = readme.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    tables = re.findall(r"(?ms)^On .*?(?=^On |\Z)", text[begin:end])  # one a processor
    others = [t.strip() for t in tables if f"({processor})" not in t.splitlines()[0]]
    readme.write_text(text[:begin] + "\n\n".join([table] + others) + "\n" + text[end:])


BEGIN, END = "<!-- table -->\n", "<!-- end -->"


if __name__ == "__main__":
    main()
