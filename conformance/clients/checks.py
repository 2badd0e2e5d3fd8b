"""Helpers that the tests of all clients share.

Scores are compared with those of POST /classify for the same text, labels with the
known answers of the demo's classifiers.
"""

import json
import sys
import traceback
import urllib.request

URL, GRPC = sys.argv[1], sys.argv[2]
KEY, ADMIN = {"Authorization": "Bearer use-key"}, {"Authorization": "Bearer admin-key"}
GRPC_KEY, GRPC_ADMIN = {"authorization": "Bearer use-key"}, {"authorization": "Bearer admin-key"}

# Task, text, and the label that the classifier must give.
KNOWN = [
    ("trec", "Where is the Eiffel Tower?", "LOC"),
    ("trec", "How many people live in Tokyo?", "NUM"),
    ("trec", "Who wrote Hamlet?", "HUM"),
    ("sst2", "a gorgeous, witty, seductive movie", "positive"),
    ("sst2", "a dull and pointless waste of time – ünïcode", "negative"),
]
TEXTS = {task: [text for t, text, _ in KNOWN if t == task] for task in ("trec", "sst2")}
LONG = "word " * 2000


def native(task, texts, **more):
    """Returns the scores of POST /classify: for each text a dictionary from label to score."""
    body = json.dumps({"model": task, "input": texts, **more}).encode()
    request = urllib.request.Request(URL + "/classify", body, KEY)
    with urllib.request.urlopen(request, timeout=30) as answer:
        data = json.load(answer)["data"]
    return [{row["label"]: row["score"] for row in rows} for rows in data]


def same(got, want):
    assert got.keys() == want.keys(), (got, want)
    for label in want:
        assert abs(got[label] - want[label]) < 1e-6, (label, got, want)


def fails(kind, status, action):
    """Requires that action raises kind, with every part of status in its text."""
    try:
        result = action()
    except kind as e:
        for part in status if isinstance(status, tuple) else (status,):
            assert part in str(e), f"no {part!r} in {e}"
        return e
    raise AssertionError(f"no error: {result}")


def run_all(tests):
    """Runs tests, pairs of a name and a function, prints a line for each, and exits."""
    failed = False
    for name, test in tests:
        try:
            test()
            print("ok", name, flush=True)
        except Exception:
            failed = True
            print("FAIL", name, flush=True)
            traceback.print_exc()
    sys.exit(failed)
