// Package tei is the API of Text Embeddings Inference. A task is the only model of
// a server at /tei/{task}.
package tei

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

// New returns the API of Text Embeddings Inference.
func New(service *core.Service) route.API {
	h := &handler{core: service}
	return route.API{
		Prefix: "/tei/", EncodeError: encodeError, ErrorBody: reflect.TypeFor[teiErrorBody](),
		Operations: slices.Concat(h.operations(), unanswered()),
		Members: []route.Members{
			{Operation: "teiPredict", Object: "", Wire: reflect.TypeFor[teiBody](), Others: otherMembers},
		},
	}
}

func (h *handler) operations() []route.Operation {
	return []route.Operation{
		{
			Method: http.MethodPost, Path: "/tei/:task/predict", Name: "teiPredict", Tag: route.TagTEI, Summary: "Classify",
			Description: "A list of one text is that text, a list of two texts is a pair. A batch is a list of such lists.",
			Handle:      h.predict, ReportsCost: true, MayFail: append([]*route.Failure{route.EmptyText}, route.FailuresClassifying...),
			Request: []route.Content{route.JSON[teiBody](`{"inputs":[["` + wire.ExampleText + `"],["How far is it?","From Denver to Aspen."]],"truncate":true}`)},
			Answer:  route.JSON[teiAnswer](`[[{"score":0.9924,"label":"LOC"}],[{"score":0.9929,"label":"NUM"}]]`),
		},
		{Method: http.MethodPost, Path: "/tei/:task", Handle: h.predict, Hidden: true}, // the root of a server is its model's route
		{
			Method: http.MethodGet, Path: "/tei/:task/info", Name: "teiInfo", Tag: route.TagTEI, Summary: "Limits and labels; loads a task that was never loaded",
			Handle: h.info, Answer: route.JSON[teiModel](""), MayFail: []*route.Failure{route.NoSuchTask, route.TaskUnusable, route.Overloaded, route.Unavailable},
		},
		{
			Method: http.MethodGet, Path: "/tei/:task/health", Name: "teiHealth", Open: true, Tag: route.TagTEI, Summary: "Whether the server can answer requests for the task",
			Handle: h.health, MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		},
	}
}
