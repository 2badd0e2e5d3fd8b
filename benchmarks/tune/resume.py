"""Kills runs of tune with SIGKILL at random moments, resumes each, and compares the delta
with that of an undisturbed run, byte for byte. Before that it compares numbers of workers.

    python resume.py --kenserve ./kenserve --base BASE --texts ../../examples/intents/intents.csv

It needs Python alone. It ends with an error if a delta differs or if no killed run had written a
checkpoint: then nothing was resumed.
"""

import argparse
import pathlib
import random
import shlex
import subprocess
import tempfile
import time


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kenserve", required=True)
    p.add_argument("--base", required=True)
    p.add_argument("--texts", required=True)
    p.add_argument("--flags", default="--epochs 4 --contrastive 0 --checkpoint-steps 1", help="of every run")
    p.add_argument("--kills", type=int, default=20)
    p.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    rng = random.Random(a.seed)
    with tempfile.TemporaryDirectory() as temp:

        def start(name, workers, *more):
            log = open(pathlib.Path(temp, name + ".log"), "ab")
            out = pathlib.Path(temp, name + ".ken")
            return out, subprocess.Popen([a.kenserve, "tune", a.texts, "--base", a.base, "--out", out, "--workers", str(workers), *shlex.split(a.flags), *more], stdout=log, stderr=log)

        def finish(name, workers, *more):
            out, process = start(name, workers, *more)
            if process.wait() != 0:
                raise SystemExit(pathlib.Path(temp, name + ".log").read_text())
            return out.read_bytes()

        begun = time.perf_counter()
        whole = finish("whole", a.workers[0])
        seconds = time.perf_counter() - begun
        print(f"undisturbed, {a.workers[0]} workers: {seconds:.1f} s, {len(whole)} bytes", flush=True)
        faults = 0
        for workers in a.workers[1:]:
            same = finish(f"workers-{workers}", workers) == whole
            faults += not same
            print(f"{workers} workers: {'the same' if same else 'DIFFERENT'}", flush=True)
        checkpoints = killed = 0
        for i in range(a.kills):
            name = f"killed-{i + 1}"
            moment = rng.uniform(0, seconds)
            _, process = start(name, a.workers[0])
            try:
                process.wait(moment)
                print(f"{name}: ended before it was killed", flush=True)
                continue
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            killed += 1
            state = pathlib.Path(temp, name + ".tuning").exists()
            checkpoints += state
            same = finish(name, a.workers[0], "--resume") == whole
            faults += not same
            print(f"{name}: after {moment:.1f} s, {'with' if state else 'without'} a checkpoint; resumed: {'the same' if same else 'DIFFERENT'}", flush=True)
        print(f"{killed} runs killed and resumed, {checkpoints} of them from a checkpoint; {faults} deltas differ")
        if faults or not checkpoints:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
