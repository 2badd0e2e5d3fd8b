// Package lora reads a LoRA adapter (Hu et al., 2021) from the folder that Hugging Face's
// PEFT writes. It presents the adapter as a fine-tuned checkpoint: the base with the
// adapter merged into it.
//
// # The folder
//
// adapter_config.json gives the rank r, lora_alpha and the options below.
// adapter_model.safetensors has these tensors, with "base_model.model." before every
// name:
//
//	MODULE.lora_A.weight [r, in], MODULE.lora_B.weight [out, r]
//	MODULE.lora_embedding_A [r, entries], MODULE.lora_embedding_B [width, r]
//	MODULE.token_adapter.trainable_tokens_delta [n, width]: the rows of a table
//	that trainable_token_indices lists
//	any other name: a tensor trained as a whole, such as a bias or a head in
//	modules_to_save
//
// # Merging
//
// Whole tensors and rows take the place of the base's. A table may have more rows than
// the base's; whether the tensor is a table is for the caller to know. Then the weight W
// of a module becomes W + s·B·A. The scale s is lora_alpha/r, or
// lora_alpha/√r with use_rslora. alpha_pattern gives single modules another lora_alpha. B·A is transposed for embeddings and with
// fan_in_fan_out. Products are accumulated in float64; the change s·B·A is rounded to
// float32, and so is its sum with W.
//
// # Settings
//
// docs/adapters.md lists every setting of adapter_config.json. An adapter with a feature that
// this package does not implement (DoRA, other kinds of adapters, replicated layers), with
// an initialisation that replaced weights of the base (PiSSA), or with a setting that is
// not in the table, is refused with an error that names the setting and says what to do.
package lora
