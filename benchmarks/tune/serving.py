"""Measures what a job that tunes costs the requests of its server.

It starts the program, and sends requests at a fixed rate, one text each, in turns without
and with a job that trains: the order of both changes from turn to turn, so that other work
of the machine meets both alike. It prints the median and the 99th percentile of the
latency, and their ratios. Needs Python alone.

    python serving.py --kenserve ./kenserve --base ../../examples/demo/base --tasks ../../examples/demo/tasks --texts ../../examples/intents/intents.csv
"""

import argparse
import http.client
import json
import pathlib
import random
import re
import subprocess
import tempfile
import threading
import time


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


class Server:
    def __init__(self, a, folder):
        (folder / "admin.key").write_text("admin-key\n")
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [a.kenserve, "serve", "--base", a.base, "--store", a.tasks, "--listen", "127.0.0.1:0", "--admin-key-file", folder / "admin.key", "--tune-dir", folder / "jobs", "--log-level", "info"],
            stderr=self.log.open("wb"))
        for _ in range(600):
            if found := re.search(r"address=http://(\S+)", self.log.read_text()):
                self.address = found[1]
                return
            time.sleep(0.1)
        raise SystemExit(self.log.read_text())

    def call(self, method, path, body=None):
        c = http.client.HTTPConnection(self.address, timeout=120)
        c.request(method, path, body, {"Authorization": "Bearer admin-key"})
        answer = c.getresponse()
        text = answer.read()
        c.close()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text else None


def measure(server, task, rate, seconds, seed):
    """Sends requests at random moments, rate a second, and returns their latencies in ms: from
    the moment at which each is due, so that a late answer delays no other request."""
    latencies, lock, threads = [], threading.Lock(), []
    texts = ["Where is the Eiffel Tower, and how do I get there from the station?", "How far is it?", "Who wrote the book?"]

    def one(due, text):
        server.call("POST", "/classify", json.dumps({"model": task, "input": text}))
        with lock:
            latencies.append(1000 * (time.perf_counter() - due))

    rng = random.Random(seed)
    due = time.perf_counter()
    end = due + seconds
    while due < end:
        time.sleep(max(0, due - time.perf_counter()))
        t = threading.Thread(target=one, args=(due, rng.choice(texts)))
        t.start()
        threads.append(t)
        due += rng.expovariate(rate)
    for t in threads:
        t.join()
    return latencies


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kenserve", required=True)
    p.add_argument("--base", required=True)
    p.add_argument("--tasks", required=True, help="folder of delta files, the store")
    p.add_argument("--texts", required=True, help="CSV that the job tunes from")
    p.add_argument("--task", default="trec", help="task that the requests name")
    p.add_argument("--rate", type=float, default=20, help="requests a second")
    p.add_argument("--seconds", type=float, default=20, help="of each turn")
    p.add_argument("--turns", type=int, default=6)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(a, pathlib.Path(folder))
        try:
            measure(server, a.task, a.rate, 3, 0)
            all_ms = {False: [], True: []}
            steps = 0
            for turn in range(a.turns):
                for job in [False, True] if turn % 2 == 0 else [True, False]:
                    if job:
                        server.call("POST", "/tasks/bench/tune?epochs=1000", pathlib.Path(a.texts).read_bytes())
                        while not (state := server.call("GET", "/tasks/bench/tune")).get("progress", {}).get("step"):
                            time.sleep(0.1)
                        before = state["progress"]["step"]
                    ms = measure(server, a.task, a.rate, a.seconds, 1 + turn)
                    all_ms[job] += ms
                    if job:
                        steps += max(0, server.call("GET", "/tasks/bench/tune")["progress"]["step"] - before)
                        server.call("DELETE", "/tasks/bench/tune")
                    print(f"turn {turn + 1} {'with a job' if job else 'without   '}: {len(ms)} requests, median {percentile(ms, .5):.2f} ms, 99% {percentile(ms, .99):.2f} ms", flush=True)
            for name, share in [("median", .5), ("99%", .99)]:
                without, beside = percentile(all_ms[False], share), percentile(all_ms[True], share)
                print(f"{name}: {without:.2f} ms without, {beside:.2f} ms with a job, ratio {beside / without:.2f}")
            print(f"the job made {steps} steps in {a.turns * a.seconds:.0f} s")
        finally:
            server.process.terminate()
            server.process.wait()


if __name__ == "__main__":
    main()
