"""Writes a base of BERT-base's size and a checkpoint tuned from it, with random weights.

    python bertbase.py OUT

OUT/base and OUT/tuned are Hugging Face folders without a tokenizer, float32,
438 MB each, with the published 12 layers of 768 and vocabulary of 30,522. Weights
are normal with a standard deviation of 0.04; the tuned ones differ from them by
0.002 (standard deviation), in every row. The tuned checkpoint also has a classifier
of two labels. Every run writes the same bits.

Needs requirements.txt.
"""

import json
import os
import sys

import numpy as np
from safetensors.numpy import save_file

HIDDEN, INNER, LAYERS, VOCABULARY, POSITIONS, TYPES = 768, 3072, 12, 30522, 512, 2


def shapes():
    yield "embeddings.word_embeddings.weight", (VOCABULARY, HIDDEN)
    yield "embeddings.position_embeddings.weight", (POSITIONS, HIDDEN)
    yield "embeddings.token_type_embeddings.weight", (TYPES, HIDDEN)
    dense = [("pooler.dense", HIDDEN, HIDDEN)]
    norms = ["embeddings.LayerNorm"]
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}."
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            dense.append((layer + name, HIDDEN, HIDDEN))
        dense += [(layer + "intermediate.dense", INNER, HIDDEN), (layer + "output.dense", HIDDEN, INNER)]
        norms += [layer + "attention.output.LayerNorm", layer + "output.LayerNorm"]
    for name, outputs, inputs in dense:
        yield name + ".weight", (outputs, inputs)
        yield name + ".bias", (outputs,)
    for name in norms:
        yield name + ".weight", (HIDDEN,)
        yield name + ".bias", (HIDDEN,)


def config(architecture):
    return {
        "model_type": "bert", "architectures": [architecture], "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": 12, "intermediate_size": INNER, "vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS,
        "type_vocab_size": TYPES, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
    }


def main(out):
    random = np.random.default_rng(1)

    def normal(deviation, shape):
        return random.standard_normal(shape, dtype=np.float32) * np.float32(deviation)

    base = {name: normal(0.04, shape) for name, shape in shapes()}
    tuned = {"bert." + name: values + normal(0.002, values.shape) for name, values in base.items()}
    tuned["classifier.weight"], tuned["classifier.bias"] = normal(0.04, (2, HIDDEN)), normal(0.04, (2,))
    labels = {"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}}
    for name, tensors, about in (
        ("base", base, config("BertModel")),
        ("tuned", tuned, config("BertForSequenceClassification") | labels),
    ):
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        save_file(tensors, os.path.join(folder, "model.safetensors"))
        with open(os.path.join(folder, "config.json"), "w") as file:
            json.dump(about, file, indent=1)


if __name__ == "__main__":
    main(sys.argv[1])
