"""Writes the checkpoints of this folder and the logits that transformers
computes with them.

Versions: Python 3.11, torch 2.8.0, transformers 4.57.6, safetensors 0.8.0.

    python make_goldens.py                       small checkpoints, beside this file
    python make_goldens.py DIR TEXTS.jsonl OUT   logits of a real checkpoint for texts

The second form tokenizes the "text" (and "text_pair") of each line and writes
goldens in the same format for any fine-tuned folder.
"""
import json
import pathlib
import sys

import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent

# Most sizes are no multiples of the kernels' tile sizes, on purpose.
TINY = {
    "plain": dict(hidden_size=32, num_attention_heads=4, num_hidden_layers=2, intermediate_size=64, num_labels=3),
    "odd": dict(hidden_size=35, num_attention_heads=5, num_hidden_layers=3, intermediate_size=51, num_labels=5,
                type_vocab_size=3, layer_norm_eps=1e-5, hidden_act="gelu_new", vocab_size=101,
                problem_type="multi_label_classification"),
    "one": dict(hidden_size=24, num_attention_heads=2, num_hidden_layers=2, intermediate_size=97, num_labels=1,
                type_vocab_size=1, layer_norm_eps=1e-3, hidden_act="relu", problem_type="regression"),
    "wide": dict(hidden_size=64, num_attention_heads=1, num_hidden_layers=1, intermediate_size=33, num_labels=2,
                 hidden_act="gelu_pytorch_tanh", max_position_embeddings=130),
}
LENGTHS = [1, 2, 3, 5, 8, 13, 21, 34, 40, 7, 7, 29]


def tiny(name, sizes, seed):
    sizes = {"vocab_size": 97, "max_position_embeddings": 40, **sizes}
    config = transformers.BertConfig(**sizes)
    torch.manual_seed(seed)
    model = transformers.BertForSequenceClassification(config).float().eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            # Much larger than usual initial values, so that attention is sharp
            # and biases and layer norms have an effect.
            scale = 0.3 if p.dim() == 2 else 0.2
            p.copy_(torch.randn(p.shape) * scale + (1.0 if key.endswith("LayerNorm.weight") else 0.0))
    folder = HERE / name
    model.save_pretrained(folder)
    lengths = LENGTHS + ([130, 65] if config.max_position_embeddings > 100 else [])
    sequences = []
    for i, n in enumerate(lengths):
        ids = torch.randint(0, config.vocab_size, (n,)).tolist()
        types = [0] * n
        if i % 2:  # a pair: the tokens of the second text have the last type
            cut = n // 2
            types = [0] * cut + [config.type_vocab_size - 1] * (n - cut)
        sequences.append((ids, types))
    write(folder, sequences, folder / "goldens.json")


def write(folder, sequences, out):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    assert all(p.dtype == torch.float32 for p in model.parameters())
    lines = []
    with torch.no_grad():
        for ids, types in sequences:  # one at a time, without padding
            logits = model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])).logits[0]
            lines.append(json.dumps({"ids": ids, "type_ids": types, "logits": logits.tolist()}))
    pathlib.Path(out).write_text("[\n" + ",\n".join(lines) + "\n]\n")


def real(folder, texts, out):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    sequences = []
    for line in open(texts, encoding="utf-8"):
        row = json.loads(line)
        e = tokenizer(row["text"], row.get("text_pair"), truncation=True)
        sequences.append((e["input_ids"], e.get("token_type_ids", [0] * len(e["input_ids"]))))
    write(folder, sequences, out)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        for seed, (name, sizes) in enumerate(TINY.items()):
            tiny(name, sizes, seed)
    else:
        real(*sys.argv[1:])
