"""Compares the throughput of kenserve with ONNX Runtime, OpenVINO and PyTorch.

All use one model, the same texts and the same number of threads, in one run. In
each round every runtime classifies all texts, so that other load on the machine
affects all of them alike. There are three modes: batches of 32 texts sorted by
length, batches of 32 in order of arrival, and one text at a time.

The peers get token ids, encoded before the clock starts, and pad each batch to its
longest text. kenserve gets texts and encodes them while the clock runs. Every
runtime is warmed up with all batches of a mode before that mode is measured. Each
peer has its own process, which sleeps while others are measured.

The logits of every text and every runtime are compared with those of PyTorch in
float32; the run fails if they differ by more than the bound of the precision. A peer's
int8 has no bound: the difference is recorded, and with --test the accuracy.

int8 is what each peer's users would pick: ONNX Runtime's dynamic quantisation of the
optimised graph, with a scale for each output, and OpenVINO's model after NNCF's
quantisation for transformers, calibrated with --calibration.

Versions: requirements.txt. See README.md for the command.
"""

import argparse
import json
import math
import multiprocessing
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy

MODES = ("sorted", "arrival", "single")
TITLES = {"sorted": "batches of 32, sorted by length", "arrival": "batches of 32, as they arrive", "single": "one at a time"}
BOUNDS = {"float32": 1e-4, "bfloat16": 0.5, "int8": 2.0}  # of the difference of a logit from PyTorch's
WORDS = """the of and to in a is that for it as was with be by on not he his but at are this have from or had an they
which you were all one we there her she been their more if no when what will would who so my time out about some than
them can only other new into its now two may then do first any like people over after also work year back where how
well even good way day man life world here old house great little own state never night water place name school home
small large city film long money last week card account number river country music story word line question answer""".split()


def synthetic(count, tokens, longest):
    """Returns texts of common words with log-normal lengths around a mean in tokens."""
    rng = random.Random(1)
    texts = []
    for _ in range(count):
        length = min(longest, max(1, round((tokens - 2) * math.exp(rng.gauss(0, 0.6) - 0.18))))
        texts.append(" ".join(rng.choice(WORDS) for _ in range(length)))
    return texts


def batches(mode, lengths):
    """Returns the indices of the texts of each batch."""
    order = list(range(len(lengths)))
    if mode == "single":
        return [[i] for i in order]
    if mode == "sorted":
        order.sort(key=lambda i: lengths[i])
    return [order[i : i + 32] for i in range(0, len(order), 32)]


def export(model, path):
    """Writes the model as ONNX with the graph optimised for transformers."""
    import torch
    from onnxruntime.transformers import optimizer

    ids = torch.ones((2, 8), dtype=torch.int64)
    dynamic = {0: "batch", 1: "tokens"}
    names = ["input_ids", "attention_mask", "token_type_ids"]
    plain = path.with_suffix(".plain.onnx")
    torch.onnx.export(
        model, (ids, ids, torch.zeros_like(ids)), str(plain), input_names=names, output_names=["logits"],
        dynamic_axes={n: dynamic for n in names} | {"logits": {0: "batch"}}, opset_version=17, dynamo=False,
    )
    c = model.config
    optimizer.optimize_model(
        str(plain), model_type="bert", num_heads=c.num_attention_heads, hidden_size=c.hidden_size, opt_level=1,
    ).save_model_to_file(str(path))
    return plain


def quantise(work, encoded):
    """Writes the int8 models of ONNX Runtime and OpenVINO. encoded are the calibration texts."""
    import nncf
    import onnx
    import openvino
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        work / "model.onnx", work / "model.int8.onnx", per_channel=True, weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # of the results of fused operators
    )
    items = []
    for e in encoded:
        ids = numpy.array([e], numpy.int64)
        items.append({"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)})
    model = nncf.quantize(
        openvino.Core().read_model(work / "model.plain.onnx"), nncf.Dataset(items), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(items),
    )
    openvino.save_model(model, work / "model.int8.xml", compress_to_fp16=False)


def load(runtime, precision, folder, work, threads):
    """Returns a function from padded arrays to logits."""
    if runtime == "PyTorch":
        import torch
        from transformers import AutoModelForSequenceClassification

        torch.set_num_threads(threads)
        model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=getattr(torch, precision)).eval()

        def run(ids, mask, types):
            with torch.inference_mode():
                out = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask), token_type_ids=torch.from_numpy(types))
            return out.logits.float().numpy()

        return run
    if runtime == "ONNX Runtime":
        import onnxruntime

        o = onnxruntime.SessionOptions()
        o.intra_op_num_threads = threads
        o.inter_op_num_threads = 1
        o.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(str(work / ("model.int8.onnx" if precision == "int8" else "model.onnx")), o, providers=["CPUExecutionProvider"])
        return lambda ids, mask, types: session.run(["logits"], {"input_ids": ids, "attention_mask": mask, "token_type_ids": types})[0]
    import openvino

    hints = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}  # of what is not quantised
    compiled = openvino.Core().compile_model(
        str(work / ("model.int8.xml" if precision == "int8" else "model.plain.onnx")), "CPU",
        {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hints[precision]},
    )
    request = compiled.create_infer_request()

    def run(ids, mask, types):
        result = request.infer({"input_ids": ids, "attention_mask": mask, "token_type_ids": types}, share_inputs=True)
        return numpy.array(result[compiled.output("logits")])

    return run


def pad(mode, encoded):
    """Returns the batches of a mode: indices of the texts, and arrays padded to the longest."""
    padded = []
    for batch in batches(mode, [len(e) for e in encoded]):
        width = max(len(encoded[i]) for i in batch)
        ids = numpy.zeros((len(batch), width), numpy.int64)
        mask = numpy.zeros_like(ids)
        for row, i in enumerate(batch):
            ids[row, : len(encoded[i])] = encoded[i]
            mask[row, : len(encoded[i])] = 1
        padded.append((batch, ids, mask, numpy.zeros_like(ids)))
    return padded


def peer(pipe, runtime, precision, folder, work, threads, encoded, tests):
    """Runs in a peer's process: answers each mode with its best time and the logits. The mode "test" is one pass over the test set."""
    run = load(runtime, precision, folder, work, threads)
    padded = {mode: pad(mode, encoded) for mode in MODES} | {"test": pad("sorted", tests)}
    pipe.send("ready")
    while (order := pipe.recv()) is not None:
        mode, passes = order
        logits = {}
        seconds = []
        for _ in range(passes + 1):  # the first pass is the warm-up
            start = time.perf_counter()
            for batch, ids, mask, types in padded[mode]:
                out = run(ids, mask, types)
                for row, i in enumerate(batch):
                    logits[i] = out[row]
            seconds.append(time.perf_counter() - start)
        pipe.send((min(seconds[1:], default=0), numpy.stack([logits[i] for i in range(len(logits))])))


class Peer:
    def __init__(self, name, precision, *rest):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.name, self.precision = name, precision
        self.process = context.Process(target=peer, args=(other, name, precision, *rest), daemon=True)
        self.process.start()
        if self.pipe.recv() != "ready":
            raise RuntimeError(f"{name} did not start")

    def measure(self, mode, passes):
        self.pipe.send((mode, passes))
        return self.pipe.recv()

    def classify(self, file):
        return self.measure("test", 0)[1]

    def close(self):
        self.pipe.send(None)
        self.process.join()


class Kenserve:
    name = "kenserve"

    def __init__(self, program, delta, base, texts, threads, compute):
        self.precision = compute
        self.command = [program, "bench", str(delta), "--base", str(base), "--input", str(texts), "--texts", "1000000", "--threads", str(threads), "--json"]
        extra = [] if compute == "float32" else ["--compute", compute]
        self.command += extra
        self.labels = json.loads(subprocess.run([program, "inspect", str(delta), "--json"], check=True, capture_output=True, text=True).stdout)["labels"]
        self.classifying = [program, "classify", str(delta), "--base", str(base), "--raw-scores", *extra, "--input"]
        self.logits = self.classify(texts)

    def classify(self, file):
        out = subprocess.run([*self.classifying, str(file)], check=True, capture_output=True, text=True).stdout
        rows = []
        for line in out.splitlines():
            scores = {s["label"]: s["score"] for s in json.loads(line)["scores"]}
            rows.append([scores[label] for label in self.labels])
        return numpy.array(rows, numpy.float32)

    def measure(self, mode, passes):
        flags = ["--passes", str(passes), "--batch", "1" if mode == "single" else "32"] + (["--sort"] if mode == "sorted" else [])
        out = subprocess.run(self.command + flags, check=True, capture_output=True, text=True).stdout
        return min(json.loads(out)["pass_seconds"]), self.logits

    def close(self):
        pass


def prepare(arguments, work):
    """Makes the tuned model, its base, and a delta that keeps every changed weight."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification

    base, tuned = arguments.base, arguments.tuned
    if arguments.shape != "given":
        # Random weights in BERT-base's shape, with the tokenizer of the given base.
        torch.manual_seed(1)
        tokenizer = AutoTokenizer.from_pretrained(base)
        config = BertConfig(vocab_size=len(tokenizer), num_labels=6)
        tuned = work / "tuned"
        BertForSequenceClassification(config).eval().save_pretrained(tuned)
        tokenizer.save_pretrained(tuned)
        # The model is its own base: only the head differs.
        base = tuned
    model = AutoModelForSequenceClassification.from_pretrained(tuned, dtype=torch.float32).eval()
    export(model, work / "model.onnx")
    delta = work / "peers.ken"
    delta.unlink(missing_ok=True)  # of an earlier run
    subprocess.run(
        [arguments.kenserve, "prune", "--base", str(base), "--tuned", str(tuned), "--out", str(delta), "--select", "delta", "--keep", "1", "--values", "f32"],
        check=True, capture_output=True,
    )
    return base, tuned, delta, model.config.max_position_embeddings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kenserve", required=True, help="program to measure")
    parser.add_argument("--base", required=True, help="Hugging Face folder of the base")
    parser.add_argument("--tuned", help="Hugging Face folder of a model tuned from it; not needed with --shape bert-base")
    parser.add_argument("--shape", choices=("given", "bert-base"), default="given", help="bert-base: random weights of that shape instead of --tuned")
    parser.add_argument("--data", nargs="*", default=[], help="JSON lines with one text each; default: synthetic texts")
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=25, help="mean length of synthetic texts; 512 and more: the longest that the model takes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=("float32", "bfloat16", "int8"), default="float32")
    parser.add_argument("--calibration", type=Path, help="JSON lines with one text each, of which the first 300 calibrate OpenVINO's int8; required for it")
    parser.add_argument("--test", type=Path, help="JSON lines with a text and a label each, to measure the accuracy of every runtime with")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--name", required=True, help="name of this measurement in the table")
    parser.add_argument("--work", required=True, type=Path, help="folder for the models and texts that the program makes")
    parser.add_argument("--results", required=True, type=Path, help="JSON file to add the figures to")
    arguments = parser.parse_args()
    arguments.kenserve = os.path.abspath(arguments.kenserve)
    arguments.work.mkdir(parents=True, exist_ok=True)
    if (arguments.shape == "given") != (arguments.tuned is not None):
        parser.error("give --tuned, or --shape bert-base")
    if (arguments.precision == "int8") != (arguments.calibration is not None):
        parser.error("give --calibration with --precision int8, and only then")

    base, tuned, delta, longest = prepare(arguments, arguments.work)
    if arguments.data:
        texts = []
        sets = [[json.loads(line)["text"] for line in Path(f).read_text().splitlines()] for f in arguments.data]
        for i in range(max(map(len, sets))):
            texts += [s[i] for s in sets if i < len(s)]
        texts = texts[: arguments.texts]
    else:
        texts = synthetic(arguments.texts, arguments.tokens if arguments.tokens < longest else 100 * longest, 4 * longest)
    file = arguments.work / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tuned)

    def encode(texts):
        return tokenizer(texts, truncation=longest is not None, max_length=longest)["input_ids"]

    encoded = encode(texts)
    tests = [json.loads(line) for line in arguments.test.read_text().splitlines()] if arguments.test else []
    if arguments.precision == "int8":
        lines = arguments.calibration.read_text().splitlines()[:300]
        quantise(arguments.work, encode([json.loads(line)["text"] for line in lines]))
    rest = (str(tuned), arguments.work, arguments.threads, encoded, encode([t["text"] for t in tests]) if tests else [])
    runtimes = [Kenserve(arguments.kenserve, delta, base, file, arguments.threads, arguments.precision)]
    names = {"float32": ("ONNX Runtime", "OpenVINO", "PyTorch"), "bfloat16": ("OpenVINO", "PyTorch"), "int8": ("ONNX Runtime", "OpenVINO")}[arguments.precision]
    runtimes += [Peer(name, arguments.precision, *rest) for name in names]
    reference = runtimes[-1] if arguments.precision == "float32" else Peer("PyTorch", "float32", *rest)
    expected = reference.measure("sorted", 1)[1]
    accuracy = {}
    if tests:
        labels = [runtimes[0].labels.index(t["label"]) for t in tests]
        right = reference.classify(arguments.test).argmax(1)
        for r in runtimes + ([reference] if reference not in runtimes else []):
            given = r.classify(arguments.test).argmax(1)
            name = r.name if r in runtimes else f"{r.name}, float32"
            accuracy[name] = {"texts": len(tests), "accuracy": float((given == labels).mean()), "same_label": float((given == right).mean())}
            print(f"{name:13} {accuracy[name]}", file=sys.stderr, flush=True)
    if reference not in runtimes:
        reference.close()

    best = {r.name: {m: math.inf for m in arguments.modes} for r in runtimes}
    differences = {r.name: 0.0 for r in runtimes}
    agree = {r.name: 1.0 for r in runtimes}
    for turn in range(arguments.rounds):
        for mode in arguments.modes:
            for i in range(len(runtimes)):
                r = runtimes[(i + turn) % len(runtimes)]
                seconds, logits = r.measure(mode, 1)
                best[r.name][mode] = min(best[r.name][mode], seconds)
                differences[r.name] = max(differences[r.name], float(abs(logits - expected).max()))
                agree[r.name] = min(agree[r.name], float((logits.argmax(1) == expected.argmax(1)).mean()))
                print(f"{arguments.name}, round {turn + 1}, {mode:8} {r.name:13} {len(texts) / seconds:8.1f} texts/s", file=sys.stderr, flush=True)
                time.sleep(0.5)  # until threads that spin after their work sleep
        save(arguments.results, {
            "name": arguments.name, "precision": arguments.precision, "threads": arguments.threads, "texts": len(texts),
            "tokens_per_text": sum(map(len, encoded)) / len(encoded), "rounds": turn + 1, "processor": processor(),
            "texts_per_second": {n: {m: len(texts) / s for m, s in modes.items()} for n, modes in best.items()},
            "largest_difference": differences, "same_label": agree, "test": accuracy,
        })
    for r in runtimes:
        r.close()
    bad = [f"{n}: {d:.2g}" for n, d in differences.items() if not d <= BOUNDS[arguments.precision] and (n == "kenserve" or arguments.precision != "int8")]
    if bad:
        sys.exit("logits differ from PyTorch's by more than the bound: " + ", ".join(bad))


def save(path, figures):
    """Adds a measurement to the results, or replaces an earlier one of the same kind."""
    results = json.loads(path.read_text()) if path.exists() else []
    same = lambda r: (r["name"], r["precision"], r["processor"])
    known = [same(r) for r in results]
    if same(figures) in known:
        results[known.index(same(figures))] = figures
    else:
        results.append(figures)
    path.write_text(json.dumps(results, indent=1) + "\n")


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            flags = Path("/proc/cpuinfo").read_text()
            return line.split(":", 1)[1].strip() + (", AVX-512" if "avx512f" in flags else ", AVX2")
    return "unknown"


if __name__ == "__main__":
    main()
