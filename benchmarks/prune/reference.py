"""KEN's selection of one row, written with numpy and scikit-learn.

kenserve's pruning is compared with this reference. It follows the steps in package
ken's documentation and uses the density routines of numpy and scikit-learn. It
makes the same masks as the implementation published with "Less is KEN" (arXiv
2402.03142); check() verifies that.

Run it by itself to check it against the 1,600 golden rows:

    python reference.py
"""

import gzip
import json
import os
import struct
import time

import numpy as np
from sklearn.neighbors import KernelDensity

ROWS = os.path.join(os.path.dirname(__file__), "..", "..", "ken", "testdata", "rows.bin.gz")


def select(row, k):
    """Returns the mask of the weights of a float32 row that KEN keeps with k points."""
    n = row.size
    bandwidth = abs(1.06 * np.std(row) * n ** (-1 / 5))
    points = np.linspace(row.min(), row.max(), k)
    density = KernelDensity(kernel="gaussian", bandwidth=bandwidth).fit(row.reshape(-1, 1))
    levels = np.rint(np.exp(density.score_samples(points.reshape(-1, 1))))
    targets = points.astype(np.float32)
    free = np.ones(n, dtype=bool)
    for i in np.argsort(-levels, kind="stable"):
        distances = np.abs(row - targets[i])
        distances[~free] = np.inf
        free[np.argmin(distances)] = False
    return np.isin(row, row[~free])


def golden_rows(path=ROWS):
    """Yields (row, k, mask, source) of the golden rows; ken/testdata/pack_rows.py has the format."""
    with gzip.open(path) as file:
        content = file.read()
    (size,) = struct.unpack_from("<I", content)
    rows = json.loads(content[4 : 4 + size])
    place = 4 + size
    masks = []
    for row in rows:
        packed = np.frombuffer(content, np.uint8, (row["n"] + 7) // 8, place)
        masks.append(np.unpackbits(packed, count=row["n"], bitorder="little").astype(bool))
        place += packed.size
    planes = np.frombuffer(content, np.uint8, offset=place).reshape(4, -1)
    values = np.ascontiguousarray(planes.T).view("<f4").ravel()
    place = 0
    for row, mask in zip(rows, masks):
        yield values[place : place + row["n"]], row["k"], mask, row["source"]
        place += row["n"]


def check():
    """Compares all golden rows; returns their number and the seconds of CPU select took."""
    rows = list(golden_rows())
    start = time.process_time()
    masks = [select(row, k) for row, k, _, _ in rows]
    seconds = time.process_time() - start
    for i, (mask, (_, k, want, source)) in enumerate(zip(masks, rows)):
        if not np.array_equal(mask, want):
            raise SystemExit(f"golden row {i} ({source}, k={k}): the procedure's mask differs")
    return len(rows), seconds


if __name__ == "__main__":
    count, seconds = check()
    print(f"{count} golden rows: all masks identical; {1e3 * seconds / count:.2f} ms a row")
