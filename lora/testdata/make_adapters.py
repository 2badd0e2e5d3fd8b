"""Makes adapters with PEFT, their bases, and PEFT's merges of both.

    python make_adapters.py . [CASE]

For each case a folder with

    base/model.safetensors      the encoder alone, random weights, tiny
    adapter/                    as save_pretrained writes it, without its README
    merged.safetensors          the classifier after merge_and_unload

and settings.txt, the settings of LoraConfig with their defaults as JSON.

Made with Python 3.11, torch 2.8.0, transformers 4.57.6, peft 0.17.1; "patterns",
"tokens", "resized", "added" and settings.txt with peft 0.18.0.
"""

import json
import os
import sys

import torch
from peft import LoraConfig, TaskType, get_peft_model
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification, GPT2Config, GPT2ForSequenceClassification

BERT = BertConfig(vocab_size=11, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, max_position_embeddings=6, num_labels=3)
GPT2 = GPT2Config(vocab_size=11, n_embd=8, n_layer=1, n_head=2, n_positions=6, num_labels=2, pad_token_id=0)

CASES = {
    "plain": (BertForSequenceClassification, BERT, dict(r=2, lora_alpha=6, target_modules=["query", "value"])),
    # Biases, an embedding, modules of another rank, and a scale of alpha/sqrt(r).
    "rich": (BertForSequenceClassification, BERT, dict(
        r=4, lora_alpha=5, use_rslora=True, bias="all", rank_pattern={"key": 3},
        target_modules=["query", "key", "dense", "word_embeddings"], modules_to_save=["classifier"])),
    # Modules of another scale, by names and by expressions.
    "patterns": (BertForSequenceClassification, BERT, dict(
        r=2, lora_alpha=6, rank_pattern={"key": 3}, alpha_pattern={"layer.0.attention.self.query": 10, "query": 4, "^bert.enc.*key": 12},
        target_modules=["query", "key", "value"])),
    # Some rows of a table; a table with more rows, saved whole, with a change on top of it; and
    # one of which only the added rows are saved.
    "tokens": (BertForSequenceClassification, BERT, dict(
        r=2, lora_alpha=6, target_modules=["query"], modules_to_save=["classifier"], trainable_token_indices={"word_embeddings": [3, 0, 10]})),
    "resized": (BertForSequenceClassification, BERT, dict(
        r=2, lora_alpha=6, target_modules=["query", "word_embeddings"], modules_to_save=["classifier"])),
    "added": (BertForSequenceClassification, BERT, dict(
        r=2, lora_alpha=6, target_modules=["query"], modules_to_save=["classifier"], trainable_token_indices={"word_embeddings": [12, 2, 11]})),
    "transposed": (GPT2ForSequenceClassification, GPT2, dict(r=3, lora_alpha=8, fan_in_fan_out=True, target_modules=["c_attn", "c_fc"])),
}


def main(out, only=None):
    torch.manual_seed(1)
    with open(os.path.join(out, "settings.txt"), "w") as f:
        for name, value in sorted(LoraConfig().to_dict().items()):
            if name != "peft_type":
                f.write(f"{name} {json.dumps(value)}\n")
    for name, (kind, config, options) in CASES.items():
        if only and name != only:
            continue
        folder = os.path.join(out, name)
        os.makedirs(os.path.join(folder, "base"), exist_ok=True)
        model = kind(config)
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(torch.randn_like(p) * 0.1)
        encoder = {k: v.clone() for k, v in model.base_model.state_dict().items()}
        save_file(encoder, os.path.join(folder, "base", "model.safetensors"))
        if name in ("resized", "added"):
            model.resize_token_embeddings(13)
        tuned = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, **options))
        with torch.no_grad():
            for p in tuned.parameters():
                if p.requires_grad:
                    p.copy_(torch.randn_like(p) * 0.1)
        tuned.save_pretrained(os.path.join(folder, "adapter"), save_embedding_layers=name in ("rich", "resized"))
        os.remove(os.path.join(folder, "adapter", "README.md"))
        merged = tuned.merge_and_unload()
        save_file({k: v.clone().contiguous() for k, v in merged.state_dict().items()}, os.path.join(folder, "merged.safetensors"))


if __name__ == "__main__":
    main(*sys.argv[1:])
