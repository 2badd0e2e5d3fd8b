"""Tunes a task with PyTorch and the recipe of "kenserve tune --full": the reference.

    python pytorch.py --base BASE --data DATA/trec --epochs 4 --rate 1e-4 --seeds 1 2 3
    python pytorch.py --base BASE --data DATA/tweet-emotion --speed 200        # texts a second

AdamW without decay, the head at ten times the rate, warm-up over a tenth of the steps, linear
decay, clipping at 1, batches of 32 texts; the best epoch on the dev set counts. --speed
measures steps alone, with batches by length (bucketed) or in order of arrival.
"""
import argparse
import json
import os
import resource
import time

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup


def read(path):
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    return [r["text"] for r in rows], [str(r["label"]) for r in rows]


def batches(tokenizer, texts, labels, size, order, device="cpu"):
    for first in range(0, len(order), size):
        part = order[first:first + size]
        x = tokenizer([texts[i] for i in part], padding=True, truncation=True, return_tensors="pt")
        yield x, torch.tensor([labels[i] for i in part])


def accuracy(model, tokenizer, texts, labels):
    model.eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    right = 0
    with torch.no_grad():
        for x, y in batches(tokenizer, texts, labels, 64, order):
            right += (model(**x).logits.argmax(-1) == y).sum().item()
    model.train()
    return right / len(texts)


def setup(args, names, seed, steps):
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(args.base, num_labels=len(names), torch_dtype=torch.float32)
    head = [p for n, p in model.named_parameters() if n.startswith("classifier")]
    rest = [p for n, p in model.named_parameters() if not n.startswith("classifier")]
    optimizer = torch.optim.AdamW([{"params": rest, "lr": args.rate}, {"params": head, "lr": 10 * args.rate}], weight_decay=0)
    return model, optimizer, get_linear_schedule_with_warmup(optimizer, steps // 10, steps)


def step(args, model, optimizer, plan, x, y):
    with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
        loss = model(**x, labels=y).loss
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    plan.step()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--base", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--epochs", type=int, default=4)
    p.add_argument("--rate", type=float, default=1e-4)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--seeds", type=int, nargs="+", default=[1])
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--bfloat16", action="store_true", help="autocast to bfloat16")
    p.add_argument("--speed", type=int, metavar="TEXTS", help="measure the speed on so many texts instead")
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    texts, labels = read(os.path.join(args.data, "train.jsonl"))
    names = sorted(set(labels))
    labels = [names.index(x) for x in labels]
    if args.speed:
        texts, labels = texts[:args.speed], labels[:args.speed]
        model, optimizer, plan = setup(args, names, 1, 1000)
        model.train()
        for name, order in (("bucketed", sorted(range(len(texts)), key=lambda i: len(texts[i]))), ("as they arrive", list(range(len(texts))))):
            list_of = list(batches(tokenizer, texts, labels, args.batch, order))
            step(args, model, optimizer, plan, *list_of[0])
            start = time.perf_counter()
            for x, y in list_of:
                step(args, model, optimizer, plan, x, y)
            print(json.dumps({"order": name, "texts_per_second": len(texts) / (time.perf_counter() - start), "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    sets = {}
    for name in ("dev", "test"):
        t, l = read(os.path.join(args.data, name + ".jsonl"))
        sets[name] = t, [names.index(x) for x in l]
    for seed in args.seeds:
        per_epoch = (len(texts) + args.batch - 1) // args.batch
        model, optimizer, plan = setup(args, names, seed, args.epochs * per_epoch)
        best = (-1.0, 0.0, 0)
        model.train()
        for epoch in range(args.epochs):
            for x, y in batches(tokenizer, texts, labels, args.batch, torch.randperm(len(texts)).tolist()):
                step(args, model, optimizer, plan, x, y)
            dev = accuracy(model, tokenizer, *sets["dev"])
            if dev > best[0]:
                best = dev, accuracy(model, tokenizer, *sets["test"]), epoch + 1
        print(json.dumps({"data": os.path.basename(args.data), "seed": seed, "dev": best[0], "test": best[1], "epoch": best[2]}), flush=True)


if __name__ == "__main__":
    main()
