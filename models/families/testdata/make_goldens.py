"""Writes the small checkpoints of this folder, a few per family, and the logits
that transformers computes with them.

Versions: Python 3.11, torch 2.8.0, transformers 4.57.6, safetensors 0.8.0.

    python make_goldens.py [MODEL_TYPE...]     all families, or those named

Most sizes are no multiples of the kernels' tile sizes, on purpose. The seed of a
checkpoint is its index in its family's list. Besides sizes, an entry may have:
"save", arguments for storing it; "lengths", more lengths of sequences; "pads",
the number of padding tokens at the end of some sequences.
"""
import json
import pathlib
import shutil
import sys

import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent

SMALL = dict(hidden_size=24, num_attention_heads=4, num_hidden_layers=2, intermediate_size=40, num_labels=3)
ODD = dict(hidden_size=35, num_attention_heads=5, num_hidden_layers=3, intermediate_size=51, num_labels=5)

MODERN = dict(pad_token_id=0, eos_token_id=1, bos_token_id=2, cls_token_id=2, sep_token_id=1, reference_compile=False)
DEBERTA = dict(relative_attention=True, pos_att_type=["c2p", "p2c"], max_position_embeddings=140, lengths=[140, 97])

FAMILIES = {
    "bloom": [
        ("plain", dict(hidden_size=24, n_head=4, n_layer=2, num_labels=3, pad_token_id=3, pads=4, lengths=[130])),
        ("odd", dict(hidden_size=35, n_head=5, n_layer=3, num_labels=2, layer_norm_epsilon=1e-3, lengths=[97],
                     apply_residual_connection_post_layernorm=True, save=dict(max_shard_size="60KB"))),
        ("many", dict(hidden_size=36, n_head=12, n_layer=1, num_labels=1, pad_token_id=3, pads=1, seq_length=50)),
    ],
    "deberta": [
        ("plain", dict(SMALL, **DEBERTA, position_biased_input=False, layer_norm_eps=1e-7)),
        ("near", dict(ODD, **DEBERTA, max_relative_positions=9, type_vocab_size=3)),
        ("c2p", dict(SMALL, relative_attention=True, pos_att_type="c2p", embedding_size=13, num_hidden_layers=1,
                     pooler_hidden_act="tanh")),
    ],
    "deberta-v2": [
        ("v3", dict(SMALL, **DEBERTA, position_buckets=16, norm_rel_ebd="layer_norm", share_att_key=True,
                    position_biased_input=False)),
        ("v2", dict(ODD, **DEBERTA, position_buckets=10, norm_rel_ebd="layer_norm", share_att_key=True,
                    position_biased_input=False, conv_kernel_size=3, conv_act="gelu", max_relative_positions=40)),
        ("apart", dict(SMALL, relative_attention=True, pos_att_type="p2c|c2p", type_vocab_size=2, embedding_size=13,
                       save=dict(max_shard_size="40KB"))),
        ("one", dict(SMALL, relative_attention=True, pos_att_type=["p2c"], num_hidden_layers=1, conv_kernel_size=5,
                     position_buckets=6)),
    ],
    "distilbert": [
        ("plain", dict(dim=24, n_heads=4, n_layers=2, hidden_dim=40, num_labels=3)),
        ("odd", dict(dim=35, n_heads=5, n_layers=3, hidden_dim=51, num_labels=2, activation="relu",
                     sinusoidal_pos_embds=True, max_position_embeddings=130, lengths=[130, 65])),
    ],
    "electra": [
        ("narrow", dict(SMALL, embedding_size=13, save=dict(max_shard_size="30KB"))),
        ("odd", dict(ODD, embedding_size=35, hidden_act="gelu_new", layer_norm_eps=1e-5)),
    ],
    "ernie": [
        ("tasks", dict(SMALL, use_task_id=True, task_type_vocab_size=3, type_vocab_size=4)),
        ("plain", dict(ODD, hidden_act="relu", max_position_embeddings=130, lengths=[130, 65], vocab_size=67)),
    ],
    "modernbert": [
        ("plain", dict(SMALL, **MODERN, max_position_embeddings=150, lengths=[150, 97], local_attention=10)),
        ("mean", dict(**MODERN, hidden_size=30, num_attention_heads=5, num_hidden_layers=5, intermediate_size=21,
                      num_labels=2, classifier_pooling="mean", norm_bias=True, attention_bias=True, mlp_bias=True,
                      classifier_bias=True, global_attn_every_n_layers=2, local_attention=7, lengths=[130],
                      max_position_embeddings=130, classifier_activation="relu", hidden_activation="gelu_new")),
        ("local", dict({**SMALL, "num_hidden_layers": 3}, **MODERN, local_rope_theta=None, max_position_embeddings=60,
                       local_attention=4, save=dict(dtype=torch.bfloat16))),
    ],
    "roberta": [
        ("plain", dict(SMALL, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5)),
        ("bfloat16", dict(ODD, max_position_embeddings=134, pad_token_id=3, save=dict(dtype=torch.bfloat16),
                          lengths=[130, 65])),
    ],
    "xlm-roberta": [
        ("plain", dict(SMALL, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5, num_labels=1,
                       problem_type="regression")),
    ],
}
LENGTHS = [1, 2, 3, 5, 8, 13, 21, 34, 40, 7, 29]


def make(model_type, name, sizes, seed):
    sizes = dict({"vocab_size": 47, "max_position_embeddings": 40, "attn_implementation": "eager"}, **sizes)
    save, lengths, pads = sizes.pop("save", {}), sizes.pop("lengths", []), sizes.pop("pads", 0)
    config = transformers.AutoConfig.for_model(model_type, **sizes)
    torch.manual_seed(seed)
    model = transformers.AutoModelForSequenceClassification.from_config(config).float().eval()
    with torch.no_grad():
        for module in model.modules():
            for key, p in module.named_parameters(recurse=False):
                # Much larger than usual initial values, so that attention is
                # sharp and biases and layer norms have an effect.
                one = "LayerNorm" in type(module).__name__ and key == "weight"
                p.copy_(torch.randn(p.shape) * (0.3 if p.dim() > 1 else 0.2) + (1.0 if one else 0.0))
    folder = HERE / f"{model_type}-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model.to(save.pop("dtype", torch.float32)).save_pretrained(folder, **save)

    types = getattr(config, "type_vocab_size", 0)
    sequences = []
    for i, n in enumerate(LENGTHS + lengths):
        ids = torch.randint(0, config.vocab_size, (n,)).tolist()
        if pads and i % 3 == 1:
            ids += [config.pad_token_id] * pads
        # In every second sequence, the second half has another type: a pair. A
        # model without types ignores them.
        cut = len(ids) // 2 if i % 2 else len(ids)
        sequences.append((ids, [0] * cut + [max(types - 1, 0 if types else 1)] * (len(ids) - cut)))

    if pads:
        sequences.append(([config.pad_token_id] * 3, [0] * 3))

    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    assert all(p.dtype == torch.float32 for p in model.parameters())
    lines = []
    with torch.no_grad():
        for ids, type_ids in sequences:  # one at a time, without padding
            inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
            if types:
                inputs["token_type_ids"] = torch.tensor([type_ids])
            logits = model(**inputs).logits[0]
            lines.append(json.dumps({"ids": ids, "type_ids": type_ids, "logits": logits.tolist()}))
    (folder / "goldens.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(folder.name, round(sum(f.stat().st_size for f in folder.iterdir()) / 1000), "kB")


if __name__ == "__main__":
    for model_type in sys.argv[1:] or FAMILIES:
        for seed, (name, sizes) in enumerate(FAMILIES[model_type]):
            make(model_type, name, sizes, seed)
