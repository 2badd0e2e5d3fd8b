package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// failuresDrawing are those of KENviz.
var failuresDrawing = []*route.Failure{route.InvalidValue, route.NoSuchTask, route.TaskUnusable, route.Overloaded, route.Unavailable}

// operations is the table.
func (s *Server) operations() []route.Operation {
	const (
		get, post = http.MethodGet, http.MethodPost
		question  = "Where is the Eiffel Tower?"
	)
	inferExample := `{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["` + question + `"]}]}`
	ops := []route.Operation{
		{
			Method: post, Path: "/classify", Name: "classify", Tag: route.TagNative,
			Summary:     "Classify texts with one task or several",
			Description: "Scores fall. With a list of tasks the texts are tokenised once, the tasks run side by side, and each entry of data is an object from task to its scores.",
			Handle:      s.classify, ReportsCost: true, MayFail: route.FailuresClassifying,
			Request: []route.Content{route.JSON[classifyBody](`{"model":"trec","input":["` + question + `",{"text":"How far is it?","text_pair":"From Denver to Aspen."}],"top_k":2}`)},
			Answer:  route.JSON[classifyAnswer](`{"object":"classify","model":"trec","data":[[{"label":"LOC","score":0.9924}],[{"label":"NUM","score":0.9929}]],"usage":{"prompt_tokens":19,"total_tokens":19},"id":"bfd851f556713c31f8eb7ab5b8c7d212","created":1764000000}`),
		},
		{
			Method: get, Path: routeTasks, Name: "listTasks", Tag: route.TagTasks, Summary: "The tasks of the store",
			Handle: s.listTasks, Params: []route.Parameter{{Name: "labels", In: "query", Doc: "With false labels are left out.", Example: "true"}},
			Answer: route.JSON[taskList](""), MayFail: []*route.Failure{route.Unavailable},
		},
		{
			Method: get, Path: "/tasks/:name", Name: "getTask", Tag: route.TagTasks, Summary: "One task",
			Handle: s.getTask, Answer: route.JSON[task](""), MayFail: []*route.Failure{route.NoSuchTask},
		},
		{
			Method: http.MethodPut, Path: "/tasks/:name", Name: "putTask", Tag: route.TagTasks,
			Summary:     "Upload a task, or replace it",
			Description: "The body is a delta file in either layout or, as JSON, names a task of the store whose delta is copied. The delta is checked whole against the base before it takes the old one's place; requests under way finish on the old one.",
			Handle:      s.putTask, Admin: true, MayFail: route.FailuresChanging,
			Request: []route.Content{{Media: "application/octet-stream"}, route.JSON[sourceBody](`{"source":"trec"}`)},
			Answer:  route.JSON[task](""), AlsoStatus: http.StatusCreated,
		},
		{
			Method: http.MethodDelete, Path: "/tasks/:name", Name: "deleteTask", Tag: route.TagTasks, Summary: "Take a task out of the store and out of memory",
			Handle: s.deleteTask, Admin: true, Status: http.StatusNoContent, MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		},
		{
			Method: post, Path: "/tasks/:name/load", Name: "loadTask", Tag: route.TagTasks, Summary: "Bring a task into memory",
			Handle: s.loadTask, Admin: true, Answer: route.JSON[task](""), MayFail: []*route.Failure{route.NoSuchTask, route.TaskUnusable, route.Unavailable, route.Overloaded},
		},
		{
			Method: post, Path: "/tasks/:name/unload", Name: "unloadTask", Tag: route.TagTasks, Summary: "Take a task out of memory; it stays in the store",
			Handle: s.unloadTask, Admin: true, Answer: route.JSON[task](""), MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		},
		{
			Method: get, Path: "/tasks/:name/viz", Name: "vizTask", Tag: route.TagTasks, Summary: "What a task keeps, as one page",
			Description: "KENviz: HTML with all views of the delta, which needs nothing else. It loads a task that is not in memory.",
			Handle:      s.getViz, Answer: route.Content{Media: "text/html"}, MayFail: failuresDrawing,
		},
		{
			Method: get, Path: "/tasks/:name/viz/:view", Name: "vizView", Tag: route.TagTasks, Summary: "One view of what a task keeps",
			Description: "view is changes, density, kept, layers, neighbours or shares, and a format: .png, .svg, or .json for the numbers.",
			Handle:      s.getVizView, Params: vizParameters, Answer: route.Content{Media: "image/png"}, MayFail: failuresDrawing,
		},
		{
			Method: get, Path: routeHealth, Name: "health", Open: true, Tag: route.TagOperation, Summary: "Whether the process runs",
			Handle: s.health, Answer: route.JSON[statusBody](`{"status":"ok"}`),
		},
		{
			Method: get, Path: routeReady, Name: "ready", Open: true, Tag: route.TagOperation, Summary: "Whether requests can be answered",
			Handle: s.ready, Answer: route.JSON[statusBody](`{"status":"ready"}`), MayFail: []*route.Failure{route.Unavailable},
		},
		{
			Method: get, Path: routeMetrics, Name: "metrics", Polled: true, Tag: route.TagOperation, Summary: "Metrics for Prometheus",
			Raw: gin.WrapH(s.metrics.handler(s.options.Logger)), Answer: route.Content{Media: "text/plain"},
		},
		{
			Method: get, Path: routeOpenAPI, Name: "openapi", Open: true, Tag: route.TagOperation, Summary: "This document",
			Handle: s.openAPI, Answer: route.JSON[wire.AnyBody](""),
		},
		{
			Method: get, Path: routeStats, Name: "stats", Polled: true, Tag: route.TagOperation, Summary: "The last two minutes, second by second",
			Handle: s.getStats, Answer: route.JSON[stats](""),
		},
		{Method: get, Path: routeDocs, Open: true, Handle: s.docs, Hidden: true},
		{Method: get, Path: routePage, Open: true, Handle: s.getPage, Hidden: true},
		{Method: get, Path: routePageFile, Open: true, Handle: s.getPage, Hidden: true},

		{
			Method: post, Path: "/tei/:task/predict", Name: "teiPredict", Tag: route.TagTEI, Summary: "Classify",
			Description: "A list of one or two texts is one text or one pair; a batch is a list of such lists.",
			Handle:      s.teiPredict, ReportsCost: true, MayFail: append([]*route.Failure{route.EmptyText}, route.FailuresClassifying...),
			Request: []route.Content{route.JSON[teiBody](`{"inputs":[["` + question + `"],["How far is it?","From Denver to Aspen."]],"truncate":true}`)},
			Answer:  route.JSON[teiAnswer](`[[{"score":0.9924,"label":"LOC"}],[{"score":0.9929,"label":"NUM"}]]`),
		},
		{
			Method: get, Path: "/tei/:task/info", Name: "teiInfo", Tag: route.TagTEI, Summary: "Limits and labels; loads a task that was never used",
			Handle: s.teiInfo, Answer: route.JSON[teiModel](""), MayFail: []*route.Failure{route.NoSuchTask, route.TaskUnusable, route.Overloaded, route.Unavailable},
		},
		{
			Method: get, Path: routeTEIHealth, Name: "teiHealth", Open: true, Tag: route.TagTEI, Summary: "Whether requests for the task can be answered",
			Handle: s.teiHealth, MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		},

		{
			Method: post, Path: "/models/:task", Name: "hfClassify", Tag: route.TagHuggingFace, Summary: "Classify",
			Handle: s.hfClassify, ReportsCost: true, MayFail: route.FailuresClassifying,
			Request: []route.Content{route.JSON[hfBody](`{"inputs":"` + question + `","parameters":{"top_k":2,"function_to_apply":"softmax"}}`)},
			Answer:  route.JSON[[][]wire.Score](`[[{"label":"LOC","score":0.9924},{"label":"ENTY","score":0.0021}]]`),
		},
		{
			Method: post, Path: "/vllm/classify", Name: "vllmClassify", Tag: route.TagVLLM, Summary: "Classify",
			Handle: s.vllmClassify, ReportsCost: true, MayFail: route.FailuresClassifying,
			Request: []route.Content{route.JSON[vllmBody](`{"model":"trec","input":["` + question + `"]}`)},
			Answer:  route.JSON[vllmAnswer](`{"id":"classify-68fcf3cc51e13307eedc7999e81e7268","object":"list","created":1764000000,"model":"sst2","data":[{"index":0,"label":"positive","probs":[0.005,0.995],"num_classes":2}],"usage":{"prompt_tokens":9,"total_tokens":9,"completion_tokens":0,"prompt_tokens_details":null}}`),
		},

		{
			Method: get, Path: "/v2", Name: "inferServer", Tag: route.TagInference, Summary: "Name, version, extensions",
			Handle: s.inferServer, Answer: route.JSON[inferDescription](""),
		},
		{
			Method: get, Path: routeLive, Name: "inferLive", Open: true, Tag: route.TagInference, Summary: "Whether the process runs",
			Handle: s.inferLive, Answer: route.JSON[liveBody](`{"live":true}`),
		},
		{
			Method: get, Path: routeInferReady, Name: "inferReady", Open: true, Tag: route.TagInference, Summary: "Whether requests can be answered",
			Handle: s.inferReady, Answer: route.JSON[readyBody](`{"ready":true}`), AlsoStatus: http.StatusServiceUnavailable,
		},
		{
			Method: post, Path: "/v2/repository/index", Name: "inferIndex", Tag: route.TagInference, Summary: "The tasks of the store",
			Handle: s.inferIndex, Request: []route.Content{route.JSON[indexBody](`{"ready":true}`)}, BodyOptional: true,
			Answer: route.JSON[[]indexEntry](""), MayFail: append([]*route.Failure{route.Unavailable}, route.FailuresReading...),
		},
		{
			Method: post, Path: "/v2/repository/models/:task/load", Name: "inferLoad", Tag: route.TagInference, Summary: "Bring a task into memory",
			Handle: s.inferLoad, Admin: true, Request: []route.Content{route.JSON[loadBody](`{}`)}, BodyOptional: true,
			Answer: route.JSON[noParameters](`{}`), MayFail: append([]*route.Failure{route.TaskUnusable}, route.FailuresChanging...),
		},
		{
			Method: post, Path: "/v2/repository/models/:task/unload", Name: "inferUnload", Tag: route.TagInference, Summary: "Take a task out of memory",
			Handle: s.inferUnload, Admin: true, Request: []route.Content{route.JSON[wire.AnyBody](`{}`)}, BodyOptional: true,
			Answer: route.JSON[noParameters](`{}`), MayFail: route.FailuresChanging,
		},
	}
	for _, version := range []struct{ path, suffix string }{{"", ""}, {"/versions/:version", "Version"}} {
		model := "/v2/models/:task" + version.path
		ops = append(ops, route.Operation{
			Method: get, Path: model, Name: "inferModel" + version.suffix, Tag: route.TagInference, Summary: "Inputs and outputs of a task",
			Handle: s.inferModel, Answer: route.JSON[inferModel](""), MayFail: []*route.Failure{route.NoSuchTask},
		}, route.Operation{
			Method: get, Path: model + "/ready", Name: "inferModelReady" + version.suffix, Tag: route.TagInference,
			Summary: "Whether requests for the task can be answered; it need not be in memory",
			Handle:  s.inferModelReady, Answer: route.JSON[modelReadyBody](`{"name":"trec","ready":true}`), MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		}, route.Operation{
			Method: post, Path: model + "/infer", Name: "infer" + version.suffix, Tag: route.TagInference, Summary: "Classify",
			Description: "The elements of text are the texts. The product of a tensor's shape is the number of its elements, and text_pair has as many as text. The binary tensor data extension works both ways.",
			Handle:      s.infer, ReportsCost: true, MayFail: route.FailuresClassifying,
			Request:      []route.Content{route.JSON[inferBody](inferExample), {Media: "application/octet-stream"}},
			Params:       []route.Parameter{{Name: headerLength, In: "header", Doc: "Bytes of the body that are JSON; binary tensors follow."}},
			BinaryAnswer: true,
			Answer:       route.JSON[inferredBody](`{"model_name":"trec","model_version":"1","outputs":[{"name":"label","datatype":"BYTES","shape":[1],"data":["LOC"]}]}`),
		})
	}
	return ops
}
