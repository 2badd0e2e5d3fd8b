"""Measures the cost of changing the model in ONNX Runtime: creating a session from
its file and one request, against a request to an existing session.

    ../peers/venv/bin/python swap.py FOLDER [--threads N]

FOLDER is a fine-tuned Hugging Face checkpoint of a BERT. Needs the requirements of
../peers.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "peers"))

import numpy
import transformers

import peers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(arguments.folder).eval()
    ids = numpy.full((1, arguments.tokens), 1996, dtype=numpy.int64)
    text = ids, numpy.ones_like(ids), numpy.zeros_like(ids)

    def timed(action):
        start = time.perf_counter()
        action()
        return 1e3 * (time.perf_counter() - start)

    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        peers.export(model, work / "model.onnx")
        del model

        def session():
            return peers.load("ONNX Runtime", "float32", arguments.folder, work, arguments.threads)

        hot = session()
        for _ in range(10):
            hot(*text)
        hots, colds = [], []
        for _ in range(arguments.rounds):
            hots.append(timed(lambda: hot(*text)))
            colds.append(timed(lambda: session()(*text)))
    hot, cold = statistics.median(hots), statistics.median(colds)
    print(f"request {hot:.1f} ms, new session and request {cold:.1f} ms: {cold / hot:.1f} times as long")


if __name__ == "__main__":
    main()
