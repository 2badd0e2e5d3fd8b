"""Computes logits of tiny classifiers of every family with every setting of its
configuration class away from its default, one at a time.

    python make_settings.py [MODEL_TYPE...]

It writes transformers-MAJOR.jsonl beside this file, or replaces the lines of the
families that are named.

Run it with transformers 4.57.6 and with 5.24.0 (torch 2.8.0). The parameters are
those of the classes themselves: a parameter without values in VALUES, SKIPPED or
FAMILIES is an error, so that new ones are noticed. Settings that models read but
no class declares are in "more".

Weights come from tensor names, see weights(); only configurations and logits are
stored. A line is a family's base configuration, or a change of the line before it.
"""
import copy
import dataclasses
import inspect
import json
import pathlib
import sys
import tempfile
import warnings

import numpy
import torch
import transformers
from transformers import AutoConfig, AutoModelForSequenceClassification

warnings.simplefilter("ignore")
transformers.logging.set_verbosity(transformers.logging.CRITICAL)
MAJOR = int(transformers.__version__.split(".")[0])
HERE = pathlib.Path(__file__).resolve().parent

# Sequences, without padding. Some tokens are the padding token of some configurations.
IDS = [[2, 9, 30, 17, 5, 1, 21, 3, 1, 5, 5, 1], [2, 11, 7, 1, 25, 33, 8, 39, 14, 20, 3, 6, 28, 19, 4, 12, 31, 10, 35, 23]]

ACTIVATIONS = ["relu", "tanh", "linear", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python", "gelu_python_tanh",
               "gelu_10", "silu", "swish", "quick_gelu", "relu2", "relu6", "leaky_relu", "sigmoid", "mish", "laplace", "prelu", "xielu", "nonsense"]

# Values of parameters, for all families that have them.
VALUES = {
    # sizes
    "vocab_size": [50], "hidden_size": [24], "num_hidden_layers": [1, 3], "num_attention_heads": [2, 8], "intermediate_size": [20],
    "max_position_embeddings": [40], "type_vocab_size": [1, 3, 0], "layer_norm_eps": [1e-2], "initializer_range": [0.5],
    "hidden_act": ACTIVATIONS, "classifier_dropout": [0.5], "hidden_dropout_prob": [0.5], "attention_probs_dropout_prob": [0.5],
    "position_embedding_type": ["relative_key", "relative_key_query", "absolute"], "use_cache": [False],
    "pad_token_id": [5, 0, None], "bos_token_id": [7, None], "eos_token_id": [7, None],
    # of all configurations
    "output_hidden_states": [True], "output_attentions": [True], "return_dict": [False], "torchscript": [True],
    "pruned_heads": [{"0": [1]}], "tie_word_embeddings": [False], "chunk_size_feed_forward": [1], "is_encoder_decoder": [True],
    "is_decoder": [True], "cross_attention_hidden_size": [8], "add_cross_attention": [True], "tie_encoder_decoder": [True],
    "architectures": [["X"]], "finetuning_task": ["x"], "id2label": [{"0": 1, "1": True}, {"0": "a", "1": "b", "2": "c", "3": "d"}],
    "label2id": [{"x": 0, "y": 1, "z": 2}], "num_labels": [4], "task_specific_params": [{"a": {}}],
    "problem_type": ["multi_label_classification", "regression"], "tokenizer_class": ["XTokenizer"], "prefix": ["x"], "sep_token_id": [7],
    "decoder_start_token_id": [7], "transformers_version": ["4.0.0"],
}
SKIPPED = {
    "dtype": "weights are read in their own type",
    "kwargs": "not a setting",
    "self": "not a setting",
}

BERT = dict(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24, max_position_embeddings=64, num_labels=3)
DEBERTA = dict(BERT, relative_attention=True, pos_att_type=["c2p", "p2c"], type_vocab_size=2, position_biased_input=True)
SUMMARY = {"summary_type": ["last"], "summary_use_proj": [False], "summary_activation": ["tanh"], "summary_last_dropout": [0.5]}
DEBERTA_VALUES = {
    "relative_attention": [False], "max_relative_positions": [6, 512], "position_biased_input": [False],
    "pos_att_type": ["c2p|p2c", " P2C ", ["c2p"], ["p2c"], ["c2p", "c2p"], ["p2p"], [], None], "pooler_dropout": [0.5], "pooler_hidden_act": ACTIVATIONS, "legacy": [False],
}
DEBERTA_MORE = [{"embedding_size": 8}, {"pooler_hidden_size": 8}, {"pooler_hidden_size": 16}, {"cls_dropout": 0.5}, {"padding_idx": 3}, {"talking_head": True}]
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
ROPES = [{"rope_type": "default"}, {"rope_type": "linear", "factor": 3.0}, {"rope_type": "dynamic", "factor": 3.0}, YARN, dict(YARN, attention_factor=0.7),
         dict(YARN, beta_fast=8, beta_slow=2), dict(YARN, mscale=0.7, mscale_all_dim=0.4), dict(YARN, truncate=False), dict(YARN, factor=0.5), LLAMA3,
         {"rope_type": "longrope", "factor": 2.0, "short_factor": [1.0, 2.0], "long_factor": [3.0, 4.0], "original_max_position_embeddings": 16}]

FAMILIES = {
    "bert": dict(base=BERT, values={}, more=[{"hidden_act": "gelu", "Hidden_Act": "relu"}, {"is_causal": True}, {"is_causal": False}]),
    "bloom": dict(
        base=dict(vocab_size=40, hidden_size=16, n_layer=2, n_head=4, num_labels=3, pad_token_id=1),
        values={"n_layer": [3], "n_head": [2, 8], "layer_norm_epsilon": [1e-2], "apply_residual_connection_post_layernorm": [True], "hidden_dropout": [0.5],
                "attention_dropout": [0.5], "pretraining_tp": [2], "slow_but_exact": [True]},
        more=[{"num_hidden_layers": 3}, {"num_attention_heads": 2}, {"n_embed": 24}, {"n_embed": None}, {"n_inner": 20}, {"seq_length": 64}, {"offset_alibi": 7},
              {"pretraining_tp": 2, "slow_but_exact": True}, {"n_head": 2, "num_attention_heads": 8}, {"is_causal": True}, {"is_causal": False}]),
    "deberta": dict(base=DEBERTA, values=DEBERTA_VALUES, more=DEBERTA_MORE),
    "deberta-v2": dict(
        base=DEBERTA, values=DEBERTA_VALUES,
        more=DEBERTA_MORE + [{"attention_head_size": 4}, {"attention_head_size": 8}, {"share_att_key": True}, {"position_buckets": 6}, {"position_buckets": 6, "max_relative_positions": 20},
                             {"norm_rel_ebd": "layer_norm"}, {"norm_rel_ebd": "none| Layer_Norm"}, {"conv_kernel_size": 3}, {"conv_kernel_size": 3, "conv_act": "gelu"},
                             {"conv_kernel_size": 5, "num_hidden_layers": 1}, {"conv_kernel_size": 4}, {"conv_kernel_size": 3, "conv_groups": 2}, {"conv_kernel_size": 0}, {"conv_groups": 2}]),
    "distilbert": dict(
        base=dict(vocab_size=40, max_position_embeddings=64, n_layers=2, n_heads=4, dim=16, hidden_dim=24, num_labels=3),
        values={"sinusoidal_pos_embds": [True], "n_layers": [3], "n_heads": [2], "dim": [24], "hidden_dim": [20], "dropout": [0.5], "attention_dropout": [0.5],
                "activation": ACTIVATIONS, "qa_dropout": [0.5], "seq_classif_dropout": [0.5]},
        more=[{"hidden_size": 24}, {"num_attention_heads": 2}, {"num_hidden_layers": 3}, {"dim": 8, "hidden_size": 24}, {"tie_weights_": True}, {"type_vocab_size": 1},
              {"layer_norm_eps": 0.1}, {"hidden_act": "relu"}, {"intermediate_size": 20}]),
    "electra": dict(base=dict(BERT, embedding_size=16), values=dict(SUMMARY, embedding_size=[8]), more=[]),
    "ernie": dict(base=BERT, values={"task_type_vocab_size": [5], "use_task_id": [True]}, more=[{"use_task_id": True, "task_type_vocab_size": 2}]),
    "modernbert": dict(
        base=dict(vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=4, num_attention_heads=4, max_position_embeddings=64, local_attention=8, num_labels=3,
                  pad_token_id=1, eos_token_id=2, bos_token_id=2, cls_token_id=2, sep_token_id=2),
        values={"hidden_activation": ACTIVATIONS, "initializer_cutoff_factor": [3.0], "norm_eps": [1e-2], "norm_bias": [True], "cls_token_id": [7], "global_rope_theta": [100.0],
                "attention_bias": [True], "attention_dropout": [0.5], "global_attn_every_n_layers": [1, 2, 7], "local_attention": [2, 4, 5, 64], "local_rope_theta": [100.0, None],
                "embedding_dropout": [0.5], "mlp_bias": [True], "mlp_dropout": [0.5], "decoder_bias": [False], "classifier_pooling": ["mean", "max"], "classifier_dropout": [0.5],
                "classifier_bias": [True], "classifier_activation": ACTIVATIONS, "deterministic_flash_attn": [True], "sparse_prediction": [True], "sparse_pred_ignore_index": [7],
                "reference_compile": [False], "repad_logits_with_grad": [True], "num_hidden_layers": [1, 7],
                "layer_types": [["sliding_attention", "full_attention", "full_attention", "sliding_attention"], ["full_attention"] * 4, ["full_attention"] * 3,
                                ["full_attention", "chunked_attention"] * 2, None],
                "rope_parameters": [{"full_attention": dict(r), "sliding_attention": {"rope_type": "default", "rope_theta": 50.0}} for r in ROPES]
                + [{"full_attention": {"rope_type": "default", "rope_theta": 70.0}, "sliding_attention": dict(r, rope_theta=30.0)} for r in ROPES]
                + [{"full_attention": {"type": "linear", "factor": 2.0}, "sliding_attention": None}, {"sliding_attention": {"rope_type": "default", "rope_theta": 9.0}}, {}, None,
                   {"rope_type": "default", "rope_theta": 50.0}, {"rope_type": "linear", "factor": 2.0},
                   {"full_attention": {"rope_type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5}}, {"full_attention": {"rope_type": "proportional", "factor": 2.0}}]},
        more=[{"rope_scaling": dict(r)} for r in ROPES] + [
            {"rope_scaling": {"type": "linear", "factor": 2.0}}, {"rope_scaling": {"rope_type": "linear", "factor": 2.0, "rope_theta": 20.0}}, {"rope_scaling": None},
            {"rope_scaling": {"type": "dynamic", "rope_type": "linear", "factor": 2.0}},
            {"rope_theta": 20.0}, {"rope_theta": 20.0, "global_rope_theta": 30.0}, {"partial_rotary_factor": 0.5}, {"head_dim": 2}, {"head_dim": 4}, {"sliding_window": 2}, {"sliding_window": 4},
            {"position_embedding_type": "absolute"}, {"layer_norm_eps": 0.1}]),
    "roberta": dict(base=BERT, values={}, more=[]),
    "xlm-roberta": dict(base=BERT, values={}, more=[]),
}
FAMILIES["roberta"]["base"] = FAMILIES["xlm-roberta"]["base"] = dict(BERT, max_position_embeddings=72)

# What only transformers 5 writes. transformers 4 does not know it.
FROM_5 = {"layer_types", "rope_parameters", "sliding_window", "head_dim"}


def parameters(config_class):
    """The names of the parameters of a configuration class and its bases."""
    names = set()
    for c in config_class.__mro__:
        if not c.__module__.startswith("transformers."):
            continue
        if dataclasses.is_dataclass(c):
            names |= {f.name for f in dataclasses.fields(c)}
        if "__init__" in vars(c) and not dataclasses.is_dataclass(c):
            names |= set(inspect.signature(c.__init__).parameters)
    return sorted(names)


def weights(model):
    """Sets every parameter from a hash of its name and the index of each value."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            seed = 2166136261
            for byte in name.encode():
                seed = (seed ^ byte) * 16777619 % 2**32
            x = numpy.arange(parameter.numel(), dtype=numpy.uint32) * numpy.uint32(0x9E3779B9) + numpy.uint32(seed)
            x ^= x >> 16
            x *= numpy.uint32(0x85EBCA6B)
            x ^= x >> 13
            x *= numpy.uint32(0xC2B2AE35)
            x ^= x >> 16
            u = (x >> 8).astype(numpy.float32) / numpy.float32(2**23) - 1
            if parameter.dim() > 1:
                u = u * numpy.float32(0.5)
            elif name.endswith(".weight"):
                u = u * numpy.float32(0.25) + 1
            else:
                u = u * numpy.float32(0.25)
            parameter.copy_(torch.from_numpy(u).reshape(parameter.shape))


def logits(config):
    """Logits of IDS for a configuration file, or None if transformers refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "config.json").write_text(json.dumps(config))
        try:
            c = AutoConfig.from_pretrained(folder)
            c.reference_compile = False
            model = AutoModelForSequenceClassification.from_config(c, dtype=torch.float32).eval()
            weights(model)
            types = getattr(c, "type_vocab_size", 0) or 0
            rows = []
            for ids in IDS:
                more = {}
                if types > 1 and config["model_type"] != "distilbert":
                    more["token_type_ids"] = torch.tensor([[int(i >= len(ids) // 2) for i in range(len(ids))]])
                with torch.no_grad():
                    out = model(torch.tensor([ids]), **more)
                rows.append([float(f"{v:.7g}") for v in (out[0] if isinstance(out, tuple) else out.logits)[0].tolist()])
            return rows
        except Exception:
            return None


def lines_of(family, f):
    """The lines of a family."""
    base = dict(f["base"], model_type=family)
    want = logits(base)
    assert want is not None, family
    lines = [{"family": family, "base": base, "logits": want}]
    values = dict(VALUES, **f["values"])
    changes = []
    for name in parameters(transformers.CONFIG_MAPPING[family]):
        if name in SKIPPED or name.startswith("_") or name == "per_layer_config":
            continue
        if name not in values:
            raise SystemExit(f"{family}: {name} is a new parameter: give it values that change results, or a reason")
        changes += [{name: v} for v in values[name]]
    changes += f["more"]
    if MAJOR == 5 and family == "modernbert":  # what 4 wrote, 5 reads
        changes += [{n: v} for n in ("global_attn_every_n_layers", "global_rope_theta", "local_rope_theta") for v in values[n]]
    seen = set()
    for change in changes:
        if MAJOR < 5 and FROM_5 & set(change) or json.dumps(change) in seen:
            continue
        seen.add(json.dumps(change))
        config = copy.deepcopy(dict(base, **change))
        if "id2label" in change:
            del config["num_labels"]
        got = logits(config)
        line = {"set": change}
        if got is None:
            line["error"] = True
        elif got == want:
            line["same"] = True
        else:
            line["logits"] = got
        lines.append(line)
    return [json.dumps(line) for line in lines]


def main():
    path = HERE / f"transformers-{MAJOR}.jsonl"
    known, family = {}, None
    if sys.argv[1:]:
        for line in path.read_text().splitlines():
            family = json.loads(line).get("family", family)
            known.setdefault(family, []).append(line)
    for family in sys.argv[1:] or FAMILIES:
        known[family] = lines_of(family, FAMILIES[family])
    path.write_text("".join(line + "\n" for family in FAMILIES for line in known[family]))


main()
