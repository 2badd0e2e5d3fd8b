"""Writes the goldens of tokenizers other than BERT's, with the reference implementation.

    pip install tokenizers==0.22.2 transformers==4.57.6 sentencepiece==0.2.0 protobuf==5.29.5
    python make_subword.py --data DIR

DIR, the texts and the format of the lines are those of make_goldens.py. The script writes, gzipped:

    subword.json          small tokenizers, by name, with vocabularies trained here: the pipelines of
                          RoBERTa, DeBERTa, BLOOM, ModernBERT, XLM-RoBERTa and DeBERTa-v3, and others
                          that test settings of their components
    subwordgoldens.jsonl  per line: a text or a pair, and its encoding by a pipeline
    subwordparts.jsonl    per line: a text, and its result with one normalizer or pre-tokenizer, or
                          checksums of the results for all code points; CHARSMAP stands for the map of
                          XLM-RoBERTa's normalizer
    subwordfolders.jsonl  per line: a folder with vocab.json and merges.txt or with a SentencePiece
                          model, and the ids of texts with transformers
"""

import argparse
import base64
import io
import json
import os
import random
import tempfile

import make_goldens as common
import sentencepiece
import tokenizers
import transformers
from make_goldens import adversarial, apply, dump, golden, goldens, write
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SEED = 20261124
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"
ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def train_bpe(texts, pre_tokenizer, normalizer=None, size=1200, special=(), alphabet=(), model={}, prefix="", suffix=""):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizer
    if normalizer:
        t.normalizer = normalizer
    marks = {"continuing_subword_prefix": prefix} if prefix else {"end_of_word_suffix": suffix} if suffix else {}
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), initial_alphabet=list(alphabet), show_progress=False,
        limit_alphabet=max(300, len(alphabet)), **marks,
    )
    t.train_from_iterator(texts, trainer)
    s = json.loads(t.to_str())
    s["model"] |= model
    s["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(s))


def train_sentencepiece(texts, size, kind="unigram", **options):
    out = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "texts")
        with open(path, "w") as file:
            file.writelines(" ".join(t.split()) + "\n" for t in texts)
        sentencepiece.SentencePieceTrainer.train(
            input=path, model_writer=out, vocab_size=size, model_type=kind, num_threads=1, minloglevel=2, hard_vocab_limit=False,
            **options,
        )
    return out.getvalue()


def spm_folders(texts):
    """SentencePiece models, by model family."""
    xlm = train_sentencepiece(texts, 3500, character_coverage=0.99)
    deberta = train_sentencepiece(
        texts, 3500, character_coverage=0.99, pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]",
        eos_piece="[SEP]", unk_piece="[UNK]", user_defined_symbols=["[new]", "qu"], byte_fallback=False,
    )
    plain = train_sentencepiece(texts, 2500, normalization_rule_name="identity", character_coverage=0.98)
    merged = train_sentencepiece(
        texts, 2000, kind="bpe", character_coverage=0.98, pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]",
        eos_piece="[SEP]", unk_piece="[UNK]", normalization_rule_name="nmt_nfkc_cf",
    )
    return xlm, deberta, plain, merged


def build(texts, folders):
    n, p = normalizers, pre_tokenizers
    alphabet = p.ByteLevel.alphabet()
    out = {}

    t = out["roberta"] = train_bpe(texts, p.ByteLevel(add_prefix_space=False), special=ROBERTA_TOKENS, alphabet=alphabet)
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    t.add_special_tokens([*ROBERTA_TOKENS[:4], AddedToken("<mask>", lstrip=True, normalized=False)])

    t = out["deberta"] = train_bpe(texts, p.ByteLevel(add_prefix_space=True), special=common.BERT_TOKENS, alphabet=alphabet)
    t.post_processor = common.template()
    t.add_special_tokens(common.BERT_TOKENS)
    t.add_tokens([AddedToken("<sp>", lstrip=True, rstrip=True, normalized=False), AddedToken(" the", normalized=True)])

    t = out["bloom"] = train_bpe(
        texts, p.Sequence([p.Split(Regex(BLOOM), "isolated"), p.ByteLevel(add_prefix_space=False, use_regex=False)]),
        special=["<unk>", "<s>", "</s>", "<pad>"], alphabet=alphabet,
    )
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.add_special_tokens(["<unk>", "<s>", "</s>", "<pad>"])

    t = out["modernbert"] = train_bpe(texts, p.ByteLevel(add_prefix_space=False), n.NFC(), special=["<|padding|>"], alphabet=alphabet)
    t.post_processor = common.template("[CLS]", "[SEP]", (t.get_vocab_size() + 5, t.get_vocab_size() + 6))
    t.add_tokens([AddedToken(" " * k, normalized=True) for k in range(6, 1, -1)])
    t.add_special_tokens([AddedToken("[CLS]"), AddedToken("[SEP]"), AddedToken("[MASK]", lstrip=True)])

    for name, folder in folders.items():
        out[name] = Tokenizer.from_str(folder.backend_tokenizer.to_str())

    # Settings of models.
    out["unknown fused"] = train_bpe(texts[:400], p.Whitespace(), size=300, special=["<unk>"], model={"unk_token": "<unk>", "fuse_unk": True})
    out["unknown apart"] = train_bpe(texts[:400], p.WhitespaceSplit(), size=300, special=["<unk>"], model={"unk_token": "<unk>"}, suffix="</w>")
    out["unknown left out"] = train_bpe(texts[:400], p.Whitespace(), size=300, prefix="##")
    t = train_bpe(
        texts[:400], p.Metaspace(), n.Sequence([n.NFKC()]), size=400, special=["<unk>", *(f"<0x{b:02X}>" for b in range(256) if b not in (0xC3, 0xF0))],
        model={"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "ignore_merges": True},
    )
    out["bytes"] = t
    s = json.loads(out[list(folders)[0]].to_str())
    s["model"]["vocab"] += [[f"<0x{b:02X}>", -20.0] for b in range(256) if b != 0xE4]
    s["model"]["byte_fallback"] = True
    s["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": False}
    out["unigram with bytes"] = Tokenizer.from_str(json.dumps(s))
    return out


def parts(charsmap):
    n, p = normalizers, pre_tokenizers
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    return [
        n.Precompiled(charsmap),
        n.Sequence([n.Precompiled(charsmap), n.Strip(left=False), n.Replace(Regex(" {2,}"), "▁")]),
        p.ByteLevel(add_prefix_space=False), p.ByteLevel(add_prefix_space=True), p.ByteLevel(add_prefix_space=True, use_regex=False),
        p.Metaspace(), p.Metaspace("a", "never"), p.Metaspace("▁", "always", False), p.Metaspace("é", "always"),
        p.Split(Regex(BLOOM), "isolated"),
        *(p.Split("a", b, invert) for b in behaviors for invert in (False, True)),
        *(p.Split(Regex("a+|b[.1]"), b, invert) for b in behaviors for invert in (False, True)),
        p.Sequence([p.WhitespaceSplit(), p.Metaspace()]), p.Sequence([p.Punctuation("isolated"), p.Metaspace()]),
        p.Sequence([p.Digits(True), p.ByteLevel(add_prefix_space=True)]),
    ]


def state(part, charsmap):
    """The component with CHARSMAP instead of the map, which is in subword.json."""
    return json.loads(dump(common.state(part)).replace(base64.b64encode(charsmap).decode(), "CHARSMAP"))


def components(rng, sentences, charsmap):
    lines = []
    clusters = [
        "ª\u0301", "ª\u200d", "\u00aa\u0300\u0301", "\u0600ª\u0301", "\u0915\u094d\u0958\u0301", "\u0958\u0301", "\u0958\u0903", "한\u11a8", "\u1112\u1161\u11ab\u0301",
        "🇦🇧🇨", "ﬁ\u0301", "ﬁ\r\n", "\r\nª", "\u00ad\u0301", "№\u20e3", "1\ufe0f\u20e3", "™\ufe0f", "©\ufe0fª", "👩\u200d💻ª", "Ａ\u0301", "ｶﾞ", "\u0958\u094d\u0958\u0301",
        "\u0d4eª\u0301", "㌔\u0301", "\ufdfa", "\u200bª", "ª\u200bª\u0301",
    ]
    for part in parts(charsmap):
        kind = "normalizer" if hasattr(part, "normalize_str") else "pre_tokenizer"
        texts = ["a", "  a  ", " ", "   ", "aab.a1 b1", "▁a ▁▁ b▁", "it's we'll they've I'M 'tis ''s", " 'd", "a\u00a0 b", "a \n b\n\n", "x12.5 ", "a\t\tb", "éaé é"]
        texts += clusters + [adversarial(rng, sentences, clusters) for _ in range(150 if kind == "pre_tokenizer" else 1500)]
        for text in texts:
            lines.append(dump({kind: state(part, charsmap), "text": text, "result": apply(part, text)}))
    return lines


def codepoints(charsmap):
    n, p = normalizers, pre_tokenizers
    out = []
    for part in [n.Precompiled(charsmap)]:
        out.append({"normalizer": state(part, charsmap), "sums": common.sums(lambda c: apply(part, f"{c}a\u0345{c}\u0334e{c}\u0301{c}").encode() + b"\n")})
    for part in [p.ByteLevel(add_prefix_space=False), p.Split(Regex(BLOOM), "isolated")]:
        out.append({"pre_tokenizer": state(part, charsmap), "sums": common.sums(lambda c: "\n".join(apply(part, f"a{c}1{c}.{c}")).encode() + b"\n\n")})
    return [dump(line) for line in out]


def folders(roberta, spm, sentences):
    """Folders without tokenizer.json, and the ids of texts with transformers."""
    model = json.loads(roberta.to_str())["model"]
    vocab = json.dumps(model["vocab"], ensure_ascii=False)
    merges = "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in model["merges"])
    renamed = dict(model["vocab"])
    for old, new in zip(["<s>", "<pad>", "</s>", "<unk>", "<mask>"], ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]):
        renamed[new] = renamed.pop(old)
    renamed = json.dumps(renamed)
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=True, special=False)
    bpe = {"vocab.json": vocab, "merges.txt": merges}
    debertas = {"vocab.json": renamed, "merges.txt": merges}
    xlm, deberta, plain, bpe_kind = spm
    cases = [
        ("RobertaTokenizerFast", bpe, {}),
        ("RobertaTokenizerFast", bpe, {"add_prefix_space": True, "tokenizer_class": "RobertaTokenizer"}),
        ("RobertaTokenizerFast", bpe, {"mask_token": {"__type": "AddedToken", "content": "<mask>"} | flags | {"lstrip": True}, "cls_token": "</s>", "trim_offsets": False}),
        ("RobertaTokenizerFast", bpe, {"added_tokens_decoder": {"4": {"content": "<mask>"} | flags | {"lstrip": True, "special": True}, str(len(model["vocab"])): {"content": "<new>"} | flags}, "sep_token": "<pad>"}),
        ("RobertaTokenizerFast", bpe, {"additional_special_tokens": ["<x>", "the"]}),
        ("DebertaTokenizerFast", debertas, {"tokenizer_class": "DebertaTokenizer"}),
        ("DebertaTokenizerFast", debertas, {"tokenizer_class": "DebertaTokenizerFast", "add_prefix_space": True}),
        ("XLMRobertaTokenizerFast", {"sentencepiece.bpe.model": xlm}, {}),
        ("XLMRobertaTokenizerFast", {"sentencepiece.bpe.model": xlm}, {"tokenizer_class": "XLMRobertaTokenizer", "mask_token": {"__type": "AddedToken", "content": "<mask>"} | flags | {"lstrip": True}}),
        ("XLMRobertaTokenizerFast", {"sentencepiece.bpe.model": plain}, {"tokenizer_class": "XLMRobertaTokenizer"}),
        ("DebertaV2TokenizerFast", {"spm.model": deberta}, {}),
        ("DebertaV2TokenizerFast", {"spm.model": deberta}, {"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": True, "split_by_punct": True}),
        ("DebertaV2TokenizerFast", {"spm.model": bpe_kind}, {"tokenizer_class": "DebertaV2Tokenizer"}),
    ]
    texts = [
        "Hello HELLO é e\u0301 É中a! <x> the <new> <mask>  [MASK] [CLS] <s> it's  ＡＢＣ ﬁne [new]qu </s>", "", " lead", "trail  ", "a\tb\nc", "中文字 🙂 \u200b",
    ]
    texts += sentences[:4]
    lines, made = [], []
    for cls, files, config in cases:
        with tempfile.TemporaryDirectory() as folder:
            contents = dict(files)
            if config:
                contents["tokenizer_config.json"] = json.dumps(config)
            for name, content in contents.items():
                with open(os.path.join(folder, name), "wb") as out:
                    out.write(content if isinstance(content, bytes) else content.encode())
            t = getattr(transformers, cls).from_pretrained(folder)
            made.append(t)
            encoded = [t(s) for s in texts] + [t(texts[0], s or " ") for s in texts]  # transformers treats an empty pair as no pair
            lines.append(dump({
                "files": {k: v if isinstance(v, str) else "" for k, v in contents.items()},
                "binary": {k: base64.b64encode(v).decode() for k, v in contents.items() if isinstance(v, bytes)},
                "family": {"RobertaTokenizerFast": "roberta", "DebertaTokenizerFast": "deberta", "XLMRobertaTokenizerFast": "xlm-roberta", "DebertaV2TokenizerFast": "deberta-v2"}[cls],
                "texts": texts,
                "ids": [e["input_ids"] for e in encoded],
            }))
    return lines, made


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--data", required=True)
    args = args.parse_args()
    sentences = common.sentences(args.data)
    rng = random.Random(SEED)
    rng.shuffle(sentences)
    texts = sentences[:1500] + [adversarial(rng, sentences) for _ in range(1500)]

    spm = spm_folders(texts)
    roberta = train_bpe(texts, pre_tokenizers.ByteLevel(add_prefix_space=False), special=ROBERTA_TOKENS, alphabet=pre_tokenizers.ByteLevel.alphabet(), size=700)
    lines, made = folders(roberta, spm, sentences)
    write("subwordfolders.jsonl", lines)
    families = {"xlm-roberta": made[7], "deberta-v3": made[10], "deberta-v3 lower": made[11]}
    pipelines = build(texts, families)
    write("subword.json", [dump({name: json.loads(t.to_str()) for name, t in pipelines.items()})])
    pipelines = {name: Tokenizer.from_str(t.to_str()) for name, t in pipelines.items()}
    lines = []
    for name, t in pipelines.items():
        main = name in ("roberta", "deberta", "bloom", "modernbert", "xlm-roberta", "deberta-v3")
        lines += goldens(name, t, rng, sentences, 4500 if main else 700, 1000 if main else 60)
    write("subwordgoldens.jsonl", lines)
    charsmap = base64.b64decode(json.loads(pipelines["xlm-roberta"].to_str())["normalizer"]["normalizers"][0]["precompiled_charsmap"])
    write("subwordparts.jsonl", components(rng, sentences, charsmap) + codepoints(charsmap))


if __name__ == "__main__":
    main()
