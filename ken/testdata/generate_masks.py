"""Makes masks.bin: what the reference procedure keeps of 10,000 rows.

    python generate_masks.py masks.bin

The rows themselves are not kept. They follow from their number by arithmetic
that is exact or correctly rounded, so that generated_test.go makes the same
ones: see row below. They have 2 to 3,072 columns and are of ten kinds, among
them constant and nearly constant rows, rows of few distinct values and rows of
16 significant bits.

The procedure is benchmarks/prune/reference.py, which makes the masks of the
implementation published with "Less is KEN" (check it with `python
reference.py`). It has no answer for rows without deviation or for a k beyond
the width: such rows are kept whole, as package ken says.

masks.bin has four bytes a row: the first ones of the SHA-256 of its mask, eight
columns a byte, least significant bit first, the last byte padded with zeros.

Made with Python 3.11, numpy 1.26.4, scikit-learn 1.5.2, in about ten minutes.
"""

import hashlib
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "benchmarks", "prune"))
import reference

ROWS = 10_000
STEP = np.uint64(0x9E3779B97F4A7C15)


def mix(x):
    """The output function of SplitMix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def draws(seed, first, count):
    """Numbers first, first+1, … of the sequence of a seed."""
    return mix(np.uint64(seed) + STEP * (np.arange(count, dtype=np.uint64) + np.uint64(first + 1)))


def uniform(x):
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53


def row(i):
    """Row i and its k."""
    with np.errstate(over="ignore"):
        choice = [int(x) for x in draws(i, 0, 4)]
        share = i % 20
        n = 3072 if share == 0 else 1536 if share < 4 else 768 if share < 9 else 384 if share < 14 else 2 + choice[0] % 700
        k = [1, 2, n // 10, n // 4, n // 2, 3 * n // 4, n - 1, n, n + 5][choice[1] % 9]
        kind = choice[2] % 10
        scale = 2.0 ** -(choice[3] % 8)
        # Per column: six numbers that sum to something normal, and one more.
        u = [uniform(draws(i, 4 + j * n, n)) for j in range(7)]
    normal = ((((u[0] + u[1]) + u[2]) + u[3]) + u[4]) + u[5] - 3.0
    if kind == 0:
        x = normal
    elif kind == 1:  # heavy tails
        x = normal / (u[6] + 0.03125)
    elif kind == 2:  # two modes
        x = normal * 0.25 + np.where(u[6] < 0.5, 1.0, -1.0)
    elif kind == 3:
        x = u[6] - 0.5
    elif kind == 4:  # few distinct values
        x = np.rint(normal * 16.0) * 0.0625
    elif kind == 5:  # mostly zeros
        x = np.where(u[6] < 0.75, 0.0, normal)
    elif kind == 6:  # nearly constant: neighbours in float32
        x = 0.75 + normal * 2.0**-21
    elif kind == 7:  # constant, or so small that squares underflow
        x = np.full(n, u[0][0]) if choice[3] % 2 == 0 else normal * 2.0**-90
    elif kind == 8:  # one far outlier
        x = normal.copy()
        x[choice[0] % n] *= 1000.0
    else:  # sixteen significant bits
        x = normal.astype(np.float32)
        x = (x.view(np.uint32) & np.uint32(0xFFFFFF00)).view(np.float32).astype(np.float64)
    return (x * scale).astype(np.float32), max(k, 1)


def mask(values, k):
    if k >= values.size or np.std(values) == 0:
        return np.ones(values.size, dtype=bool)
    return reference.select(values, k)


def main(target):
    digests = []
    for i in range(ROWS):
        packed = np.packbits(mask(*row(i)), bitorder="little").tobytes()
        digests.append(hashlib.sha256(packed).digest()[:4])
        if i % 500 == 499:
            print(i + 1, "rows", flush=True)
    with open(target, "wb") as out:
        out.write(b"".join(digests))


if __name__ == "__main__":
    main(sys.argv[1])
