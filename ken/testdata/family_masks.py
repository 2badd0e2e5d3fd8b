"""Writes families.json: for a tiny checkpoint of every family, the digests of
the masks that the reference procedure (benchmarks/prune/reference.py) chooses.

    python family_masks.py

A digest is the SHA-256 of a tensor's masks: eight columns a byte, least
significant bit first, every row padded to a whole byte. A row is a tensor's last
dimension; one that is no wider than K, or all the same, is kept whole.

Made with Python 3.11, numpy 1.26.4, scikit-learn 1.5.2, torch 2.8.0, safetensors
0.8.0.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
from safetensors import safe_open

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "prune"))
from reference import select  # noqa: E402

K = 7
FOLDERS = ["bert/testdata/plain"] + ["families/testdata/" + name for name in (
    "bloom-plain", "deberta-plain", "deberta-v2-v2", "distilbert-plain", "electra-narrow", "ernie-tasks",
    "modernbert-plain", "roberta-bfloat16", "xlm-roberta-plain")]


def digest(tensor):
    rows = tensor.reshape(-1, tensor.shape[-1])
    h, kept = hashlib.sha256(), 0
    for row in rows:
        mask = np.ones(row.size, bool) if row.size <= K or np.std(row) == 0 else select(row, K)
        kept += int(mask.sum())
        h.update(np.packbits(mask, bitorder="little").tobytes())
    return {"kept": kept, "mask_sha256": h.hexdigest()}


out = {}
for folder in FOLDERS:
    tensors = {}
    for path in sorted((ROOT / "models" / folder).glob("*.safetensors")):
        with safe_open(path, "pt") as f:
            for name in f.keys():
                tensors[name] = digest(f.get_tensor(name).float().numpy())
    out[folder] = dict(sorted(tensors.items()))
(HERE / "families.json").write_text(json.dumps({"k": K, "folders": out}, indent=1) + "\n")
