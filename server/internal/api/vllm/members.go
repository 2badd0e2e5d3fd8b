package vllm

import (
	"slices"

	"kenserve/internal/settings"
)

// otherMembers are members of vLLM's requests, and of other APIs' requests, that the
// body's wire type does not have. Members of vLLM are those of its classification and
// pooling requests, in vllm/entrypoints/pooling.
var otherMembers = settings.Table(slices.Concat(
	settings.Harmless("it names a person, not a computation", "user"),
	settings.Harmless("there is no cache of answers or prefixes", "cache_salt"),
	settings.RefusedAll("requests are served by their deadline", []string{"0"}, "priority"),
	settings.RefusedAll("inputs are texts, without images or sound", []string{"{}"}, "mm_processor_kwargs", "media_io_kwargs"),
	settings.RefusedAll("inputs are computed without padding", []string{`"do_not_pad"`}, "padding"),
	settings.RefusedAll("it is the older name of use_activation for embeddings; use use_activation", nil, "normalize"),
	settings.RefusedAll("the only encoding of an answer is JSON numbers", []string{`"float"`}, "encoding_format"),
	settings.RefusedAll("the only encoding of an answer is JSON numbers", []string{`"float32"`}, "embed_dtype"),
	settings.RefusedAll("the only encoding of an answer is JSON numbers", []string{`"native"`}, "endianness"),
	settings.RefusedAll("a classifier returns its labels, not a vector", nil, "dimensions"),
	settings.RefusedAll("the only task is classification", []string{`"classify"`}, "task"),
	settings.RefusedAll("the texts belong in \"input\"; there is no chat template", nil, "messages", "chat_template"),
	settings.RefusedAll("there is no chat template", []string{"{}"}, "chat_template_kwargs"),
	settings.RefusedAll("there is no chat template", []string{"false"}, "add_generation_prompt", "continue_final_message"),
	settings.RefusedAll("an answer comes as a whole", []string{"false"}, "stream"),
	settings.RefusedAll("the texts belong in \"input\"", nil, "inputs", "text", "texts", "prompt", "data", "prompt_token_ids"),
	settings.RefusedAll("pairs of texts are not part of this API; use POST /classify with {\"text\", \"text_pair\"}", nil, "text_1", "text_2", "text_pair", "query", "queries", "documents"),
	settings.RefusedAll("settings belong beside \"input\", as truncate_prompt_tokens and use_activation", []string{"{}"}, "parameters"),
	settings.RefusedAll("every label's score is returned; compare them with a threshold of your own", nil, "threshold"),
	settings.RefusedAll("every label's score is returned, in the order of the task's labels", nil, "top_k", "top_n", "labels", "candidate_labels"),
	settings.RefusedAll("use \"use_activation\": false for logits", nil, "raw_scores", "function_to_apply"),
	settings.RefusedAll("use \"truncate_prompt_tokens\", with -1 for the model's limit", nil, "truncate", "truncation", "max_length", "max_tokens"),
	settings.RefusedAll("use \"truncation_side\"", nil, "truncation_direction"),
))
