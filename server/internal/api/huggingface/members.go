package huggingface

import (
	"slices"

	"kenserve/internal/settings"
)

// The tables have members of Hugging Face's requests, and of other APIs' requests,
// that the wire types do not have. The sources are the task specifications of
// @huggingface/tasks, and the arguments of transformers' text classification pipeline,
// which passes most of them to the tokenizer.
var (
	otherMembers = settings.Table(slices.Concat(
		settings.Harmless("the path names the task", "model", "provider"),
		settings.Harmless("a request waits until its task is loaded, and there is no cache of answers", "wait_for_model", "use_cache"),
		settings.Harmless("it names a person, not a computation", "user"),
		settings.RefusedAll("the texts belong in \"inputs\"", nil, "input", "text", "texts", "text_pair", "sentences", "messages", "prompt", "query", "queries", "documents"),
		settings.RefusedAll("it belongs in \"parameters\"", nil, "top_k", "function_to_apply", "truncation", "truncation_side", "max_length", "add_special_tokens", "return_all_scores"),
		settings.RefusedAll("use \"parameters\": {\"truncation\": true}", nil, "truncate", "truncate_prompt_tokens"),
		settings.RefusedAll("use \"parameters\": {\"truncation_side\": \"left\"}", nil, "truncation_direction"),
		settings.RefusedAll("use \"parameters\": {\"function_to_apply\": \"none\"} for logits", nil, "raw_scores", "use_activation", "activation", "softmax"),
		settings.RefusedAll("every label's score is returned; compare them with a threshold of your own", nil, "threshold"),
		settings.RefusedAll("a task has labels of its own; zero-shot classification is another task", nil, "labels", "candidate_labels"),
		settings.RefusedAll("a classifier returns its labels, not a vector", nil, "normalize", "prompt_name", "dimensions", "encoding_format"),
		settings.RefusedAll("an answer comes as a whole", []string{"false"}, "stream"),
	))

	otherParameters = settings.Table(slices.Concat(
		settings.Harmless("a padded token is masked, so padding changes no score", "padding", "padding_side", "pad_to_multiple_of"),
		settings.Harmless("it changes how the answer is computed, not the answer", "batch_size", "num_workers", "verbose", "return_tensors"),
		settings.RefusedAll("the model gets its token types and mask", []string{"true"}, "return_token_type_ids", "return_attention_mask"),
		settings.RefusedAll("the answer has labels and scores only", []string{"false"}, "return_overflowing_tokens", "return_special_tokens_mask", "return_offsets_mapping", "return_length"),
		settings.RefusedAll("one input gives one window; cut long texts yourself", []string{"0"}, "stride"),
		settings.RefusedAll("inputs are texts, not lists of words", []string{"false"}, "is_split_into_words"),
		settings.RefusedAll("special tokens in a text are kept whole", []string{"false"}, "split_special_tokens"),
		settings.RefusedAll("a pair belongs in \"inputs\": {\"text\", \"text_pair\"}", nil, "text", "text_pair", "text_target", "text_pair_target"),
		settings.RefusedAll("the texts belong in \"inputs\"", nil, "input", "inputs", "texts"),
		settings.RefusedAll("a task has labels of its own; zero-shot classification is another task", nil, "candidate_labels", "labels", "hypothesis_template", "multi_label"),
		settings.RefusedAll("a task classifies whole texts, not tokens", nil, "aggregation_strategy", "ignore_labels"),
		settings.RefusedAll("a classifier returns its labels, not a vector", nil, "normalize", "prompt_name"),
		settings.RefusedAll("a classifier writes no text", nil, "max_new_tokens", "max_tokens", "min_length", "temperature", "top_p", "do_sample", "num_beams", "repetition_penalty", "return_full_text", "stop", "seed", "details", "generate_parameters", "generation_parameters", "clean_up_tokenization_spaces"),
		settings.RefusedAll("every label's score is returned; compare them with a threshold of your own", nil, "threshold"),
		settings.RefusedAll("use \"truncation\"", nil, "truncate", "truncate_prompt_tokens"),
		settings.RefusedAll("use \"truncation_side\"", nil, "truncation_direction"),
		settings.RefusedAll("use \"function_to_apply\": \"none\" for logits", nil, "raw_scores", "use_activation", "activation", "softmax"),
	))

	otherOptions = settings.Table(slices.Concat(
		settings.Harmless("there is no cache of answers", "use_cache"),
		settings.Harmless("a request waits until its task is loaded", "wait_for_model", "dont_load_model", "retry_on_error"),
		settings.Harmless("the server computes on the processor", "use_gpu"),
	))
)
