"""Writes ../unicode.txt: the properties of all code points in Hugging Face's tokenizers.

    pip install tokenizers==0.22.2 regex==2024.11.6
    python make_unicode.py

The library mixes several Unicode versions: categories of Unicode 8, normalization of Unicode 9, and
white space, numbers, case and \\w of the version current when its wheel was built. The script therefore
reads each property from the library itself: it passes every code point to the public component that
uses the property. Only the classes of grapheme clusters cannot all be read this way. They come from
Unicode 16 through package regex. The script checks them where the library shows which code points extend
a cluster.
"""

import itertools
import struct
import sys
import unicodedata

import regex
import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

assert tokenizers.__version__ == "0.22.2", tokenizers.__version__

ALL = [chr(c) for c in itertools.chain(range(0xD800), range(0xE000, 0x110000))]


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**(flags | on)).normalize_str


clean, chinese, accents = bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True)
nfd, nfkd = normalizers.NFD().normalize_str, normalizers.NFKD().normalize_str
nfc = normalizers.NFC().normalize_str
lower, marks = normalizers.Lowercase().normalize_str, normalizers.StripAccents().normalize_str
punctuation = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
spaces = pre_tokenizers.WhitespaceSplit().pre_tokenize_str
words = pre_tokenizers.Whitespace().pre_tokenize_str
digits = pre_tokenizers.Digits(individual_digits=False).pre_tokenize_str
letters = pre_tokenizers.Split(Regex(r"\p{L}"), "isolated").pre_tokenize_str
numbers = pre_tokenizers.Split(Regex(r"\p{N}"), "isolated").pre_tokenize_str

sets = {name: [] for name in ("space", "control", "cjk", "punctuation", "nonspacing", "mark", "word", "numeric", "letter", "number")}
maps = {"nfd": {}, "nfkd": {}, "lower": {}}
classes = {}


def hangul(c):
    return 0xAC00 <= ord(c) <= 0xD7A3


# One mark of each combining class, from the oldest possible Unicode version. NFD orders marks by class, so
# the class of any other mark follows from its order relative to these.
BY_CLASS = {}
for database in (unicodedata.ucd_3_2_0, unicodedata):
    for c in ALL:
        if (k := database.combining(c)) and unicodedata.normalize("NFD", c) == c:
            BY_CLASS.setdefault(k, c)
LOWEST, HIGHEST = BY_CLASS[min(BY_CLASS)], BY_CLASS[max(BY_CLASS)]


def combining(c):
    """The combining class of c: NFD moves a mark before a neighbour of a greater class."""
    before = nfd("a" + HIGHEST + c) != "a" + HIGHEST + c
    after = nfd("a" + c + LOWEST) != "a" + c + LOWEST
    if not before and not after:
        return 0
    least = max((k for k, m in BY_CLASS.items() if nfd("a" + c + m) != "a" + c + m), default=0)
    same = [k for k, m in BY_CLASS.items() if k > least and nfd("a" + m + c) == "a" + m + c]
    assert same, hex(ord(c))
    return min(same)


for c in ALL:
    space = len(spaces("a" + c + "a")) == 2
    if space:
        sets["space"].append(c)
    if clean(c) == "":
        sets["control"].append(c)
    elif clean(c) != (" " if space else c):
        sys.exit(f"clean_text has an unexpected result for {ord(c):X}")
    if chinese(c) != c:
        assert chinese(c) == f" {c} "
        sets["cjk"].append(c)
    if not space and len(punctuation("a" + c + "a")) == 3:
        sets["punctuation"].append(c)
    if nfd(c) == c and accents(c) == "":
        sets["nonspacing"].append(c)
    if marks(c) == "":
        sets["mark"].append(c)
    if len(words("a" + c + "a")) == 1:
        sets["word"].append(c)
    assert (words("a" + c + "a") == [("a", (0, 1)), ("a", (2, 3))]) == space
    if len(digits("a" + c + "a")) == 3:
        sets["numeric"].append(c)
    if len(letters("!" + c + "!")) == 3:
        sets["letter"].append(c)
    if len(numbers("!" + c + "!")) == 3:
        sets["number"].append(c)
    if lower(c) != c:
        maps["lower"][c] = lower(c)
    if hangul(c):
        assert nfd(c) == nfkd(c) == unicodedata.normalize("NFD", c)
        continue
    if nfd(c) != c:
        maps["nfd"][c] = nfd(c)
    elif k := combining(c):
        classes.setdefault(k, []).append(c)
    if nfkd(c) != nfd(c):
        maps["nfkd"][c] = nfkd(c)

# Canonical composition joins two code points: the composition of all parts but the last, and the last part.
compose = []
for c, d in maps["nfd"].items():
    if len(d) > 1 and nfc(c) == c:
        first = nfc(d[:-1])
        assert len(first) == 1 and nfc(first + d[-1]) == c, hex(ord(c))
        compose.append((first, d[-1], c))

# A charsmap that replaces "a" by "X" replaces the whole grapheme cluster that starts with "a".
units = [0] * 512
leaf = 0x100 ^ ord("a") ^ 0x80
units[0], units[0x100 ^ ord("a")], units[leaf] = 0x100 << 10, 0x80 << 10 | 1 << 8 | ord("a"), 1 << 31
charsmap = struct.pack("<I512I", 4 * len(units), *units) + b"X\0"
cluster = normalizers.Precompiled(charsmap).normalize_str

graphemes = {}
for name, pattern in {
    "prepend": r"\p{GCB=Prepend}",
    "control": r"\p{GCB=Control}|\p{GCB=CR}|\p{GCB=LF}",
    "extend": r"\p{GCB=Extend}",
    "zwj": r"\p{GCB=ZWJ}",
    "spacingmark": r"\p{GCB=SpacingMark}",
    "pictographic": r"\p{Extended_Pictographic}",
    "regional": r"\p{GCB=Regional_Indicator}",
    "l": r"\p{GCB=L}",
    "v": r"\p{GCB=V}",
    "t": r"\p{GCB=T}",
    "consonant": r"\p{InCB=Consonant}",
    "linker": r"\p{InCB=Linker}",
    "linked": r"\p{InCB=Extend}",
}.items():
    match = regex.compile(pattern).fullmatch
    graphemes[name] = [c for c in ALL if match(c)]
joined = {c for c in ALL if cluster("a" + c) == "X"}
expected = set(graphemes["extend"] + graphemes["zwj"] + graphemes["spacingmark"])
if joined != expected:
    sys.exit(f"clusters: {[hex(ord(c)) for c in joined ^ expected]}")


# General categories of Oniguruma, the engine of regular expressions. What Split removes from a run of code
# points has the property.
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
BLOCKS = ["".join(ALL[i : i + 4096]) for i in range(0, len(ALL), 4096)]


def property_set(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str
    found = []
    for block in BLOCKS:
        rest = {c for piece, _ in split(block) for c in piece}
        found += [c for c in block if c not in rest]
    return found


categories = {name: property_set(r"\p{%s}+" % name) for name in CATEGORIES}
assert set(categories["Lu"] + categories["Ll"] + categories["Lt"] + categories["Lm"] + categories["Lo"]) == set(sets["letter"])
assert set(categories["Nd"] + categories["Nl"] + categories["No"]) == set(sets["number"])
assert property_set(r"\d+") == categories["Nd"] and property_set(r"\s+") == sets["space"]
# \w of Oniguruma; the set "word" is that of Rust's regular expressions.
sets["onigword"] = property_set(r"\w+")

# Scripts of the pre-tokenizer UnicodeScripts. A text of code points without a script has no piece.
script_pieces = pre_tokenizers.UnicodeScripts().pre_tokenize_str
scripts = []
for c in ALL:
    if script_pieces(c):
        for same in scripts:
            if len(script_pieces(same[-1] + c)) == 1:
                same.append(c)
                break
        else:
            scripts.append([c])
        scripts.sort(key=lambda s: -(s[-1] == c))  # neighbours mostly have the same script


def ranges(chars):
    out, codes = [], [ord(c) for c in chars]
    for _, run in itertools.groupby(enumerate(codes), lambda p: p[1] - p[0]):
        run = [code for _, code in run]
        out.append(f"{run[0]:X}" if len(run) == 1 else f"{run[0]:X}-{run[-1]:X}")
    return " ".join(out)


def codes(s):
    return " ".join(f"{ord(c):X}" for c in s)


with open("../unicode.txt", "w") as out:
    print("# Code point properties as Hugging Face's tokenizers 0.22.2 has them.", file=out)
    print("# Written by testdata/make_unicode.py; tables.go says what each line means.", file=out)
    for name, chars in sets.items():
        print(name, ranges(chars), file=out)
    for name, chars in graphemes.items():
        print("grapheme", name, ranges(chars), file=out)
    for name, chars in categories.items():
        print("category", name, ranges(chars), file=out)
    for number, chars in enumerate(sorted(scripts), 1):
        print("script", number, ranges(sorted(chars)), file=out)
    for k in sorted(classes):
        print("class", k, ranges(classes[k]), file=out)
    for name, entries in maps.items():
        for c, to in entries.items():
            print(name, codes(c), codes(to), file=out)
    for first, second, to in compose:
        print("compose", codes(first), codes(second), codes(to), file=out)
