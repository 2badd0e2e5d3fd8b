"""Compares throughput and memory of model families with PyTorch on the same weights.

For each shape it makes a base and a classifier of it with random float32 weights.
Then, in one run, it

- prunes the classifier, classifies the texts with the delta, and reports the peak
  resident memory of both processes, including mapped files;
- compares the logits with PyTorch's, and fails if they differ by more than 1e-4;
- times PyTorch and kenserve, round by round, with the same number of threads and
  batches of 32 texts in order of arrival. PyTorch gets token ids, encoded before
  the clock starts, and pads each batch to its longest text; kenserve gets texts.

Versions: requirements.txt, Python 3.11. See README.md for the command.
"""

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy
import torch
import transformers
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as CLASSES

SHAPES = {
    "BERT-base": ("bert", {}),
    "DeBERTa-v3-base": ("deberta-v2", dict(
        hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072, vocab_size=128100,
        relative_attention=True, max_relative_positions=-1, position_buckets=256, norm_rel_ebd="layer_norm",
        share_att_key=True, pos_att_type="p2c|c2p", position_biased_input=False)),
    "BLOOM-560m": ("bloom", dict(
        hidden_size=1024, n_layer=24, n_head=16, vocab_size=250880, pad_token_id=3, seq_length=2048)),
    "ModernBERT-base": ("modernbert", dict(reference_compile=False)),
    "RoBERTa-base": ("roberta", dict(max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5)),
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in "bdgklmnrst"]
BATCH = 32


def make(name, folder):
    """Writes the base and the classifier unless they exist."""
    base, tuned = folder / "base", folder / "tuned"
    if (tuned / "done").exists():
        return base, tuned
    shutil.rmtree(folder, ignore_errors=True)
    model_type, sizes = SHAPES[name]
    config = transformers.AutoConfig.for_model(model_type, num_labels=3, **sizes)
    torch.manual_seed(1)
    model = CLASSES[type(config)](config).float().eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            # Large enough that different texts get different logits.
            if p.dim() > 1:
                p.normal_(0, 0.05)
            elif key.endswith("bias"):
                p.normal_(0, 0.02)
    model.base_model.save_pretrained(base)
    with torch.no_grad():  # as training changes every weight a little
        for p in model.parameters():
            p.add_(torch.randn(p.shape) * 1e-3)
    model.save_pretrained(tuned)
    for path in (base, tuned):
        (path / "vocab.txt").write_text("\n".join(SPECIAL + WORDS) + "\n")
        (path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')
    (tuned / "done").touch()
    return base, tuned


def texts(count):
    """Returns texts with log-normal lengths, 25 tokens on average, and their ids."""
    rng = random.Random(1)
    lines, ids = [], []
    for _ in range(count):
        length = max(1, round(23 * math.exp(rng.gauss(0, 0.6) - 0.18)))
        words = [rng.randrange(len(WORDS)) for _ in range(length)]
        lines.append(" ".join(WORDS[w] for w in words))
        ids.append([2] + [len(SPECIAL) + w for w in words] + [3])
    return lines, ids


def run(command, **options):
    """Runs a command; returns its output, seconds, and peak resident bytes."""
    start = time.monotonic()
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, **options) as p:
        out = p.stdout.read()
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode != 0:
        sys.exit(f"{command[1]} failed")
    return out, time.monotonic() - start, usage.ru_maxrss * 1024


class Torch:
    """The classifier in PyTorch."""

    def __init__(self, folder, threads):
        torch.set_num_threads(threads)
        self.model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
        self.pad = self.model.config.pad_token_id or 0

    @torch.inference_mode()
    def logits(self, ids):
        longest = max(map(len, ids))
        tokens = torch.full((len(ids), longest), self.pad)
        mask = torch.zeros((len(ids), longest), dtype=torch.long)
        for i, row in enumerate(ids):
            tokens[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        return self.model(input_ids=tokens, attention_mask=mask).logits.numpy()


def check(name, options, base, source, tuned, count):
    """Prunes and classifies; returns the logits [texts, labels]."""
    delta = options.work / (name.lower() + ".ken")
    out, seconds, memory = run([options.kenserve, "prune", "--base", base, "--tuned", tuned, "--out", delta,
                                "--select", "delta", "--keep", "1"], stderr=subprocess.DEVNULL)
    print(f"{name}: prune with everything kept: {seconds:.0f} s, {memory / 2**30:.2f} GiB peak resident memory", flush=True)
    out, seconds, memory = run([options.kenserve, "classify", delta, "--base", base, "--input", source, "--raw-scores"])
    print(f"{name}: classify {count} texts: {seconds:.0f} s, {memory / 2**30:.2f} GiB peak resident memory", flush=True)
    logits = numpy.array([[s["score"] for s in sorted(json.loads(line)["scores"], key=lambda s: s["label"])]
                        for line in out.splitlines()])
    delta.unlink()
    return logits


def measure(name, options):
    base, tuned = make(name, options.work / name)
    lines, ids = texts(options.texts)
    source = options.work / "texts.txt"
    source.write_text("\n".join(lines) + "\n")
    ours = None if options.only_timing else check(name, options, base, source, tuned, len(lines))
    peer = Torch(tuned, options.threads)
    batches = [ids[i : i + BATCH] for i in range(0, len(ids), BATCH)]
    theirs = numpy.concatenate([peer.logits(b) for b in batches])  # also the warm-up
    if ours is not None:
        worst = float(numpy.abs(ours - theirs).max())
        print(f"{name}: logits from {theirs.min():.2f} to {theirs.max():.2f}, largest difference {worst:.1e}", flush=True)
        if not worst <= 1e-4:
            sys.exit("logits differ")
    if not options.rounds:
        return

    ratios, best = [], {"PyTorch": 0.0, "kenserve": 0.0}
    for _ in range(options.rounds):
        start = time.monotonic()
        for b in batches:
            peer.logits(b)
        torch_rate = len(ids) / (time.monotonic() - start)
        out, _, _ = run([options.kenserve, "bench", tuned, "--input", source, "--batch", BATCH, "--passes", 1,
                         "--texts", len(ids), "--threads", options.threads, "--json"], stderr=subprocess.DEVNULL)
        our_rate = json.loads(out)["texts_per_second"]
        ratios.append(our_rate / torch_rate)
        best = {"PyTorch": max(best["PyTorch"], torch_rate), "kenserve": max(best["kenserve"], our_rate)}
    real, padded = sum(map(len, ids)), sum(len(b) * max(map(len, b)) for b in batches)
    print(f"{name}: {best['kenserve']:.1f} texts/s, PyTorch {best['PyTorch']:.1f}: ratio of the best rounds {best['kenserve'] / best['PyTorch']:.2f} x, "
          f"of each round {', '.join(f'{r:.2f}' for r in ratios)}; {real} tokens, {padded} padded", flush=True)


def processor_time(name, options):
    """Compares processor time per pass on one thread: a busy machine disturbs it least."""
    _, tuned = make(name, options.work / name)
    lines, ids = texts(options.texts)
    source = options.work / "texts.txt"
    source.write_text("\n".join(lines) + "\n")

    def bench(passes):
        before = os.times()
        run([options.kenserve, "bench", tuned, "--input", source, "--batch", BATCH, "--texts", len(ids),
             "--passes", passes, "--threads", 1, "--json"], stderr=subprocess.DEVNULL)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    ours = (bench(3) - bench(1)) / 2  # loading and warming up cancel out
    peer, theirs = Torch(tuned, 1), math.inf
    for _ in range(2):
        start = time.process_time()
        for i in range(0, len(ids), BATCH):
            peer.logits(ids[i : i + BATCH])
        theirs = min(theirs, time.process_time() - start)
    print(f"{name}: {ours:.2f} s of processor time per pass, PyTorch {theirs:.2f} s: {theirs / ours:.2f} x", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kenserve", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for models, several gigabytes")
    parser.add_argument("--shapes", nargs="*", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--texts", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="0 skips the timing")
    parser.add_argument("--only-timing", action="store_true", help="skip pruning and the comparison of logits")
    parser.add_argument("--processor-time", action="store_true", help="compare processor time on one thread instead")
    options = parser.parse_args()
    options.kenserve = options.kenserve.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    for name in options.shapes:
        (processor_time if options.processor_time else measure)(name, options)


if __name__ == "__main__":
    main()
