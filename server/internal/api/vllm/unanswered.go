package vllm

import (
	"net/http"
	"slices"

	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// unanswered are routes of vLLM that a task cannot answer, under the API's prefix
// and for clients that have the address of the server itself.
func unanswered() []route.Operation {
	refuse := func(message string, paths ...string) []route.Operation {
		p := problem.Problem{Status: http.StatusBadRequest, Kind: problem.KindValidation, Message: message}
		under := make([]string, len(paths))
		for i, path := range paths {
			under[i] = "/vllm" + path
		}
		return route.Unanswered(encodeError, p, http.MethodPost, slices.Concat(paths, under)...)
	}
	return slices.Concat(
		refuse("the model does not support embeddings: tasks are classifiers, POST /vllm/classify returns their labels", "/v1/embeddings", "/v2/embed"),
		refuse("the model does not support pooling: tasks are classifiers, POST /vllm/classify returns their labels", "/pooling"),
		refuse("the model does not support scores of pairs: tasks are classifiers, and POST /classify takes pairs of texts", "/score", "/v1/score", "/v1/rerank", "/v2/rerank"),
		refuse("the model writes no text: tasks are classifiers, POST /vllm/classify returns their labels", "/v1/completions", "/v1/chat/completions", "/v1/responses", "/v1/messages"),
		refuse("the server does not return tokens: the command kenserve tokenize does", "/tokenize", "/detokenize"),
		route.Unanswered(encodeError, problem.Problem{
			Status: http.StatusBadRequest, Kind: problem.KindValidation,
			Message: "the model does not support scores of pairs: tasks are classifiers, and POST /classify takes pairs of texts",
		}, http.MethodPost, "/vllm/rerank"), // without the prefix it is Text Embeddings Inference's
	)
}
