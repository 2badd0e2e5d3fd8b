"""Writes numpy.bin: what numpy computes for rows of 1 to 5,000 float32 values.

    python golden.py         (from this folder)

Row n is values[start:start+n] * scale + offset in float32, with values, start,
scale and offset as below. For each row: mean and population standard deviation
(float32), the bandwidth (float64), and the SHA-256 of linspace(min, max, n)
(float64), the first eight bytes of it. All little-endian.

Made with Python 3.11, numpy 1.26.4 on x86-64.
"""

import hashlib
import struct

import numpy as np

LONGEST = 5000


def generator(count):
    """The upper halves of a linear congruential generator, as int32."""
    state, out = 1, np.empty(count, np.uint32)
    for i in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out[i] = state >> 32
    return out.view(np.int32)


def main():
    values = generator(2 * LONGEST).astype(np.float32) * np.float32(2.0**-31)
    with open("numpy.bin", "wb") as out:
        for n in range(1, LONGEST + 1):
            start = n * 7919 % LONGEST
            scale = np.float32(2.0 ** -(n % 23))
            offset = np.float32(n % 7 - 3)
            row = values[start : start + n] * scale + offset
            sigma = np.std(row)
            bandwidth = abs(1.06 * sigma * n ** (-1 / 5))
            grid = np.linspace(row.min(), row.max(), n)
            assert row.dtype == sigma.dtype == np.float32 and grid.dtype == np.float64
            out.write(struct.pack("<ffd", np.mean(row), sigma, bandwidth))
            out.write(hashlib.sha256(grid.tobytes()).digest()[:8])


if __name__ == "__main__":
    main()
