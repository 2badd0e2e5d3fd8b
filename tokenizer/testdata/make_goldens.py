"""Writes the goldens of package tokenizer, with the reference implementation.

    pip install tokenizers==0.22.2 transformers==4.57.6
    python make_goldens.py --minilm TOKENIZER_JSON --data DIR

TOKENIZER_JSON is the file of nreimers/MiniLM-L6-H384-uncased. The lines of DIR/NAME/*.jsonl have a "text",
for NAME in trec, sst2 and banking77. The goldens contain a sample of them and lines generated here.

The script writes these files, all gzipped:

    minilm.json       the tokenizer above
    pipelines.json    small tokenizers, by name, with vocabularies trained here
    goldens.jsonl     per line: a text or a pair, and its encoding by a pipeline
    components.jsonl  per line: a text, and its result with one normalizer or pre-tokenizer
    codepoints.jsonl  per component, and for MiniLM: checksums of the results for all code points
    folders.jsonl     per line: a folder with vocab.txt, and the ids of texts with transformers
"""

import argparse
import base64
import gzip
import itertools
import json
import logging
import os
import pathlib
import random
import struct
import tempfile
import zlib

import tokenizers
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

assert tokenizers.__version__ == "0.22.2" and transformers.__version__ == "4.57.6"
logging.disable(logging.WARNING)

SEED = 20260601
HERE = pathlib.Path(__file__).parent


def write(name, lines):
    data = "".join(line + "\n" for line in lines).encode()
    with open(HERE / (name + ".gz"), "wb") as out:
        out.write(gzip.compress(data, 9, mtime=0))
    print(name, len(lines), "lines", (HERE / (name + ".gz")).stat().st_size, "bytes")


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# --- texts ---

ALPHABETS = {
    "latin": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "punctuation": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "digits": "0123456789٣४๗²½Ⅷ①𝟘",
    "accents": "àéîõüÿçñåøæœßłđıİĿŉǆǅÅÅﬁﬀſẞẛṩǖȱ",
    "marks": "\u0300\u0301\u0308\u0327\u0323\u0345\u0334\u031b\u1dce\u0344\u20dd\u0488\u0363",
    "greek": "αβγδςσΣΆώΐΰᾳᾼὙῼΩΩμµ",
    "cyrillic": "абвгґёйщъыьэюяАБВГЙЁІЇҐѝӑ",
    "hebrew": "אבגדהוזחט\u05b0\u05b8\u05bc\u05c1שּׁ״׳",
    "arabic": "ابتثجحخ\u064b\u064e\u0651\u0670ﷺلاﻻ؟،\u0640\u06dd",
    "indic": "कखगघ\u093c\u093e\u094dक़\u0958।தமிழ்\u0bca\u0b47\u0b3e\u0b56",
    "thai": "กขคงำ\u0e31\u0e49\u0e38ລາວ\u0ec8ཀ\u0f71\u0f72\u0f74\u0f73\u0f81",
    "hangul": "가각힣한국어\u1100\u1161\u11a8\u11a7ㄱㅏ",
    "kana": "あいうがばぱアイウガ\u3099\u309a゛ｶﾞｱ",
    "cjk": "中文字漢字\u3400\U00020000\uf900\uf907\U0002f800\U0002b820\U0002b920、。「」",
    "symbols": "€£¥©®™°±×÷→∑≠∀√≮⫝̸㎏№℃…—–‐‘’“”«»¿¡§¶†‡•",
    "fullwidth": "ＡＢｃ１２！？～ａｂ",
    "math": "𝐀𝒜𝔄𝕬𝟙𝓐",
    "emoji": "😀👍🏽👩\u200d💻🇩🇪❤\ufe0f🏴\U000e0067\U000e007f☺🧑\u200d🤝\u200d🧑",
    "controls": "\x00\x01\x08\x0b\x0c\x0e\x1b\x1c\x1f\x7f\x80\x85\x9f",
    "formats": "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060\u2066\ufeff\u061c\u180e\ufff9\U000e0001",
    "spaces": " \t\n\r\u00a0\u1680\u2000\u2003\u2009\u2028\u2029\u202f\u205f\u3000",
    "unusual": "\ue000\U0010fffd\U0010ffff\ufffe\ufffd\u0378\U000e01ef\U0001e900\U0001e922\U00011347\U0001d15e\U0001d165\u302e\u302f",
    # assigned, or given a case, later than the Unicode versions of some tables
    "recent": "\u1c80\u1c90\u2c2f\ua7c0\U00010d40\u0870\u08ca\u0cf3\U00011f00\U00016140\U0001e5d0\u1acf\u10fd\u13f8\uab70",
}
SPECIALS = ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "[cls]", "[ CLS]", "[CLS", "##ing", "##", "[CLS][SEP]"]


def word(rng):
    name = rng.choice(list(ALPHABETS))
    n = min(rng.choice([1, 2, 3, 5, 8]), 1 + rng.randrange(9))
    kind = rng.random()
    if kind < 0.5:
        return "".join(rng.choice(ALPHABETS[name]) for _ in range(n))
    if kind < 0.7:  # a base character and marks
        return "".join(rng.choice(ALPHABETS["latin"] + ALPHABETS[name]) + rng.choice(ALPHABETS["marks"]) for _ in range(n))
    if kind < 0.9:
        return "".join(rng.choice(ALPHABETS[rng.choice(list(ALPHABETS))]) for _ in range(n))
    return "".join(code_point(rng) for _ in range(n))


def code_point(rng):
    while True:
        c = rng.randrange(0x110000) if rng.random() < 0.3 else rng.randrange(0x3100)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def adversarial(rng, sentences, extra=()):
    """A line with characters that some stage treats specially."""
    kind = rng.randrange(20)
    if kind == 0:
        return "".join(rng.choice(ALPHABETS["spaces"] + ALPHABETS["formats"][:3]) for _ in range(rng.randrange(12)))
    if kind == 1:  # near the maximum length of a word
        n = rng.choice([98, 99, 100, 101, 102, 150])
        letters = rng.choice(["a", "ab", "é", "e\u0301", "中", "Σ", "\u0301", "x\u200d", "한", "İ", "un", "9", "."])
        return (letters * n)[: n + rng.randrange(3)] + rng.choice(["", " b", ".", "\u0301"])
    if kind == 2:  # many marks on one base character
        marks = ALPHABETS["marks"] + "\u302e\u302f\U0001d165\u0591\u3099\u0f71\u0f72"
        return "Z" + "".join(rng.choice(marks) for _ in range(rng.choice([1, 5, 31, 40]))) + "algo"
    if kind <= 5:  # a sentence with special strings inserted
        s = rng.choice(sentences)
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(s) + 1)
            thing = rng.choice([word(rng), rng.choice(ALPHABETS[rng.choice(list(ALPHABETS))]), rng.choice(SPECIALS)])
            s = s[:at] + thing + s[at:]
        return s
    if kind <= 7 and extra:
        parts = [rng.choice(list(extra)) if rng.random() < 0.6 else word(rng) for _ in range(rng.randrange(1, 8))]
        return "".join(p + rng.choice(["", "", " ", "  ", "\t", "\u3000", ".", "a"]) for p in parts)
    if kind == 8:
        return "".join(rng.choice(SPECIALS) + rng.choice(["", " ", "  ", "x"]) for _ in range(rng.randrange(1, 6)))
    if kind == 9:
        return rng.choice(sentences).upper() + rng.choice(["", "ΣΑΣ", "DİYARBAKIR", "STRASSE"])
    return "".join(word(rng) + rng.choice(["", " ", " ", " ", "\u00a0", "-"]) for _ in range(rng.randrange(1, 12)))


def spoil(rng, text):
    """The bytes of text, made invalid UTF-8."""
    b = bytearray(text.encode())
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(b) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            b[at:at] = bytes([rng.randrange(0x80, 0x100)])
        elif kind == 1:
            b[at:at] = rng.choice([b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe4\xb8", b"\xf0\x9f\x98", b"\xe0\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xff\xfe"])
        elif kind == 2 and at < len(b):
            del b[at]
        elif at < len(b):
            b[at] = rng.randrange(0x80, 0x100)
    return bytes(b)


# --- pipelines ---

BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def template(cls="[CLS]", sep="[SEP]", ids=(2, 3)):
    return processors.TemplateProcessing(
        single=f"{cls} $A {sep}", pair=f"{cls} $A {sep} $B:1 {sep}:1", special_tokens=[(cls, ids[0]), (sep, ids[1])]
    )


def train(normalizer, pre_tokenizer, texts, size=1000, prefix="##", longest=100):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", continuing_subword_prefix=prefix, max_input_chars_per_word=longest))
    if normalizer:
        t.normalizer = normalizer
    if pre_tokenizer:
        t.pre_tokenizer = pre_tokenizer
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=BERT_TOKENS, continuing_subword_prefix=prefix, limit_alphabet=size // 3, show_progress=False
    )
    t.train_from_iterator(texts, trainer)
    # The trainer overwrites some settings of the model.
    state = json.loads(t.to_str())
    state["model"] |= {"continuing_subword_prefix": prefix, "max_input_chars_per_word": longest}
    return Tokenizer.from_str(json.dumps(state))


FLAGGED = [
    AddedToken("<ls>", lstrip=True, normalized=False),
    AddedToken("<rs>", rstrip=True, normalized=False),
    AddedToken("<both>", lstrip=True, rstrip=True, normalized=False),
    AddedToken("<sw>", single_word=True, normalized=False),
    AddedToken("<all>", single_word=True, lstrip=True, rstrip=True, normalized=False, special=True),
    AddedToken("<x", normalized=False),
    AddedToken("<xy>", normalized=False),
    AddedToken("foo", single_word=True, normalized=False),
    AddedToken("   ", normalized=False),
    AddedToken("中", normalized=False),
]
NORMALIZED = [
    AddedToken("New York", normalized=True),
    AddedToken("ÜBER", normalized=True, single_word=True),
    AddedToken("Bar", normalized=True, lstrip=True),
    AddedToken("bar", normalized=True, rstrip=True),
    AddedToken("BAR", normalized=True, special=True, single_word=True),
    AddedToken("qu", normalized=True, lstrip=True, rstrip=True),
    AddedToken("中国", normalized=True),
    AddedToken("été", normalized=False, single_word=True),
    AddedToken("###", normalized=True),
]


def build(texts):
    n, p = normalizers, pre_tokenizers
    out = {}

    t = out["cased"] = train(n.BertNormalizer(lowercase=False), p.BertPreTokenizer(), texts)
    t.post_processor = template()
    t.add_special_tokens(BERT_TOKENS)
    t.add_tokens(FLAGGED)

    t = out["uncased with normalized tokens"] = train(n.BertNormalizer(), p.BertPreTokenizer(), texts)
    t.post_processor = template()
    t.add_special_tokens(BERT_TOKENS)
    t.add_tokens(NORMALIZED)

    t = out["accents kept, lower case"] = train(n.BertNormalizer(strip_accents=False), p.BertPreTokenizer(), texts)
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.add_special_tokens(BERT_TOKENS)

    t = out["accents only"] = train(
        n.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False), p.BertPreTokenizer(), texts
    )
    t.post_processor = processors.Sequence([processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))])

    t = out["nfkc"] = train(
        n.Sequence([n.NFKC(), n.Replace(Regex(r"\s+"), " "), n.Strip(), n.Lowercase()]),
        p.Sequence([p.WhitespaceSplit(), p.Punctuation("merged_with_previous"), p.Digits(individual_digits=True)]),
        texts,
        prefix="",
    )
    t.post_processor = processors.Sequence(
        [processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)), processors.BertProcessing(("[PAD]", 0), ("[MASK]", 4))]
    )

    t = out["nfkd"] = train(
        n.Sequence([n.NFKD(), n.StripAccents(), n.Lowercase(), n.Prepend("▁"), n.Replace(" ", "▁"), n.Replace("''", '"')]),
        p.Punctuation("contiguous"),
        texts,
        prefix="@@",
        longest=12,
    )
    t.add_tokens([AddedToken("▁the", normalized=False), AddedToken(" a", normalized=True)])

    t = out["whitespace"] = train(None, p.Whitespace(), texts)
    t.post_processor = processors.TemplateProcessing(
        single="[CLS]:2 [MASK]:1 $A:5 [SEP]:3",
        pair="[MASK] $B:3 [SEP]:1 [CLS] $A:2",
        special_tokens=[("[CLS]", 2), {"id": "[SEP]", "ids": [3, 3], "tokens": ["[SEP]", "[SEP]"]}, ("[MASK]", 4)],
    )

    t = out["nfd, whole lines"] = train(n.Sequence([n.NFD(), n.Strip(right=False)]), None, [s[:12] for s in texts], longest=40)
    t.post_processor = template()

    t = out["nfc"] = train(
        n.NFC(), p.Sequence([p.Punctuation("merged_with_next"), p.Digits(individual_digits=False), p.Punctuation("removed")]), texts
    )
    t.post_processor = template()
    t.add_special_tokens(["[CLS]", "[SEP]"])
    return out


# --- goldens ---


def field(line, name, text):
    """Puts a text into a line, as base64 if it is bytes, and returns the string that the reference gets."""
    if isinstance(text, bytes):
        line[name + "64"] = base64.b64encode(text).decode()
        return text.decode("utf-8", "replace")
    line[name] = text
    return text


def golden(name, t, text, pair=None, special=True, most=0, side="right"):
    line = {"pipeline": name}
    args = [field(line, "text", text)]
    if pair is not None:
        args.append(field(line, "pair", pair))
    if most:
        line |= {"max": most, "side": side}
        t.enable_truncation(most, strategy="longest_first", direction=side)
    if not special:
        line["plain"] = True
    e = t.encode(*args, add_special_tokens=special)
    line["ids"] = e.ids
    line["types"] = "".join(map(str, e.type_ids))
    line["special"] = "".join(map(str, e.special_tokens_mask))
    if most:
        t.no_truncation()
        whole = t.encode(*args, add_special_tokens=special)
        line["dropped"] = len(whole.ids) - len(e.ids)
    return dump(line)


def goldens(name, t, rng, sentences, singles, real):
    extra = [a.content for a in t.get_added_tokens_decoder().values()]
    extra += [e.swapcase() for e in extra] + ["New  York", "über", "u\u0308ber", "NEWYORK", "ete\u0301", "bar", "BAR", "foo", "foos"]
    lines = [golden(name, t, text) for text in ("", " ", "\t\n ", "\u200d", "a", "[CLS]", " \u0301", "\ufffd", "\x00")]
    lines += [golden(name, t, s) for s in rng.sample(sentences, real)]
    while len(lines) < singles:
        s = adversarial(rng, sentences, extra)
        if rng.random() < 0.1:
            s = spoil(rng, s)
        lines.append(golden(name, t, s, special=rng.random() < 0.9))
    for _ in range(singles // 8):
        text, pair = (adversarial(rng, sentences, extra) if rng.random() < 0.5 else rng.choice(sentences) for _ in "ab")
        if rng.random() < 0.05:
            text = spoil(rng, text)
        if rng.random() < 0.3:
            pair = None
        special, most = rng.random() < 0.8, rng.choice([0, *range(8, 40)])
        # Lines of the other strategies were drawn once. Drawing the strategy still keeps
        # the lines of this one as they are.
        longest = rng.choice([True, True, False, False])
        side = rng.choice(["left", "right"])
        if longest or most == 0:
            lines.append(golden(name, t, text, pair, special, most, side))
    return lines


def truncations(name, t):
    """All small combinations of lengths and budgets."""
    lines = []
    for a, b, most in itertools.product(range(6), [None, *range(6)], range(1, 12)):
        for longest, side, special in itertools.product([True, False, False], ["left", "right"], [True, False]):
            if special and most < (2 if b is None else 3):
                continue  # the reference's arithmetic overflows
            text = " ".join("abcdef"[:a])
            pair = None if b is None else " ".join("uvwxyz"[:b])
            # The sample is drawn from all strategies, as in goldens.
            lines.append(golden(name, t, text, pair, special, most, side) if longest else None)
    return [line for line in random.Random(SEED).sample(lines, 1500) if line]


def parts(kind):
    n, p = normalizers, pre_tokenizers
    if kind == "normalizer":
        return [
            *(n.BertNormalizer(*flags) for flags in itertools.product([True, False], [True, False], [None, True, False], [True, False])),
            n.NFC(), n.NFD(), n.NFKC(), n.NFKD(), n.Lowercase(), n.StripAccents(), n.Strip(), n.Strip(left=False), n.Strip(right=False),
            n.Prepend("x"), n.Prepend(""), n.Replace("a", "bb"), n.Replace("aa", "a"), n.Replace("a.", ""), n.Replace("é", "e\u0301"),
            n.Replace(Regex(r"\s+"), " "), n.Replace(Regex(" {2,}"), "▁"), n.Replace(Regex(r"[\n\r\t]"), " "),
            n.Replace(Regex("(?:ab|a)+?b"), "<>"), n.Replace(Regex(r"[^\sa-zA-Z]{2,3}"), "#"), n.Replace(Regex(r"\S\.|(a|aa)a?"), "·"),
            n.Replace(Regex(r"a.{1,3}?[\]\\b-d]"), "$1"), n.Replace(Regex("[^a]b*c?"), ""),
            n.Sequence([]), n.Sequence([n.NFKD(), n.StripAccents(), n.Sequence([n.Lowercase(), n.NFC()]), n.Strip()]),
            n.Sequence([n.Lowercase(), n.NFD(), n.BertNormalizer(lowercase=False), n.Prepend("é")]),
        ]
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    return [
        p.BertPreTokenizer(), p.Whitespace(), p.WhitespaceSplit(), p.Digits(True), p.Digits(False), *(p.Punctuation(b) for b in behaviors),
        p.Sequence([]), p.Sequence([p.Punctuation("contiguous"), p.Sequence([p.Digits(True), p.WhitespaceSplit()])]),
        p.Sequence([p.Digits(False), p.Punctuation("merged_with_next"), p.Whitespace()]),
    ]


def state(part):
    return json.loads(part.__getstate__())


def apply(part, text):
    if hasattr(part, "normalize_str"):
        return part.normalize_str(text)
    return [piece for piece, _ in part.pre_tokenize_str(text)]


def components(rng, sentences):
    lines = []
    for kind in ("normalizer", "pre_tokenizer"):
        for part in parts(kind):
            texts = ["", " ", "a", "  a  ", "aaaa.b", "ab aab  abb\n\n", "..a..1.2", "12ab34..", "."]
            texts += [adversarial(rng, sentences) for _ in range(90)]
            for text in texts:
                if kind == "pre_tokenizer" and not text:
                    continue  # a pipeline drops empty pieces before any pre-tokenizer
                lines.append(dump({kind: state(part), "text": text, "result": apply(part, text)}))
    return lines


BLOCK = 4096


def sums(result):
    """One checksum per block of code points, of the results for each."""
    out = bytearray()
    for first in range(0, 0x110000, BLOCK):
        crc = 0
        for c in range(first, first + BLOCK):
            if not 0xD800 <= c < 0xE000:
                crc = zlib.crc32(result(chr(c)), crc)
        out += struct.pack("<I", crc)
    return base64.b64encode(out).decode()


def codepoints(minilm):
    """For each component, checksums of its results for all code points."""

    def ids(c):
        e = minilm.encode(f"a{c}b {c}{c}1")
        return struct.pack(f"<{len(e.ids)}I", *e.ids)

    out = [{"minilm": True, "sums": sums(ids)}]
    n = normalizers
    for part in [
        n.BertNormalizer(), n.BertNormalizer(lowercase=False), n.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=False),
        n.NFC(), n.NFD(), n.NFKC(), n.NFKD(), n.Lowercase(), n.StripAccents(), n.Strip(),
    ]:
        # between marks of other classes, before a mark that composes, and at the end
        out.append({"normalizer": state(part), "sums": sums(lambda c: apply(part, f"{c}a\u0345{c}\u0334e{c}\u0301{c}").encode() + b"\n")})
    p = pre_tokenizers
    for part in [p.BertPreTokenizer(), p.Whitespace(), p.WhitespaceSplit(), p.Digits(False), p.Punctuation("contiguous")]:
        out.append({"pre_tokenizer": state(part), "sums": sums(lambda c: "\n".join(apply(part, f"a{c}1{c}.{c}")).encode() + b"\n\n")})
    return [dump(line) for line in out]


def folders(sentences):
    plain = "[PAD] [UNK] [CLS] [SEP] [MASK] a b hello ##s new hel ##lo Hello é e 中 ! ##! # [ ] x <".split()
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=True, special=False)
    decoder = {
        str(len(plain)): {"content": "<x>"} | flags | {"single_word": True, "lstrip": True, "rstrip": True},
        "4": {"content": "[MASK]"} | flags | {"lstrip": True, "normalized": False, "special": True},
    }
    typed = {"__type": "AddedToken"}
    cases = [
        (plain, {}),
        (plain, {"tokenizer_config.json": {}}),
        (plain, {"tokenizer_config.json": {"do_lower_case": False, "tokenizer_class": "BertTokenizer", "model_max_length": 12}}),
        (plain, {"tokenizer_config.json": {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False, "do_basic_tokenize": False}}),
        (plain, {"tokenizer_config.json": {"strip_accents": False, "never_split": ["new"], "clean_up_tokenization_spaces": True}}),
        (plain + ["<s>", "</s>"], {"tokenizer_config.json": {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "mask_token": None}}),
        (plain, {"tokenizer_config.json": {"mask_token": typed | {"content": "[MASK]"} | flags | {"lstrip": True}}}),
        (plain, {"tokenizer_config.json": {"mask_token": typed | {"content": "<m>", "rstrip": True}}}),
        (plain, {"tokenizer_config.json": {"added_tokens_decoder": decoder, "additional_special_tokens": ["<x>", "new"]}}),
        (plain, {"tokenizer_config.json": {"additional_special_tokens": ["<y>", "new", typed | {"content": "<z>", "lstrip": True}]}}),
        (plain, {"tokenizer_config.json": {}, "added_tokens.json": {"<q>": len(plain), "<P>": len(plain) + 1}}),
        (plain, {"special_tokens_map.json": {"mask_token": {"content": "[MASK]"} | flags | {"lstrip": True}, "cls_token": "<cls>"}}),
        (plain, {"special_tokens_map.json": {"additional_special_tokens": ["new", {"content": "<z>", "rstrip": True}]}, "added_tokens.json": {"<z>": len(plain)}}),
        (plain, {"tokenizer_config.json": {"added_tokens_decoder": decoder}, "special_tokens_map.json": {"cls_token": "<cls>"}, "added_tokens.json": {"<q>": 30}}),
        (plain + ["a", "", "x ", "\u2028y"], {}),
        (["a", "[UNK]", "hello"], {"tokenizer_config.json": {"bos_token": "<bos>"}}),
    ]
    texts = ["Hello HELLO é e\u0301 É中a! <x>new <X> [MASK]  [CLS] <q> <P><p> <y> <z> z <cls> <m> </s><s>", "", "a [PAD] <pad> <bos> x y \u2028y"]
    texts += sentences[:3]
    lines = []
    for vocab, files in cases:
        for ending in ("\n", "\r\n") if not files else ("\n",):
            with tempfile.TemporaryDirectory() as folder:
                contents = {"vocab.txt": "".join(token + ending for token in vocab)} | {k: json.dumps(v) for k, v in files.items()}
                for name, content in contents.items():
                    with open(os.path.join(folder, name), "w", newline="") as out:
                        out.write(content)
                t = transformers.BertTokenizerFast.from_pretrained(folder)
                lines.append(dump({"files": contents, "texts": texts, "ids": [t(s)["input_ids"] for s in texts]}))
    return lines


def sentences(data):
    """The distinct texts of the data sets."""
    out = set()
    for name in ("trec", "sst2", "banking77"):
        for path in sorted(pathlib.Path(data, name).glob("*.jsonl")):
            with open(path) as lines:
                out |= {json.loads(line)["text"] for line in lines}
    return sorted(out)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--minilm", required=True)
    args.add_argument("--data", required=True)
    args = args.parse_args()

    real = sentences(args.data)
    rng = random.Random(SEED)
    rng.shuffle(real)

    with open(args.minilm) as file:
        source = file.read()
    write("minilm.json", [source.rstrip("\n")])
    minilm = Tokenizer.from_str(source)
    minilm.no_padding()
    minilm.no_truncation()

    texts = real[:1500] + [adversarial(rng, real) for _ in range(3000)]
    pipelines = build(texts)
    write("pipelines.json", [dump({name: json.loads(t.to_str()) for name, t in pipelines.items()})])
    # Read the written file again: the library then numbers the added tokens anew.
    pipelines = {name: Tokenizer.from_str(t.to_str()) for name, t in pipelines.items()}

    lines = goldens("minilm", minilm, rng, real, 5000, 2200)
    lines += truncations("minilm", minilm)
    for name, t in pipelines.items():
        lines += goldens(name, t, rng, real, 700, 60)
    write("goldens.jsonl", lines)
    write("components.jsonl", components(rng, real))
    write("folders.jsonl", folders(real))
    write("codepoints.jsonl", codepoints(minilm))


if __name__ == "__main__":
    main()
