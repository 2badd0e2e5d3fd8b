package huggingface

import (
	"net/http"
	"slices"

	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// unanswered are routes of Hugging Face's servers that a task cannot answer.
func unanswered() []route.Operation {
	refuse := func(message string, paths ...string) []route.Operation {
		p := problem.Problem{Status: http.StatusBadRequest, Kind: problem.KindValidation, Message: message}
		return route.Unanswered(route.PlainError, p, http.MethodPost, paths...)
	}
	return slices.Concat(
		refuse("a task does text classification only: POST /models/{task}", "/models/:task/pipeline/:kind", "/pipeline/:kind", "/pipeline/:kind/:task"),
		refuse("a task is a classifier, which writes no text: POST /models/{task} returns its labels", "/models/:task/v1/chat/completions", "/models/:task/v1/completions", "/models/:task/generate", "/models/:task/generate_stream"),
		refuse("a task is a classifier, which has no embeddings: POST /models/{task} returns its labels", "/models/:task/v1/embeddings", "/models/:task/embed"),
	)
}
