package native

import (
	"slices"

	"kenserve/internal/settings"
)

// otherMembers are members of other APIs' requests, which clients send to
// POST /classify by mistake. Unknown members that are in no API are ignored.
var otherMembers = settings.Table(slices.Concat(
	settings.Harmless("it names a person, not a computation", "user"),
	settings.RefusedAll("the texts belong in \"input\"", nil, "inputs", "text", "texts", "sentences", "prompt", "messages", "data", "instances"),
	settings.RefusedAll("a pair belongs in \"input\": {\"text\", \"text_pair\"}", nil, "text_pair", "text_1", "text_2", "query", "queries", "documents"),
	settings.RefusedAll("the task's name belongs in \"model\"", nil, "task", "tasks", "models", "model_name", "model_id"),
	settings.RefusedAll("settings belong beside \"input\": top_k, raw_scores and truncate", []string{"{}"}, "parameters", "options"),
	settings.RefusedAll("every label's score is returned; compare them with a threshold of your own", nil, "threshold"),
	settings.RefusedAll("a task has labels of its own; top_k says how many are returned", nil, "labels", "candidate_labels", "hypothesis_template", "multi_label"),
	settings.RefusedAll("use \"top_k\"", nil, "top_n", "return_all_scores"),
	settings.RefusedAll("use \"raw_scores\": true for logits; POST /models/{task} has function_to_apply", nil, "function_to_apply"),
	settings.RefusedAll("use \"raw_scores\": true for logits", nil, "use_activation", "activation", "softmax"),
	settings.RefusedAll("use \"truncate\"; POST /models/{task} has max_length, and POST /vllm/classify truncate_prompt_tokens", nil, "truncation", "truncate_prompt_tokens", "max_length", "max_tokens"),
	settings.RefusedAll("inputs are cut at the side that the tokenizer's files say, by default the end; POST /vllm/classify has truncation_side", nil, "truncation_side", "truncation_direction"),
	settings.RefusedAll("special tokens are always added; POST /vllm/classify has add_special_tokens", []string{"true"}, "add_special_tokens"),
	settings.RefusedAll("a classifier returns its labels, not a vector", nil, "normalize", "dimensions"),
	settings.Harmless("it is about vectors, which a classifier does not return", "encoding_format"),
	settings.RefusedAll("an answer comes as a whole", []string{"false"}, "stream"),
	settings.RefusedAll("requests are served by their deadline", []string{"0"}, "priority"),
))
