"""Writes buckets.json: for some numbers of buckets and maximum distances, the
bucket of each distance from 0 up, as transformers computes it.

Versions: Python 3.11, torch 2.8.0, transformers 4.57.6.

    python make_buckets.py
"""
import json
import pathlib

import torch
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

lines = []
for size, longest, count in [(256, 512, 700), (32, 512, 512), (48, 128, 160), (10, 40, 140), (2, 9, 20), (512, 2048, 2048)]:
    buckets = make_log_bucket_position(torch.arange(count), size, longest).to(torch.long)
    assert (make_log_bucket_position(-torch.arange(count), size, longest).to(torch.long) == -buckets).all()
    lines.append(json.dumps({"size": size, "longest": longest, "buckets": buckets.tolist()}))
pathlib.Path(__file__).with_name("buckets.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
