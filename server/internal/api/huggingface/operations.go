// Package huggingface is the text classification API of Hugging Face's inference
// clients. A task is a model with an address of its own, http://host/models/{task}.
package huggingface

import (
	"net/http"
	"reflect"

	"kenserve/server/internal/core"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// handler answers the operations of the API.
type handler struct {
	core *core.Service
}

// New returns the Hugging Face API.
func New(service *core.Service) route.API {
	h := &handler{core: service}
	return route.API{
		Prefix: "/models/", EncodeError: route.PlainError, ErrorBody: reflect.TypeFor[route.PlainErrorBody](),
		Operations: h.operations(),
	}
}

func (h *handler) operations() []route.Operation {
	return []route.Operation{
		{
			Method: http.MethodPost, Path: "/models/:task", Name: "hfClassify", Tag: route.TagHuggingFace, Summary: "Classify",
			Handle: h.classify, ReportsCost: true, MayFail: route.FailuresClassifying,
			Request: []route.Content{route.JSON[hfBody](`{"inputs":"` + wire.ExampleText + `","parameters":{"top_k":2,"function_to_apply":"softmax"}}`)},
			Answer:  route.JSON[[][]wire.Score](`[[{"label":"LOC","score":0.9924},{"label":"ENTY","score":0.0021}]]`),
		},
	}
}
