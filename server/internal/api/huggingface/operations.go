// Package huggingface is the text classification API of Hugging Face's inference
// clients. A task is a model with an address of its own, http://host/models/{task}.
package huggingface

import (
	"net/http"
	"reflect"
	"slices"

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
		Operations: slices.Concat(h.operations(), unanswered()),
		Members: []route.Members{
			{Operation: "hfClassify", Object: "", Wire: reflect.TypeFor[hfBody](), Others: otherMembers},
			{Operation: "hfClassify", Object: "parameters", Wire: reflect.TypeFor[hfSettings](), Others: otherParameters},
			{Operation: "hfClassify", Object: "options", Wire: reflect.TypeFor[hfOptions](), Others: otherOptions},
		},
	}
}

func (h *handler) operations() []route.Operation {
	const pipeline = "/pipeline/text-classification" // of the older servers
	return []route.Operation{
		{Method: http.MethodPost, Path: "/models/:task" + pipeline, Handle: h.classify, Hidden: true},
		{Method: http.MethodPost, Path: pipeline + "/:task", Handle: h.classify, Hidden: true},
		{
			Method: http.MethodPost, Path: "/models/:task", Name: "hfClassify", Tag: route.TagHuggingFace, Summary: "Classify",
			Handle: h.classify, ReportsCost: true, MayFail: route.FailuresClassifying,
			Request: []route.Content{route.JSON[hfBody](`{"inputs":"` + wire.ExampleText + `","parameters":{"top_k":2,"function_to_apply":"softmax"}}`)},
			Answer:  route.JSON[[][]wire.Score](`[[{"label":"LOC","score":0.9924},{"label":"ENTY","score":0.0021}]]`),
		},
	}
}
