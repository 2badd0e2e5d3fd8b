package tei

import (
	"slices"

	"kenserve/internal/settings"
)

// otherMembers are members of requests for other routes of Text Embeddings Inference
// (router/src/http/types.rs), and of other APIs' requests, that the body's wire type
// does not have.
var otherMembers = settings.Table(slices.Concat(
	settings.Harmless("the path names the task", "model"),
	settings.Harmless("it names a person, not a computation", "user"),
	settings.RefusedAll("the texts belong in \"inputs\"", nil, "input", "text", "texts", "text_pair", "query", "queries", "documents", "messages", "prompt", "source_sentence", "sentences", "ids"),
	settings.RefusedAll("a classifier returns its labels, not a vector", nil, "normalize", "dimensions", "encoding_format"),
	settings.RefusedAll("there are no prompts that come before a text; send the whole text", nil, "prompt_name"),
	settings.RefusedAll("the answer has labels and scores only", []string{"false"}, "return_text"),
	settings.RefusedAll("special tokens are always added", []string{"true"}, "add_special_tokens"),
	settings.RefusedAll("an answer comes as a whole", []string{"false"}, "stream"),
	settings.RefusedAll("settings belong beside \"inputs\", as truncate and raw_scores", []string{"{}"}, "parameters", "options"),
	settings.RefusedAll("every label's score is returned; compare them with a threshold of your own", nil, "threshold"),
	settings.RefusedAll("every label's score is returned, best first", nil, "top_k", "top_n", "labels", "candidate_labels"),
	settings.RefusedAll("use \"raw_scores\": true for logits", nil, "function_to_apply", "use_activation", "activation", "softmax"),
	settings.RefusedAll("use \"truncate\"; inputs are cut at the model's limit only", nil, "truncation", "truncate_prompt_tokens", "max_length", "max_tokens"),
	settings.RefusedAll("use \"truncation_direction\"", nil, "truncation_side"),
))
