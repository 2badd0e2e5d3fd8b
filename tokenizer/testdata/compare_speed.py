"""Compares the speed of package tokenizer with the reference: English texts, one thread, alternating runs.

    pip install tokenizers==0.22.2
    python compare_speed.py

Both encode the same texts (see english in benchmark_test.go) one at a time. The reference runs with encode,
which its users call, and with encode_batch_fast, which does not compute offsets.
"""

import gzip
import json
import os
import pathlib
import re
import subprocess
import time

os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "GOMAXPROCS": "1"}
import tokenizers

assert tokenizers.__version__ == "0.22.2"
HERE = pathlib.Path(__file__).parent
ROUNDS, SECONDS = 3, 2


def texts():
    with gzip.open(HERE / "goldens.jsonl.gz", "rt") as lines:
        for line in map(json.loads, lines):
            text = line.get("text", "")
            plain = line["pipeline"] == "minilm" and not {"pair", "pair64", "max"} & line.keys()
            if plain and " " in text and all(" " <= c <= "~" for c in text):
                yield text


def reference(run, size):
    rounds, start = 0, time.perf_counter()
    while time.perf_counter() < start + SECONDS:
        run()
        rounds += 1
    return rounds * size / 1e6 / (time.perf_counter() - start)


def ours():
    command = ["go", "test", "-run", "^$", "-bench", "^BenchmarkEncode$/^english$", "-benchtime", f"{SECONDS}s", "."]
    out = subprocess.run(command, cwd=HERE.parent, check=True, capture_output=True, text=True).stdout
    return float(re.search(r"BenchmarkEncode/english\S*\s.*?([\d.]+) MB/s", out)[1])


with gzip.open(HERE / "minilm.json.gz", "rt") as file:
    tokenizer = tokenizers.Tokenizer.from_str(file.read())
tokenizer.no_padding()
tokenizer.enable_truncation(512)
lines = list(texts())
size = sum(map(len, lines))
print(f"{len(lines)} texts, {size} bytes")
for _ in range(ROUNDS):
    one = reference(lambda: [tokenizer.encode(line) for line in lines], size)
    batch = reference(lambda: tokenizer.encode_batch_fast(lines), size)
    go = ours()
    print(f"encode {one:.2f} MB/s, encode_batch_fast {batch:.2f} MB/s, this package {go:.1f} MB/s: {go / one:.0f} and {go / batch:.0f} times")
