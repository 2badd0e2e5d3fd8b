// Package vllm is the classification API of vLLM.
package vllm

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

// New returns the API of vLLM.
func New(service *core.Service) route.API {
	h := &handler{core: service}
	return route.API{
		Prefix: "/vllm/", EncodeError: encodeError, ErrorBody: reflect.TypeFor[vllmErrorBody](),
		Operations: slices.Concat(h.operations(), unanswered()),
		Members: []route.Members{
			{Operation: "vllmClassify", Object: "", Wire: reflect.TypeFor[vllmBody](), Others: otherMembers},
		},
	}
}

func (h *handler) operations() []route.Operation {
	return []route.Operation{
		{
			Method: http.MethodPost, Path: "/vllm/classify", Name: "vllmClassify", Tag: route.TagVLLM, Summary: "Classify",
			Handle: h.classify, ReportsCost: true, MayFail: route.FailuresClassifying,
			Request: []route.Content{route.JSON[vllmBody](`{"model":"trec","input":["` + wire.ExampleText + `"]}`)},
			Answer:  route.JSON[vllmAnswer](`{"id":"classify-68fcf3cc51e13307eedc7999e81e7268","object":"list","created":1764000000,"model":"sst2","data":[{"index":0,"label":"positive","probs":[0.005,0.995],"num_classes":2}],"usage":{"prompt_tokens":9,"total_tokens":9,"completion_tokens":0,"prompt_tokens_details":null}}`),
		},
	}
}
