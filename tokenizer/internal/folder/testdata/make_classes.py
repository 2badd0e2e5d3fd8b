"""Writes ../classes.txt: the tokenizer classes of transformers.

    pip install transformers==4.57.6 sentencepiece protobuf
    python make_classes.py

The script makes a tokenizer of each fast class from a small tokenizer.json, and reads from it what the class
gives by itself: special tokens, their flags, and whether the model gets token type ids.
"""

import logging
import os
import tempfile

import transformers
from tokenizers import AddedToken, Tokenizer, models, normalizers
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

assert transformers.__version__ == "4.57.6"
logging.disable(logging.WARNING)
transformers.logging.set_verbosity_error()

ROLES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

small = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
small.normalizer = normalizers.BertNormalizer()

lines, types = {}, {}
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "tokenizer.json")
    small.save(path)
    for model_type, (slow, fast) in TOKENIZER_MAPPING_NAMES.items():
        name = (fast or slow or "").removesuffix("Fast")
        if not name:
            continue
        types.setdefault(name, []).append(model_type)
        if not fast:
            lines.setdefault(name, ["python", name])
            continue
        cls = tokenizer_class_from_name(fast)
        try:
            special = cls(tokenizer_file=path)._special_tokens_map
        except (AttributeError, ImportError, TypeError):  # they need files or packages of their own
            lines[name] = ["other", name]
            continue
        line = ["types" if "token_type_ids" in cls.model_input_names else "plain", name]
        for role in ROLES:
            token = special.get(role)
            if isinstance(token, AddedToken):
                flags = [f for f in ("lstrip", "rstrip", "single_word") if getattr(token, f)]
                # Without an argument for it, "normalized" is the opposite of "special".
                if token.normalized and token.special:
                    flags.append("normalized")
                line.append(f"{role}:{','.join(flags) or 'token'}={token}")
            elif token is not None:
                line.append(f"{role}={token}")
        lines[name] = line

with open("../classes.txt", "w") as out:
    print("# Tokenizer classes of transformers 4.57.6, without the suffix Fast.", file=out)
    print("# Written by testdata/make_classes.py; classes.go says what each line means.", file=out)
    for name in sorted(lines):
        print("\t".join(lines[name]), file=out)
        if lines[name][0] in ("types", "plain"):
            print("\t".join(["models", name, *sorted(types[name])]), file=out)
