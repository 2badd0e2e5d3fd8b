// Package lora reads a LoRA adapter (Hu et al., 2021), in the folder that Hugging
// Face's PEFT writes, as the fine-tuned checkpoint that merging it into its base
// gives.
//
// # The folder
//
// adapter_config.json tells the rank r, lora_alpha and how they are meant;
// adapter_model.safetensors holds, under names that begin with
// "base_model.model.",
//
//	MODULE.lora_A.weight [r, in], MODULE.lora_B.weight [out, r]
//	MODULE.lora_embedding_A [r, entries], MODULE.lora_embedding_B [width, r]
//	any other name: a tensor that was trained as a whole, such as a head in
//	modules_to_save, or a bias
//
// The weight of a module becomes W + s·B·A, transposed for embeddings and where
// fan_in_fan_out is set, with s = lora_alpha/r, or lora_alpha/√r with use_rslora.
// A sum of products is accumulated in float64; the change and its sum with W are
// rounded to float32.
//
// What changes the meaning of these tensors and is not understood (DoRA, other
// kinds of adapters, patterns of alpha, replicated layers) is refused by its
// name, never left out.
package lora
