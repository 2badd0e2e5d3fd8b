package models

import (
	"slices"

	"kenserve/internal/settings"
)

// Reasons why settings change nothing, for the tables.
const (
	TrainingOnly  = "only training uses it"
	OtherTask     = "only heads of other tasks use it"
	tokenID       = "the tokenizer gives the ids; the model does not look at them"
	ReadByNothing = "transformers does not read it for this family"
)

// CommonSettings are those of transformers' base class of configurations, in 4.57 and
// 5.24. A family may decode any of them, or say otherwise in its own table.
var CommonSettings = settings.Table(slices.Concat(
	[]settings.Setting{
		settings.Used("model_type"), settings.Used("architectures"), settings.Used("id2label"),
		settings.Used("num_labels"), settings.Used("problem_type"),
		settings.Refused("is_decoder", "only encoders are implemented: use a checkpoint with is_decoder false", "false"),
		settings.Refused("is_encoder_decoder", "only encoders are implemented", "false"),
		settings.Refused("add_cross_attention", "a classifier has no other sequence to attend to: use a checkpoint without cross-attention", "false"),
		settings.Refused("is_causal", "encoders in which a token sees only those before it are not implemented", "false"),
		settings.Refused("transformers_weights", "weights are read from model.safetensors or its shards: rename the file, and remove this setting"),
		settings.Refused("pruned_heads", "weights of pruned heads have other shapes: use the checkpoint from before heads were pruned", "{}"),
		settings.Refused("quantization_config", "quantised checkpoints are not read: save the model in float32, float16 or bfloat16"),
		settings.Refused("per_layer_config", "layers with settings of their own are not implemented", "{}"),
	},
	settings.Harmless("labels are named by id2label", "label2id"),
	settings.Harmless("weights are read in the type that they have, and computed with as --compute says", "dtype", "torch_dtype", "use_bfloat16"),
	settings.Harmless("it says where the file comes from", "transformers_version", "_name_or_path", "name_or_path", "_commit_hash", "finetuning_task", "language", "license", "model_name"),
	settings.Harmless("package tokenizer reads it", "tokenizer_class"),
	settings.Harmless("it says how transformers computes, not the result", "torchscript", "return_dict", "use_return_dict", "output_attentions", "output_hidden_states",
		"chunk_size_feed_forward", "attn_implementation", "_attn_implementation", "_attn_implementation_autoset", "_attn_implementation_internal", "experts_implementation", "_experts_implementation"),
	settings.Harmless("it is for text generation", "use_cache", "prefix", "task_specific_params", "max_length", "min_length", "do_sample", "early_stopping",
		"num_beams", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size",
		"bad_words_ids", "num_return_sequences", "output_scores", "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values",
		"exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "num_beam_groups", "diversity_penalty", "output_past"),
	settings.Harmless(OtherTask, "tie_word_embeddings", "tie_encoder_decoder", "tie_weights_", "cross_attention_hidden_size", "tie_last_hidden_states"),
	settings.Harmless(TrainingOnly, "initializer_range", "classifier_dropout", "gradient_checkpointing", "tf_legacy_loss"),
	settings.Harmless(tokenID, "pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id", "unk_token_id", "decoder_start_token_id"),
))
