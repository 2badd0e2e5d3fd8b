package native

import (
	"slices"

	"kenserve/internal/settings"
)

// otherMembers are members of other APIs' requests, which clients send to
// POST /classify by mistake. Members that are in no table are refused, too, without a
// remedy of their own: no other program defines this API, so that nobody can rely on
// members that change nothing.
var otherMembers = settings.Table(slices.Concat(
	settings.Harmless("it names a person, not a computation", "user"),
	settings.RefusedAll("the texts belong in \"input\"", nil, "inputs", "text", "texts", "sentences", "prompt", "messages", "data", "instances"),
	settings.RefusedAll("a pair belongs in \"input\": {\"text\", \"text_pair\"}", nil, "text_pair", "text_1", "text_2", "query", "queries", "documents"),
	settings.RefusedAll("the task's name belongs in \"model\"", nil, "task", "tasks", "models", "model_name", "model_id"),
	settings.RefusedAll("settings belong beside \"input\": top_k, raw_scores and truncate", []string{"{}"}, "parameters", "options"),
	settings.RefusedAll("every label's score is returned; compare them with a threshold of your own", nil, "threshold"),
	settings.RefusedAll("a task has labels of its own; top_k says how many are returned", nil, "labels", "candidate_labels", "hypothesis_template", "multi_label"),
	settings.RefusedAll("use \"top_k\"", nil, "top_n", "k", "return_all_scores"),
	settings.RefusedAll("use \"raw_scores\": true for logits; POST /models/{task} has function_to_apply", nil, "function_to_apply"),
	settings.RefusedAll("use \"raw_scores\": true for logits", nil, "use_activation", "activation", "softmax", "logits", "return_logits", "return_raw_scores"),
	settings.RefusedAll("use \"truncate\"; POST /models/{task} has max_length, and POST /vllm/classify truncate_prompt_tokens", nil, "truncation", "truncate_prompt_tokens", "max_length", "max_tokens"),
	settings.RefusedAll("inputs are cut at the side that the tokenizer's files say, by default the end; POST /vllm/classify has truncation_side", nil, "truncation_side", "truncation_direction"),
	settings.RefusedAll("special tokens are always added; POST /vllm/classify has add_special_tokens", []string{"true"}, "add_special_tokens"),
	settings.RefusedAll("a classifier returns its labels, not a vector", nil, "normalize", "dimensions"),
	settings.Harmless("it is about vectors, which a classifier does not return", "encoding_format"),
	settings.Harmless("it changes how the answer is computed, not the answer", "batch_size", "padding", "num_workers"),
	settings.RefusedAll("scores are the model's own; divide raw_scores yourself", []string{"1", "1.0"}, "temperature"),
	settings.RefusedAll("an answer comes as a whole", []string{"false"}, "stream"),
	settings.RefusedAll("requests are served by their deadline", []string{"0"}, "priority"),
))
