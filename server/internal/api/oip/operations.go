package oip

import (
	"net/http"
	"reflect"
	"slices"

	"kenserve/server/internal/core"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// inferExample is an example of a request.
const inferExample = `{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["` + wire.ExampleText + `"]}]}`

// handler answers the operations of the API.
type handler struct {
	core *core.Service
}

// New returns the Open Inference Protocol over REST.
func New(service *core.Service) route.API {
	h := &handler{core: service}
	return route.API{
		Prefix: "/v2", EncodeError: encodeError, ErrorBody: reflect.TypeFor[route.PlainErrorBody](),
		Operations: slices.Concat(h.operations(), unanswered()),
		Members: []route.Members{
			{Operation: "infer", Object: "", Wire: reflect.TypeFor[inferBody](), Others: otherMembers},
			{Operation: "infer", Object: "parameters", Wire: reflect.TypeFor[inferSettings](), Others: otherParameters},
			{Operation: "infer", Object: "inputs[0]", Wire: reflect.TypeFor[inferInput](), Others: otherInputMembers},
			{Operation: "infer", Object: "inputs[0].parameters", Wire: reflect.TypeFor[inferInputSettings](), Others: otherInputParameters},
			{Operation: "infer", Object: "outputs[0]", Wire: reflect.TypeFor[inferRequested](), Others: otherOutputMembers},
			{Operation: "infer", Object: "outputs[0].parameters", Wire: reflect.TypeFor[inferOutputSettings](), Others: otherOutputParameters},
		},
	}
}

func (h *handler) operations() []route.Operation {
	ops := []route.Operation{
		{
			Method: http.MethodGet, Path: "/v2", Name: "inferServer", Tag: route.TagInference, Summary: "Describe the server",
			Handle: h.describeServer, Answer: route.JSON[inferDescription](""),
		},
		{
			Method: http.MethodGet, Path: "/v2/health/live", Name: "inferLive", Open: true, Tag: route.TagInference, Summary: "Whether the process runs",
			Handle: h.live, Answer: route.JSON[liveBody](`{"live":true}`),
		},
		{
			Method: http.MethodGet, Path: "/v2/health/ready", Name: "inferReady", Open: true, Tag: route.TagInference, Summary: "Whether the server can answer requests",
			Handle: h.ready, Answer: route.JSON[readyBody](`{"ready":true}`), AlsoStatus: http.StatusServiceUnavailable,
		},
		{
			Method: http.MethodPost, Path: "/v2/repository/index", Name: "inferIndex", Tag: route.TagInference, Summary: "List the tasks of the store",
			Handle: h.repositoryIndex, Request: []route.Content{route.JSON[indexBody](`{"ready":true}`)}, BodyOptional: true,
			Answer: route.JSON[[]indexEntry](""), MayFail: append([]*route.Failure{route.Unavailable}, route.FailuresReading...),
		},
		{
			Method: http.MethodPost, Path: "/v2/repository/models/:task/load", Name: "inferLoad", Tag: route.TagInference, Summary: "Load a task into memory",
			Handle: h.load, Admin: true, Request: []route.Content{route.JSON[loadBody](`{}`)}, BodyOptional: true,
			Answer: route.JSON[noParameters](`{}`), MayFail: append([]*route.Failure{route.TaskUnusable}, route.FailuresChanging...),
		},
		{
			Method: http.MethodPost, Path: "/v2/repository/models/:task/unload", Name: "inferUnload", Tag: route.TagInference, Summary: "Unload a task from memory",
			Handle: h.unload, Admin: true, Request: []route.Content{route.JSON[wire.AnyBody](`{}`)}, BodyOptional: true,
			Answer: route.JSON[noParameters](`{}`), MayFail: route.FailuresChanging,
		},
	}
	for _, version := range []struct{ path, suffix string }{{"", ""}, {"/versions/:version", "Version"}} {
		model, pathValues := "/v2/models/:task"+version.path, map[string]string{"version": modelVersion}
		ops = append(ops, route.Operation{
			Method: http.MethodGet, Path: model, Name: "inferModel" + version.suffix, PathValues: pathValues, Tag: route.TagInference, Summary: "Inputs and outputs of a task",
			Handle: h.modelMetadata, Answer: route.JSON[inferModel](""), MayFail: []*route.Failure{route.NoSuchTask},
		}, route.Operation{
			Method: http.MethodGet, Path: model + "/ready", Name: "inferModelReady" + version.suffix, PathValues: pathValues, Tag: route.TagInference,
			Summary: "Whether the server can answer requests for the task, which need not be in memory",
			Handle:  h.modelReady, Answer: route.JSON[modelReadyBody](`{"name":"trec","ready":true}`), MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		}, route.Operation{
			Method: http.MethodPost, Path: model + "/infer", Name: "infer" + version.suffix, PathValues: pathValues, Tag: route.TagInference, Summary: "Classify",
			Description: "Each element of the tensor text is a text; text_pair has the same number of elements. The product of a tensor's shape must be the number of its elements. Requests and answers may use the binary tensor data extension.",
			Handle:      h.infer, ReportsCost: true, MayFail: route.FailuresClassifying,
			Request:      []route.Content{route.JSON[inferBody](inferExample), {Media: "application/octet-stream"}},
			Params:       []route.Parameter{{Name: headerLength, In: "header", Doc: "Length of the JSON in bytes; binary tensors follow it."}},
			BinaryAnswer: true,
			Answer:       route.JSON[inferredBody](`{"model_name":"trec","model_version":"1","outputs":[{"name":"label","datatype":"BYTES","shape":[1],"data":["LOC"]}]}`),
		})
	}
	return ops
}
