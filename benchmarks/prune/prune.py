"""Compares the time of kenserve's pruning with the reference, in the same run.

    python prune.py                                             rows only
    python prune.py --kenserve BIN --base DIR --tuned DIR       a whole checkpoint

First it checks the reference (reference.py) against the golden rows and times it
on them. `go test -bench GoldenRows ./ken` gives the time of the same rows: one
goroutine against one process.

With a kenserve binary and a checkpoint, it times the reference, in this one process,
on a random sample of the checkpoint's rows, and extrapolates to all rows by their
widths. `kenserve prune --select ken --values f32` prunes the whole checkpoint on
all cores. Rows that equal the base's are not in the extrapolation, because kenserve
does not select from them; the reference does, and its time for them is reported
separately. The reference's times are CPU time, which on an idle machine is its wall
time. Then the pruned checkpoint is exported: every sampled row must have the bits
of the tuned weights where the reference's mask is set, and of the base elsewhere.

Needs Go and requirements.txt.
"""

import argparse
import json
import os
import random
import re
import resource
import subprocess
import tempfile
import time

import numpy as np
from safetensors import safe_open

import reference

REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def golden_rows():
    count, seconds = reference.check()
    each = seconds / count
    print(f"reference: {count} golden rows, all masks identical, {1e3 * each:.2f} ms a row")
    # The benchmark compares the masks too.
    output = subprocess.run(
        ["go", "test", "-run", "^$", "-bench", "GoldenRows", "-benchtime", "20x", "-count", "5", "./ken"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    ).stdout
    times = [float(t) for t in re.findall(r"([0-9.]+) ns/row", output)]
    best = min(times) * 1e-9  # wall time: other load on the machine can only increase it
    print(f"kenserve:  the same rows, {1e6 * best:.1f} µs a row on one core (best of {len(times)})")
    print(f"ratio, one core to one process: {each / best:.0f}")
    return {"rows": count, "reference_s_per_row": each, "kenserve_s_per_row": best, "ratio": each / best}


class Checkpoint:
    """The tensors of a Hugging Face folder as matrices, named without the architecture's prefix."""

    def __init__(self, folder):
        self.tensors = {}
        for name in sorted(os.listdir(folder)):
            if name.endswith(".safetensors"):
                file = safe_open(os.path.join(folder, name), "np")
                for key in file.keys():
                    self.tensors[re.sub(r"^bert\.", "", key)] = (file, key)

    def matrix(self, name):
        file, key = self.tensors[name]
        tensor = file.get_tensor(key)
        return tensor.reshape(1, -1) if tensor.ndim < 2 else tensor.reshape(tensor.shape[0], -1)

    def row(self, name, i):
        file, key = self.tensors[name]
        tensor = file.get_slice(key)
        row = tensor[:] if len(tensor.get_shape()) < 2 else tensor[i : i + 1]
        return np.ascontiguousarray(row, dtype=np.float32).ravel()


def watched(command):
    """Runs a command and returns its peak memory in bytes, without mapped files."""
    most = 0
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as file:
                anonymous = re.search(r"^RssAnon:\s+(\d+) kB$", file.read(), re.MULTILINE)
        except OSError:
            anonymous = None  # not Linux, or the process has just ended
        if anonymous:
            most = max(most, 1024 * int(anonymous.group(1)))
        time.sleep(0.01)
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} failed")
    return most


def checkpoint(options):
    base, tuned = Checkpoint(options.base), Checkpoint(options.tuned)
    shared = [n for n in base.tensors if n in tuned.tensors and np.issubdtype(base.matrix(n).dtype, np.floating)]
    rows = {}  # keyed by width and by whether they differ from the base
    for name in shared:
        b, t = base.matrix(name).astype(np.float32), tuned.matrix(name).astype(np.float32)
        differs = (b.view(np.uint32) != t.view(np.uint32)).any(axis=1)
        for i, d in enumerate(differs):
            rows.setdefault((t.shape[1], bool(d)), []).append((name, i))

    chooser = random.Random(options.seed)
    estimate = {True: 0.0, False: 0.0}
    sampled = []
    for (width, differs), where in sorted(rows.items()):
        k = max(1, round(options.keep * width))
        seconds = 0.0
        sample = chooser.sample(where, min(options.sample, len(where)))
        for name, i in sample:
            row = tuned.row(name, i)
            if np.std(row) == 0:
                continue  # the reference is undefined for a constant row
            start = time.process_time()
            mask = reference.select(row, k)
            seconds += time.process_time() - start
            sampled.append((name, i, mask))
        each = seconds / len(sample)
        estimate[differs] += each * len(where)
        print(f"reference: {len(sample)} of {len(where)} rows of {width} that {'differ' if differs else 'do not differ'} "
              f"from the base, k={k}: {1e3 * each:.2f} ms a row")

    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        delta, exported = os.path.join(folder, "task.ken"), os.path.join(folder, "exported")
        wall, cpu, memory = [], [], []
        for _ in range(options.runs):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            start = time.perf_counter()
            memory.append(watched(
                [options.kenserve, "prune", "--base", options.base, "--tuned", options.tuned, "--select", "ken",
                 "--keep", str(options.keep), "--values", "f32", "--out", delta],
            ))
            wall.append(time.perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
            if len(wall) < options.runs:
                os.remove(delta)
        subprocess.run([options.kenserve, "export", delta, "--base", options.base, "--out", exported],
                       check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        pruned = Checkpoint(exported)
        for name, i, mask in sampled:
            want, got = np.where(mask, tuned.row(name, i), base.row(name, i)), pruned.row(name, i)
            if not np.array_equal(want.view(np.uint32), got.view(np.uint32)):
                raise SystemExit(f"{name}, row {i}: kenserve's pruned row differs from the reference's")

    wall, cpu, memory = sorted(wall)[len(wall) // 2], sorted(cpu)[len(cpu) // 2], max(memory)
    count = sum(len(where) for (_, differs), where in rows.items() if differs)
    print(f"kenserve:  all {sum(map(len, rows.values()))} rows, {count} of which differ from the base: {wall:.2f} s on "
          f"{os.cpu_count()} cores, {cpu:.2f} s of CPU (medians of {options.runs}), including reading and writing")
    print(f"peak memory without mapped files: {memory / 1e6:.0f} MB")
    print(f"the {len(sampled)} sampled rows are bit-identical")
    print(f"reference, extrapolated, one process: {estimate[True]:.0f} s of CPU for the rows that differ, "
          f"{estimate[False]:.0f} s for the others")
    print(f"ratio over the rows that differ: {estimate[True] / wall:.0f} by wall time, {estimate[True] / cpu:.0f} by CPU time")
    return {
        "rows": sum(map(len, rows.values())), "rows_that_differ": count, "sampled": len(sampled),
        "reference_s": estimate[True], "reference_s_other_rows": estimate[False],
        "kenserve_wall_s": wall, "kenserve_cpu_s": cpu, "cores": os.cpu_count(), "memory": memory,
        "ratio_wall": estimate[True] / wall, "ratio_cpu": estimate[True] / cpu,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kenserve", help="the kenserve binary")
    parser.add_argument("--base", help="Hugging Face folder of the base")
    parser.add_argument("--tuned", help="Hugging Face folder of a checkpoint tuned from it")
    parser.add_argument("--keep", type=float, default=0.5, help="share of each row to keep (default 0.5)")
    parser.add_argument("--sample", type=int, default=200, help="rows of each width to time (default 200)")
    parser.add_argument("--runs", type=int, default=5, help="runs of kenserve prune (default 5)")
    parser.add_argument("--work", help="folder for what is written (default: the system's)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the sample")
    parser.add_argument("--json", help="write the figures to this file as well")
    options = parser.parse_args()
    if options.kenserve and not (options.base and options.tuned):
        parser.error("--kenserve needs --base and --tuned")

    figures = {"golden_rows": golden_rows()}
    if options.kenserve:
        figures["checkpoint"] = checkpoint(options)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
