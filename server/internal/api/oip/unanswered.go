package oip

import (
	"net/http"
	"slices"

	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// unanswered are routes of Triton's extensions that the server does not answer.
func unanswered() []route.Operation {
	refuse := func(method, message string, paths ...string) []route.Operation {
		p := problem.Problem{Status: http.StatusBadRequest, Kind: problem.KindValidation, Message: message}
		return route.Unanswered(encodeError, p, method, paths...)
	}
	const (
		noText     = "a task is a classifier, which writes no text: POST /v2/models/{task}/infer returns its labels"
		noStats    = "the server has no statistics or configuration of models by this protocol: GET /metrics and GET /tasks/{task} have the figures"
		noTracing  = "the server's traces and log are set when it starts"
		noMemory   = "the server has no shared memory: send the texts in the request"
		oneVersion = "/versions/:version"
	)
	return slices.Concat(
		refuse(http.MethodPost, noText, "/v2/models/:task/generate", "/v2/models/:task/generate_stream", "/v2/models/:task"+oneVersion+"/generate", "/v2/models/:task"+oneVersion+"/generate_stream"),
		refuse(http.MethodGet, noStats, "/v2/models/:task/stats", "/v2/models/:task/config", "/v2/models/:task"+oneVersion+"/stats", "/v2/models/:task"+oneVersion+"/config"),
		refuse(http.MethodGet, noTracing, "/v2/trace/setting", "/v2/logging", "/v2/models/:task/trace/setting"),
		refuse(http.MethodPost, noTracing, "/v2/trace/setting", "/v2/logging", "/v2/models/:task/trace/setting"),
		refuse(http.MethodGet, noMemory, "/v2/systemsharedmemory/status", "/v2/cudasharedmemory/status"),
		refuse(http.MethodPost, noMemory, "/v2/systemsharedmemory/region/:name/register", "/v2/cudasharedmemory/region/:name/register"),
	)
}
