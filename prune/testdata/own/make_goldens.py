"""Makes tuned checkpoints with a tokenizer or tables that are not the base's, and what
transformers computes with them.

    python make_goldens.py .

For each family a folder with

    base/             the encoder, and a tokenizer
    CASE/tuned/       the classifier, and its tokenizer
    CASE/expected.json
        own           whether the tokenizers give different ids for any text
        rows          rows of the tables that were resized, by name
        texts, pairs  inputs; a pair is a list of two texts
        ids           token ids of each input, special tokens included
        logits        of each input

The cases adapter and tokens are LoRA adapters of PEFT: with the whole resized table, and
with its trained rows alone.

Made with Python 3.11, torch 2.8.0, transformers 4.57.6, peft 0.18.1.
"""

import json
import os
import shutil
import sys

import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    BertTokenizerFast,
    BloomConfig,
    DebertaConfig,
    DebertaV2Config,
    ModernBertConfig,
    RobertaConfig,
)

WORDS = "the movie bank film was good bad great late card money says my".split()
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [p + c for c in "abcdefghijklmnopqrstuvwxyz" for p in ("", "##")]
VOCABULARY = SPECIALS + list("!?.,<>") + LETTERS + WORDS
OTHER = SPECIALS + list("<>,.?!") + LETTERS[::-1] + ["movies", "films"] + WORDS[2:]
CASED = SPECIALS + list("!?.,<>") + LETTERS + WORDS[3:] + ["The", "My", "BANK"]
# XLM-like families count positions from the padding token, so they need a few more.
SMALL = dict(vocab_size=len(VOCABULARY), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12, max_position_embeddings=40, pad_token_id=0, num_labels=3)
FAMILIES = {
    "bert": BertConfig(**SMALL),
    "roberta": RobertaConfig(**SMALL, type_vocab_size=1),
    "bloom": BloomConfig(vocab_size=len(VOCABULARY), hidden_size=8, n_layer=1, n_head=2, pad_token_id=0, num_labels=3),
    "deberta": DebertaConfig(**SMALL, relative_attention=True, pos_att_type=["c2p", "p2c"], type_vocab_size=0),
    "deberta-v2": DebertaV2Config(**SMALL, relative_attention=True, pos_att_type=["c2p", "p2c"], position_buckets=8, share_att_key=True, norm_rel_ebd="layer_norm", type_vocab_size=0),
    "modernbert": ModernBertConfig(**SMALL, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3, global_attn_every_n_layers=1),
}
TEXTS = ["The Movie was GREAT", "my kontoauszug says <amount> late", "the bank", "Movies, films and cards!", "", "My BANK: A film?", "the card was late " * 12]
PAIRS = [["the movie was good", "My Bank was BAD"], ["a kontoauszug", "the <amount> movie"]]


def tokenizer(folder, vocabulary=VOCABULARY, **options):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "vocab.txt")
    with open(path, "w") as f:
        f.write("\n".join(vocabulary) + "\n")
    t = BertTokenizerFast(vocab_file=path, model_max_length=512, **options)
    t.save_pretrained(folder)
    return t


def spread(model, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=generator) * (scale if p.dim() > 1 else scale / 3))
    return model


def spread_trained(model, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(torch.randn(p.shape, generator=generator) * scale)
    return model


def tables(base, tuned):
    """Rows of the tables that were resized, by the name in the base."""
    prefix = tuned.base_model_prefix + "."
    own = {name.removeprefix(prefix): p for name, p in tuned.state_dict().items()}
    return {name: own[name].shape[0] for name, p in base.state_dict().items() if p.dim() == 2 and name in own and own[name].shape != p.shape}


def write(family, case, base, model, t, own):
    folder = os.path.join(family, case)
    if hasattr(model, "peft_config"):
        model.save_pretrained(os.path.join(folder, "tuned"), save_embedding_layers=case == "adapter")
        os.remove(os.path.join(folder, "tuned", "README.md"))
        model = model.merge_and_unload()
    else:
        model.save_pretrained(os.path.join(folder, "tuned"))
    model.eval()
    if os.path.exists(os.path.join(folder, "tuned", "vocab.txt")):
        os.remove(os.path.join(folder, "tuned", "vocab.txt"))  # tokenizer.json has it
    limit = model.config.max_position_embeddings if hasattr(model.config, "max_position_embeddings") else 512
    if family == "roberta":
        limit -= model.config.pad_token_id + 1
    inputs = [(x,) for x in TEXTS] + ([tuple(x) for x in PAIRS] if family == "bert" else [])
    ids, logits = [], []
    for x in inputs:
        e = t(*x, return_tensors="pt", truncation=True, max_length=limit)
        if family != "bert":
            del e["token_type_ids"]
        ids.append(e["input_ids"][0].tolist())
        with torch.no_grad():
            logits.append([round(v, 6) for v in model(**e).logits[0].tolist()])
    with open(os.path.join(folder, "expected.json"), "w") as f:
        rows = json.dumps(dict(own=own, rows=tables(base, model)))[1:-1]
        f.write("{" + rows + ',\n"inputs": [\n')
        f.write(",\n".join(json.dumps(dict(texts=x, ids=i, logits=l)) for x, i, l in zip(inputs, ids, logits)))
        f.write("\n]}\n")


def bert(base, folder):
    """The cases of one family."""

    def tuned(seed, **sizes):
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3, **sizes)
        return spread(model, 0.2, seed)

    def out(case):
        return os.path.join("bert", case, "tuned")

    # The same tokenizer in other files: the base has vocab.txt alone.
    t = BertTokenizerFast.from_pretrained(folder)
    t(["a", "b c"], padding="max_length", max_length=8, truncation=True)  # is saved in tokenizer.json
    t.save_pretrained(out("same"))
    os.remove(os.path.join(out("same"), "vocab.txt"))
    t = BertTokenizerFast.from_pretrained(out("same"))
    write("bert", "same", base, tuned(1), t, False)

    write("bert", "cased", base, tuned(2), tokenizer(out("cased"), CASED, do_lower_case=False), True)
    write("bert", "vocabulary", base, tuned(3), tokenizer(out("vocabulary"), OTHER), True)

    t = BertTokenizerFast.from_pretrained(folder)
    t.add_tokens(["kontoauszug", "<amount>"])
    t.save_pretrained(out("added"))
    model = tuned(4)
    model.resize_token_embeddings(len(t), mean_resizing=False)
    write("bert", "added", base, spread(model, 0.3, 5), t, True)

    t.save_pretrained(out("padded"))
    model = tuned(6)
    model.resize_token_embeddings(len(t), pad_to_multiple_of=64, mean_resizing=False)
    write("bert", "padded", base, spread(model, 0.3, 7), t, True)

    for case, options in {"adapter": {}, "tokens": dict(trainable_token_indices={"word_embeddings": [70, len(t) - 1, len(t) - 2]})}.items():
        t.save_pretrained(out(case))
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
        model.resize_token_embeddings(len(t), mean_resizing=False)
        model = get_peft_model(model, LoraConfig(
            task_type=TaskType.SEQ_CLS, r=2, lora_alpha=4, target_modules=["query", "value"], modules_to_save=["classifier"], base_model_name_or_path="base", **options))
        write("bert", case, base, spread_trained(model, 0.3, 12), t, True)

    small = [w for w in VOCABULARY if w not in ("my", "says", "money", "card", "late")]
    t = tokenizer(out("shrunk"), small)
    model = tuned(8)
    model.resize_token_embeddings(len(t), mean_resizing=False)
    write("bert", "shrunk", base, spread(model, 0.3, 9), t, True)

    # More positions and token types, the same tokenizer.
    config = BertConfig.from_pretrained(folder, num_labels=3, max_position_embeddings=48, type_vocab_size=3)
    model = AutoModelForSequenceClassification.from_config(config)
    weights = tuned(10).state_dict()
    with torch.no_grad():
        for name, p in model.state_dict().items():
            p.copy_(torch.cat([weights[name], 0.5 * torch.ones(p.shape[0] - weights[name].shape[0], *p.shape[1:])]) if p.dim() > 0 else p)
    tokenizer(out("positions"))
    write("bert", "positions", base, model, BertTokenizerFast.from_pretrained(out("positions")), False)


def main(out):
    os.chdir(out)
    torch.manual_seed(1)
    for family, config in FAMILIES.items():
        shutil.rmtree(family, ignore_errors=True)
        folder = os.path.join(family, "base")
        base = spread(AutoModel.from_config(config), 0.5, 0)
        base.save_pretrained(folder)
        t = tokenizer(folder)
        if family == "bert":
            os.remove(os.path.join(folder, "tokenizer.json"))
            bert(base, folder)
            continue
        tuned = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
        t.add_tokens(["kontoauszug", "<amount>"])
        t.save_pretrained(os.path.join(family, "added", "tuned"))
        tuned.resize_token_embeddings(len(t), mean_resizing=False)
        write(family, "added", base, spread(tuned, 0.3, 5), t, True)


if __name__ == "__main__":
    main(*sys.argv[1:])
