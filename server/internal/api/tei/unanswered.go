package tei

import (
	"net/http"
	"slices"

	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// unanswered are routes of Text Embeddings Inference that a task cannot answer. As
// in that server, a model of the wrong kind is status 424.
func unanswered() []route.Operation {
	refuse := func(message string, paths ...string) []route.Operation {
		p := problem.Problem{Status: http.StatusFailedDependency, Kind: problem.KindTask, Message: message}
		return route.Unanswered(encodeError, p, http.MethodPost, paths...)
	}
	const (
		noVectors = "a task is a classifier, which has no embeddings: POST /tei/{task}/predict returns its labels"
		noRanking = "a task is a classifier, which does not rank texts: POST /tei/{task}/predict returns the labels of pairs of texts"
		noTokens  = "the server does not return tokens: the command kenserve tokenize does"
	)
	return slices.Concat(
		refuse(noVectors, "/tei/:task/embed", "/tei/:task/embed_all", "/tei/:task/embed_sparse", "/tei/:task/similarity", "/tei/:task/embeddings", "/tei/:task/v1/embeddings"),
		refuse(noRanking, "/tei/:task/rerank", "/tei/:task/v1/rerank"),
		refuse(noTokens, "/tei/:task/tokenize", "/tei/:task/decode"),
		// A client with the address of the server instead of a task's.
		refuse(noVectors, "/embed", "/embed_all", "/embed_sparse", "/similarity"),
		refuse(noRanking, "/rerank"),
		refuse("the path names the task: POST /tei/{task}/predict", "/predict"),
	)
}
