"""Writes the goldens of the settings of a tokenizer's files, with transformers and tokenizers.

    pip install transformers==4.57.6 tokenizers==0.22.2 sentencepiece protobuf
    python make_settings.py [--compare PYTHON]

PYTHON is an interpreter with transformers 5. The script then prints the folders for which it gives other ids.
The goldens are those of 4.57, whose reading of a tokenizer.json the package follows. It writes, gzipped:

    settings.jsonl  per line: the files of a folder with tokenizer.json, and ids and token types of texts and pairs
                    by AutoTokenizer, also truncated to model_max_length as pipelines do
    regexps.jsonl   per line: a regular expression, texts, and the matches
"""

import argparse
import copy
import gzip
import itertools
import json
import logging
import os
import pathlib
import random
import subprocess
import tempfile

import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

logging.disable(logging.WARNING)
transformers.logging.set_verbosity_error()
HERE = pathlib.Path(__file__).parent
TEXTS = [
    "Hello World", " hello  <mask> world", "a[MASK]b <mask>c", "Ünïcode 中文 café", "<s>x</s> [SEP] [CLS]", "  ", "", "ab\tabc\nabcd",
    "the quick brown fox jumps over the lazy dog again and again", "<new> <NEW> new<new>er", "x <pad> [PAD] y", "<extra> <e2>.",
    "½ cup", "ﬁne", "\u200bzero", "İstanbul", "日本語テキスト カタカナー", "абв abc ελ 12", "hello_world-foo", "'s It's I'LL 'ſ", "🙂 e\u0301a", "  xy zw 12", "\u0301xé", "hxy",
]


def write(name, lines):
    data = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines).encode()
    with open(HERE / (name + ".gz"), "wb") as out:
        out.write(gzip.compress(data, 9, mtime=0))
    print(name, len(lines), "lines", (HERE / (name + ".gz")).stat().st_size, "bytes")


# --- folders ---

LETTERS = sorted({c for t in TEXTS for c in t.lower() + t.upper()} | set("abcdefghijklmnopqrstuvwxyzABC"))


def wordpiece():
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>", "hello", "Hello", "world", "##er"]
    vocab += LETTERS + ["##" + c for c in LETTERS]
    t = Tokenizer(models.WordPiece({v: i for i, v in enumerate(dict.fromkeys(vocab))}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)])
    t.decoder = decoders.WordPiece()
    return t


def bpe(prefix_space=False):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] + alphabet + ["he", "Ġw", "or", "ll", "Ġa"]
    merges = [("h", "e"), ("Ġ", "w"), ("o", "r"), ("l", "l"), ("Ġ", "a")]
    t = Tokenizer(models.BPE({v: i for i, v in enumerate(vocab)}, merges))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=prefix_space)
    t.decoder = decoders.ByteLevel()
    return t


def unigram(pre=None, normalizer=None):
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁hello", "hello", "▁Hello", "▁w", "▁the"] + [c for c in LETTERS if not c.isspace()]
    vocab = [(p, -float(i) / 10) for i, p in enumerate(dict.fromkeys(pieces))] + [("<mask>", 0.0)]
    t = Tokenizer(models.Unigram(vocab, 3, False))
    t.normalizer = normalizer
    t.pre_tokenizer = pre or pre_tokenizers.Metaspace()
    t.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> </s> $B </s>", [("<s>", 0), ("</s>", 2)])
    return t


def added(t, *tokens):
    t = Tokenizer.from_str(t.to_str())
    t.add_tokens(list(tokens))
    return t


def wordlevel(pre, normalizer=None):
    words = ["<unk>"] + sorted({p for text in TEXTS for p, _ in pre.pre_tokenize_str(text)})
    t = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, "<unk>"))
    t.pre_tokenizer, t.normalizer = pre, normalizer
    return t


def folders():
    """Yields names, tokenizers, and the other files of folders."""
    special = lambda content, **flags: AddedToken(content, normalized=False, special=True, **flags)
    bert = added(wordpiece(), *[special(x) for x in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")])
    roberta = added(bpe(), *[special(x) for x in ("<s>", "<pad>", "</s>", "<unk>")], special("<mask>", lstrip=True))
    plainmask = added(bpe(), *[special(x) for x in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")])
    xlmr = added(unigram(), *[special(x) for x in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")])
    token = lambda content, **flags: {"__type": "AddedToken", "content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, **flags}
    config = lambda **settings: {"tokenizer_config.json": settings}

    # Classes and the settings that they read.
    for cls in ("BertTokenizer", "DistilBertTokenizerFast", "ElectraTokenizer", "MPNetTokenizer", "SplinterTokenizer", "PreTrainedTokenizerFast", "SqueezeBertTokenizer", "LayoutLMTokenizer", "FunnelTokenizer", "RetriBertTokenizer", "DPRQuestionEncoderTokenizer"):
        yield f"{cls}", bert, config(tokenizer_class=cls)
        yield f"{cls} cased", bert, config(tokenizer_class=cls, do_lower_case=False)
        yield f"{cls} accents", bert, config(tokenizer_class=cls, do_lower_case=False, strip_accents=True)
        yield f"{cls} accents kept", bert, config(tokenizer_class=cls, strip_accents=False)
        yield f"{cls} Chinese", bert, config(tokenizer_class=cls, tokenize_chinese_chars=False)
        yield f"{cls} types", bert, config(tokenizer_class=cls, model_input_names=["input_ids", "attention_mask", "token_type_ids"])
        yield f"{cls} no types", bert, config(tokenizer_class=cls, model_input_names=["input_ids", "attention_mask"])
    for cls in ("RobertaTokenizer", "BartTokenizer", "LongformerTokenizer", "DebertaTokenizer", "BloomTokenizerFast", "GPT2Tokenizer", "PreTrainedTokenizerFast", "LEDTokenizer", "BlenderbotTokenizer", "MvpTokenizer", "Qwen2Tokenizer", "CodeGenTokenizer"):
        for name, t in (("", roberta), (" plain mask", plainmask), (" own space", added(bpe(True), special("<mask>")))):
            yield f"{cls}{name}", t, config(tokenizer_class=cls)
            yield f"{cls}{name} string", t, config(tokenizer_class=cls, mask_token="<mask>")
            yield f"{cls}{name} prefix", t, config(tokenizer_class=cls, add_prefix_space=True)
        yield f"{cls} map", plainmask, {**config(tokenizer_class=cls, mask_token="<mask>"), "special_tokens_map.json": {"mask_token": token("<mask>", lstrip=True) | {"__type": None}, "cls_token": "<s>"}}
        yield f"{cls} decoder", plainmask, config(tokenizer_class=cls, mask_token="<mask>", added_tokens_decoder={"4": token("<mask>", rstrip=True, special=True)})
        yield f"{cls} decoder without mask", plainmask, config(tokenizer_class=cls, mask_token="<mask>", added_tokens_decoder={"0": token("<s>", special=True)})
        yield f"{cls} object", plainmask, config(tokenizer_class=cls, mask_token=token("<mask>", lstrip=True, rstrip=True), added_tokens_decoder={})
        yield f"{cls} no mask", added(bpe()), config(tokenizer_class=cls)
    for cls in ("XLMRobertaTokenizer", "CamembertTokenizer", "AlbertTokenizer", "BigBirdTokenizer", "RemBertTokenizer", "FNetTokenizer", "BarthezTokenizer", "XLNetTokenizer", "HerbertTokenizer", "DebertaV2Tokenizer", "PreTrainedTokenizerFast"):
        yield f"{cls}", xlmr, config(tokenizer_class=cls)
        yield f"{cls} string", xlmr, config(tokenizer_class=cls, mask_token="<mask>", cls_token="<s>")
        yield f"{cls} string and decoder", xlmr, config(tokenizer_class=cls, mask_token="<mask>", added_tokens_decoder={})
    for cls in ("LlamaTokenizer", "GemmaTokenizer", "CohereTokenizer", "GPTNeoXTokenizer"):
        names = dict(tokenizer_class=cls, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>")
        yield f"{cls}", roberta, config(**names)
        yield f"{cls} both", roberta, config(**names, add_bos_token=True, add_eos_token=True)
        yield f"{cls} end", roberta, config(**names, add_bos_token=False, add_eos_token=True)
        yield f"{cls} none", roberta, config(**names, add_bos_token=False, add_eos_token=False)

    # BLOOM's pre-tokenizer has the setting inside a Sequence.
    sequence = added(bpe(), special("<s>"))
    sequence.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(" ?[^(\\s|[.,!?…。，、।۔،])]+"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    for cls in ("BloomTokenizerFast", "CohereTokenizerFast", "RobertaTokenizer", "PreTrainedTokenizerFast"):
        for prefix in (True, False):
            yield f"{cls} sequence {prefix}", sequence, config(tokenizer_class=cls, add_prefix_space=prefix, bos_token="<s>", unk_token="<unk>", pad_token="<pad>", eos_token="</s>")

    # Added tokens.
    for normalized, special_flag, lstrip, single in itertools.product((True, False), repeat=4):
        t = added(wordpiece(), AddedToken("<new>", normalized=normalized, special=special_flag, lstrip=lstrip, single_word=single), special("[SEP]"))
        for cls in ("BertTokenizer", "PreTrainedTokenizerFast"):
            yield f"{cls} added {normalized} {special_flag} {lstrip} {single}", t, config(tokenizer_class=cls)
            again = token("<new>", normalized=not normalized, special=not special_flag, rstrip=True, single_word=not single)
            yield f"{cls} again {normalized} {special_flag} {lstrip} {single}", t, config(tokenizer_class=cls, added_tokens_decoder={str(t.token_to_id("<new>")): again})
    size = bert.get_vocab_size()
    yield "additional", bert, config(tokenizer_class="BertTokenizer", additional_special_tokens=["<extra>", "<e2>"])
    yield "additional objects", bert, config(tokenizer_class="BertTokenizer", additional_special_tokens=[token("<extra>", lstrip=True), "<e2>"])
    yield "extra by name", bert, config(tokenizer_class="BertTokenizer", extra_special_tokens={"e_token": "<extra>"}, e_token="<extra>")
    yield "additional and declared", bert, config(tokenizer_class="BertTokenizer", additional_special_tokens=["<extra>"], added_tokens_decoder={str(size): token("<extra>", rstrip=True), str(size + 1): token("<e2>", normalized=True)})
    yield "added_tokens.json", bert, {**config(tokenizer_class="BertTokenizer"), "added_tokens.json": {"<extra>": size, "<e2>": size + 1}}
    yield "map of additional", bert, {**config(tokenizer_class="BertTokenizer", additional_special_tokens=["<extra>"]), "special_tokens_map.json": {"additional_special_tokens": ["<e2>", token("<new>") | {"__type": None}]}}
    yield "only the map", bert, {"special_tokens_map.json": {"mask_token": "<mask>", "pad_token": "<e2>"}, "config.json": {"model_type": "bert"}}
    yield "null token", bert, config(tokenizer_class="BertTokenizer", mask_token=None, pad_token=None)
    yield "class of config.json", bert, {"config.json": {"model_type": "bert", "tokenizer_class": "MPNetTokenizer"}, **config(do_lower_case=False)}
    yield "class of the model", bert, {"config.json": {"model_type": "distilbert"}, **config(do_lower_case=False)}
    yield "no settings", bert, {"config.json": {"model_type": "bert"}}

    # Special tokens as ordinary text.
    for t, cls in ((bert, "BertTokenizer"), (roberta, "RobertaTokenizer"), (xlmr, "XLMRobertaTokenizer")):
        yield f"{cls} split", t, config(tokenizer_class=cls, split_special_tokens=True)
        yield f"{cls} split false", t, config(tokenizer_class=cls, split_special_tokens=False)

    # Truncation and padding.
    for limit in (4, 6, 7, 1000000000000000019884624838656, 1e30, 512.0, None):
        yield f"limit {limit}", bert, config(tokenizer_class="BertTokenizer", model_max_length=limit)
    yield "old name", bert, config(tokenizer_class="BertTokenizer", max_len=6)
    yield "both names", bert, config(tokenizer_class="BertTokenizer", max_len=6, model_max_length=8)
    yield "left", bert, config(tokenizer_class="BertTokenizer", model_max_length=6, truncation_side="left", padding_side="left", truncation_strategy="only_second", stride=2, max_length=5)
    cut = Tokenizer.from_str(bert.to_str())
    cut.enable_truncation(5, stride=1, strategy="only_first", direction="left")
    cut.enable_padding(direction="left", length=12, pad_token="<e2>", pad_to_multiple_of=8)
    for cls in ("BertTokenizer", "PreTrainedTokenizerFast"):
        yield f"{cls} sections", cut, config(tokenizer_class=cls, model_max_length=7)
        yield f"{cls} sections without limit", cut, config(tokenizer_class=cls)
        yield f"{cls} sections, side", cut, config(tokenizer_class=cls, model_max_length=7, truncation_side="right")

    # Components.
    general = config(tokenizer_class="PreTrainedTokenizerFast")
    yield "UnicodeScripts", unigram(pre_tokenizers.UnicodeScripts()), general
    yield "CharDelimiterSplit", wordlevel(pre_tokenizers.CharDelimiterSplit("_")), general
    yield "CharDelimiterSplit 2", unigram(pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit("l"), pre_tokenizers.Metaspace(prepend_scheme="first")])), general
    yield "FixedLength", unigram(pre_tokenizers.FixedLength(3)), general
    yield "WordLevel", wordlevel(pre_tokenizers.Whitespace()), general
    yield "Nmt", unigram(normalizer=normalizers.Nmt()), general
    yield "byte-level normalizer", added(Tokenizer.from_str(bpe().to_str())), general
    t = bpe()
    t.normalizer, t.pre_tokenizer = normalizers.ByteLevel(), pre_tokenizers.Split("Ġ", "merged_with_next")
    yield "byte-level normalizer 2", t, general
    norms = [
        None, normalizers.Strip(True, True), normalizers.Strip(False, True), normalizers.NFKC(), normalizers.NFD(), normalizers.Lowercase(), normalizers.Prepend("▁"), normalizers.Replace(" ", "▁"), normalizers.Replace(Regex(" {2,}"), "▁"),
        normalizers.Replace("h", ""), normalizers.Replace("a", "bc"), normalizers.Nmt(), normalizers.BertNormalizer(), normalizers.StripAccents(), normalizers.Replace(Regex("H?e"), "xx "),
    ]
    pres = {"": [], "digits": [pre_tokenizers.Digits(True)], "words": [pre_tokenizers.WhitespaceSplit()], "punctuation": [pre_tokenizers.Punctuation()], "scripts": [pre_tokenizers.UnicodeScripts()], "fixed": [pre_tokenizers.FixedLength(2)], "bytes": [pre_tokenizers.ByteLevel(True)]}
    for scheme, split in itertools.product(("first", "always", "never"), (True, False)):
        for (i, norm), (name, pre) in itertools.product(enumerate(norms), pres.items()):
            if scheme != "first" and (i % 4 or name):
                continue
            t = unigram(pre_tokenizers.Sequence(pre + [pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)]), norm)
            yield f"Metaspace {scheme} {split} {i} {name}", added(t, special("<s>"), AddedToken("hello", normalized=True), special("½")), general


    # Folders without tokenizer.json.
    vocab = json.loads(bpe().to_str())["model"]
    merges = "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in vocab["merges"])
    pieces = {"vocab.json": json.dumps(vocab["vocab"]), "merges.txt": merges}
    for cls in ("RobertaTokenizer", "LongformerTokenizer"):
        for name, settings in {
            "": {}, "string": dict(mask_token="<mask>"), "object": dict(mask_token=token("<mask>", rstrip=True)), "other mask": dict(mask_token="<new>"),
            "declared": dict(mask_token="<mask>", added_tokens_decoder={"4": token("<mask>", special=True)}), "prefix": dict(add_prefix_space=True), "split": dict(split_special_tokens=True),
        }.items():
            yield f"{cls} files {name}", None, {**pieces, **config(tokenizer_class=cls, **settings)}
        yield f"{cls} files map", None, {**pieces, **config(tokenizer_class=cls), "special_tokens_map.json": {"mask_token": "<mask>"}}
    words = {"vocab.txt": "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "Hello", "world", "##er"] + LETTERS + ["##" + c for c in LETTERS if not c.isspace()])}
    words["vocab.txt"] = "\n".join(dict.fromkeys(x for x in words["vocab.txt"].split("\n") if x.strip())) + "\n"
    for cls in ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"):
        for settings in (dict(), dict(do_lower_case=False), dict(strip_accents=True, do_lower_case=False), dict(tokenize_chinese_chars=False), dict(model_max_length=6, truncation_side="left"),
                         dict(split_special_tokens=True), dict(model_input_names=["input_ids"]), dict(additional_special_tokens=["<extra>"], mask_token="<mask>")):
            yield f"{cls} files {settings}", None, {**words, **config(tokenizer_class=cls, **settings)}


OUT = """
import json, sys, logging
import transformers
transformers.logging.set_verbosity_error(); logging.disable(logging.WARNING)
def run(folder, texts):
    try:
        t = transformers.AutoTokenizer.from_pretrained(folder)
    except Exception as e:
        return {"error": str(e)[:200]}
    ids, types, cut = [], [], []
    for i in range(2 * len(texts)):
        text, pair = (texts[i], None) if i < len(texts) else (texts[0], texts[i % len(texts)] or " ")
        e = t(text, pair)
        ids.append(e["input_ids"])
        types.append("".join(map(str, e.get("token_type_ids", [0] * len(e["input_ids"])))))
        try:
            c = t(text, pair, truncation=True)["input_ids"] if t.model_max_length < 1e20 else e["input_ids"]
        except Exception as error:  # a limit below the special tokens
            c = None
        cut.append(c if c != e["input_ids"] else 0)
    return {"ids": ids, "types": types, "cut": cut}
for line in sys.stdin:
    q = json.loads(line)
    print("answer " + json.dumps(run(q["folder"], q["texts"])), flush=True)
"""


def answers(python, all_folders):
    import sys
    with tempfile.TemporaryDirectory() as root:
        lines = []
        for i, (_, t, files) in enumerate(all_folders):
            path = os.path.join(root, str(i))
            os.mkdir(path)
            if t is not None:
                t.save(os.path.join(path, "tokenizer.json"))
            for name, content in files.items():
                with open(os.path.join(path, name), "w") as out:
                    out.write(as_text(content))
            lines.append(json.dumps({"folder": path, "texts": TEXTS}))
        env = dict(os.environ, HF_HUB_OFFLINE="1")
        done = subprocess.run([python, "-c", OUT], input="\n".join(lines), capture_output=True, text=True, env=env)
        return [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("answer ")]


def as_text(content):
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def clean(files):
    """Drops "__type": None, which marks objects that older files have without it."""
    if isinstance(files, dict):
        return {k: clean(v) for k, v in files.items() if not (k == "__type" and v is None)}
    return [clean(v) for v in files] if isinstance(files, list) else files


def main():
    import sys
    parser = argparse.ArgumentParser()
    parser.add_argument("--compare")
    args = parser.parse_args()
    every = [(name, t, clean(files)) for name, t, files in folders()]
    got = answers(sys.executable, every)
    assert len(got) == len(every), (len(got), len(every))
    tokenizers_seen, lines = {}, [{"texts": TEXTS}]
    for (name, t, files), answer in zip(every, got):
        text = t and t.to_str()
        if t is not None and text not in tokenizers_seen:
            tokenizers_seen[text] = len(tokenizers_seen)
            lines.append({"tokenizer": text})
        lines.append({"name": name, "of": tokenizers_seen.get(text, -1), "files": {k: as_text(v) for k, v in files.items()}, **answer})
    for line in lines:
        if "error" in line:
            print(line["name"], line["error"])
    write("settings.jsonl", lines)
    write("regexps.jsonl", regexps())
    if args.compare:
        for (name, *_), old, new in zip(every, got, answers(args.compare, every)):
            if old != new:
                print("transformers 5 differs:", name, new.get("error", ""))


# --- regular expressions ---

EXPRESSIONS = [
    # GPT-2, CLIP, cl100k as Llama 3 has it and as tiktoken has it, o200k, DeepSeek, Qwen
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r" ?[^(\s|[.,!?…。，、।۔،])]+", r"[一-龥぀-ゟ゠-ヿ]+", r"\p{N}{1,3}", r"\s+$", r"^\s+", r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ҁҊ-ԯԱ-Ֆ]+",
    # single constructs
    r"\d+", r"\D+", r"\w+", r"\W+", r"\h+", r"\H+", r"\S+", r"[\d\s]+", r"[^\W_]+", r"[\S]", r"[^\S\n]+", r"\bl", r"l\b", r"l\B", r"\Aa", r"a\z", r"^a", r"a$", r"a\n^b", r"a$\n", r"(?<=l)o", r"(?<!l)o", r"(?=he)h", r"(?!he|wo)[a-z]",
    r"a{,2}b", r"a{2}", r"a{2,}", r"a{1,2}?b", r"(?:ab|a)+?b", r"a+?", r"(a|ab)(c|bcd)", r"(?i)[h-k]+", r"(?i:k)+", r"(?i:[^s])+", r"(?i:I)", r"(?i:a(?-i:b)c)", r"\x61\x{62}|\u0063", r"[\x{4e00}-\x{9fff}]+", r"\p{^L}+", r"\P{L}+", r"[\p{^Lu}a]+", r"\p{Letter}\p{decimal_number}?", r"[a[^b]]+", r"[a[bc]d]+",
    r"[-a]+", r"[a-]+", r"[a&b]+", r"[a^]+", r"\.|\-|\/|\ ", r"[.\]\[-]+", r"\t|\f|\v|\a|\e", r"[^a]+", r".", r".+", r"(?:a|b)*c", r"\p{Zs}|\p{Cc}|\p{Cf}|\p{Co}", r"\p{Sc}|\p{Sm}|\p{Sk}|\p{So}", r"\p{Pc}|\p{Pd}|\p{Ps}|\p{Pe}|\p{Pi}|\p{Pf}|\p{Po}", r"\p{Mn}|\p{Mc}|\p{Me}", r"\p{C}",
]


def regexps():
    random.seed(7)
    pool = list("aaabbbccchello HWlLsSkK'sſKıİ  \t\n\r\n.,-_/[]^&012٣½Ⅷ中文日本カタée\u0301üß$€+^`🙂\u00a0\u200b\u2028(){}\"!") + ["'s", "'ll", "'RE", "he", "\n\n", "  ", "ab", "abc", "abcd", "100000"]
    texts = TEXTS + ["".join(random.choice(pool) for _ in range(random.randrange(1, 24))) for _ in range(120)]
    lines = []
    for expression in EXPRESSIONS:
        split = pre_tokenizers.Split(Regex(expression), "removed", invert=True)
        matches = []
        for text in texts:
            offsets = [list(map(lambda i: len(text[:i].encode()), o)) for _, o in split.pre_tokenize_str(text)]
            matches.append(offsets)
        lines.append({"expression": expression, "matches": matches})
    return [{"texts": texts}] + lines


if __name__ == "__main__":
    main()
