"""Packs rows and the masks that KEN's published implementation chose for them.

    python pack_rows.py ROWS.safetensors rows.bin.gz

ROWS.safetensors holds, for every I, a float32 vector row.I, a uint8 vector
mask.I and in its metadata I = {"k": ..., "source": ...}. The masks were made by
the implementation published with "Less is KEN" under numpy 1.26 and
scikit-learn 1.5; benchmarks/prune/reference.py makes the same ones.

rows.bin.gz, uncompressed, is: the length of a JSON text as uint32, little-endian;
the text, a list of {"n", "k", "source"}; the masks, eight columns a byte, least
significant bit first, every row padded to a whole byte; then all rows' float32
values, little-endian, as four planes: all lowest bytes first, all highest last,
which gzip makes smaller than whole values.

Made with Python 3.11, numpy 1.26.4, safetensors 0.8.0.
"""

import gzip
import json
import struct
import sys

import numpy as np
from safetensors import safe_open


def main(source, target):
    rows = safe_open(source, "np")
    info, masks, values = [], [], []
    for name, text in sorted(rows.metadata().items()):
        row = rows.get_tensor("row." + name)
        about = json.loads(text)
        info.append({"n": row.size, "k": about["k"], "source": about["source"]})
        masks.append(np.packbits(rows.get_tensor("mask." + name) != 0, bitorder="little"))
        values.append(row.astype("<f4"))
    text = json.dumps(info, separators=(",", ":")).encode()
    planes = np.concatenate(values).view(np.uint8).reshape(-1, 4).T
    content = struct.pack("<I", len(text)) + text + np.concatenate(masks).tobytes() + planes.tobytes()
    with open(target, "wb") as out:
        out.write(gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
