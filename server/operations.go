package server

import (
	"net/http"
	"reflect"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/wire"
)

// operation is a route: what answers it, and what the OpenAPI document says of
// it. One table of them lays out the routes and makes the document, so that
// neither has what the other lacks.
type operation struct {
	method, path string // the path as gin writes it
	name         string // unique, for generated clients
	api          string // whose words it speaks
	summary      string
	description  string
	handle       func(c *gin.Context, state *core.RequestState) error
	raw          gin.HandlerFunc // instead of handle
	admin        bool            // needs the admin key
	hidden       bool            // a page, not in the document

	request  []content // what the body may be
	optional bool      // the body may be missing
	params   []parameter
	status   int     // of success; 0: 200
	also     int     // another one
	answer   content // empty: no body
	binary   bool    // the answer may be octets instead
	costs    bool    // the answer says what it cost
	mayFail  []int   // indexes of failures, below
}

// content is a body in one media type.
type content struct {
	media   string       // empty: JSON
	wire    reflect.Type // nil: octets or text
	example string       // JSON
}

// parameter is one that is not in the path.
type parameter struct {
	name, in, doc string
	example       string
}

func jsonContent[T any](example string) content {
	return content{wire: reflect.TypeFor[T](), example: example}
}

// failures are the problems that operations may have. Which status and body
// each is depends on the API.
var failures = []struct {
	problem problem.Problem
	doc     string
}{
	failBody:    {problem.Problem{Status: http.StatusBadRequest, Kind: problem.KindMalformed}, "not JSON, or not what the Content-Encoding says"},
	failEmpty:   {problem.Problem{Status: http.StatusBadRequest, Kind: problem.KindEmpty}, "an empty text or batch"},
	failSlow:    {problem.Problem{Status: http.StatusRequestTimeout, Kind: problem.KindTimeout}, "the body came too slowly"},
	failLarge:   {problem.Problem{Status: http.StatusRequestEntityTooLarge, Kind: problem.KindTooLarge}, "the body is over the limit, as sent or unpacked"},
	failPacking: {problem.Problem{Status: http.StatusUnsupportedMediaType, Kind: problem.KindEncoding}, "a Content-Encoding other than gzip and deflate"},
	failInvalid: {problem.Problem{Status: http.StatusUnprocessableEntity, Kind: problem.KindValidation}, "asks for something impossible"},
	failTask:    {problem.Problem{Status: http.StatusNotFound, Kind: problem.KindNotFound}, "no such task"},
	failDelta:   {problem.Problem{Status: http.StatusFailedDependency, Kind: problem.KindTask}, "the task's delta cannot be loaded"},
	failBusy:    {problem.Problem{Status: http.StatusTooManyRequests, Kind: problem.KindOverloaded}, "too much is waiting"},
	failFault:   {problem.Problem{Status: http.StatusInternalServerError, Kind: problem.KindInternal}, "a fault of the server; the log has it under the request's id"},
	failReady:   {problem.Problem{Status: http.StatusServiceUnavailable, Kind: problem.KindUnavailable}, "not ready, shutting down, or no answer in time"},
	failKey:     {problem.Problem{Status: http.StatusUnauthorized, Kind: problem.KindUnauthorized}, "no key, or a wrong one"},
	failAdmin:   {problem.Problem{Status: http.StatusForbidden, Kind: problem.KindForbidden}, "needs the admin key, or the store is read-only"},
}

// Indexes of failures.
const (
	failBody = iota
	failEmpty
	failSlow
	failLarge
	failPacking
	failInvalid
	failTask
	failDelta
	failBusy
	failFault
	failReady
	failKey
	failAdmin
)

// What operations of a kind have in common.
var (
	failsReading     = []int{failBody, failSlow, failLarge, failPacking, failInvalid, failBusy}
	failsClassifying = append(failsReading[:len(failsReading):len(failsReading)], failTask, failDelta, failReady)
	failsDrawing     = []int{failInvalid, failTask, failDelta, failBusy, failReady}
	failsChanging    = append(failsReading[:len(failsReading):len(failsReading)], failTask, failReady)
)

// The APIs, as the document names them.
const (
	apiNative    = "kenserve"
	apiTasks     = "Tasks"
	apiTEI       = "Text Embeddings Inference"
	apiHF        = "Hugging Face"
	apiVLLM      = "vLLM"
	apiInference = "Open Inference Protocol"
	apiOperation = "Operations"
)

// operations is the table.
func (s *Server) operations() []operation {
	const (
		get, post = http.MethodGet, http.MethodPost
		question  = "Where is the Eiffel Tower?"
	)
	inferExample := `{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["` + question + `"]}]}`
	ops := []operation{
		{
			method: post, path: "/classify", name: "classify", api: apiNative,
			summary:     "Classify texts with one task or several",
			description: "Scores fall. With a list of tasks the texts are tokenised once, the tasks run side by side, and each entry of data is an object from task to its scores.",
			handle:      s.classify, costs: true, mayFail: failsClassifying,
			request: []content{jsonContent[classifyBody](`{"model":"trec","input":["` + question + `",{"text":"How far is it?","text_pair":"From Denver to Aspen."}],"top_k":2}`)},
			answer:  jsonContent[classifyAnswer](`{"object":"classify","model":"trec","data":[[{"label":"LOC","score":0.9924}],[{"label":"NUM","score":0.9929}]],"usage":{"prompt_tokens":19,"total_tokens":19},"id":"bfd851f556713c31f8eb7ab5b8c7d212","created":1764000000}`),
		},
		{
			method: get, path: routeTasks, name: "listTasks", api: apiTasks, summary: "The tasks of the store",
			handle: s.listTasks, params: []parameter{{"labels", "query", "With false labels are left out.", "true"}},
			answer: jsonContent[taskList](""), mayFail: []int{failReady},
		},
		{
			method: get, path: "/tasks/:name", name: "getTask", api: apiTasks, summary: "One task",
			handle: s.getTask, answer: jsonContent[task](""), mayFail: []int{failTask},
		},
		{
			method: http.MethodPut, path: "/tasks/:name", name: "putTask", api: apiTasks,
			summary:     "Upload a task, or replace it",
			description: "The body is a delta file in either layout or, as JSON, names a task of the store whose delta is copied. The delta is checked whole against the base before it takes the old one's place; requests under way finish on the old one.",
			handle:      s.putTask, admin: true, mayFail: failsChanging,
			request: []content{{media: "application/octet-stream"}, jsonContent[sourceBody](`{"source":"trec"}`)},
			answer:  jsonContent[task](""), also: http.StatusCreated,
		},
		{
			method: http.MethodDelete, path: "/tasks/:name", name: "deleteTask", api: apiTasks, summary: "Take a task out of the store and out of memory",
			handle: s.deleteTask, admin: true, status: http.StatusNoContent, mayFail: []int{failTask, failReady},
		},
		{
			method: post, path: "/tasks/:name/load", name: "loadTask", api: apiTasks, summary: "Bring a task into memory",
			handle: s.loadTask, admin: true, answer: jsonContent[task](""), mayFail: []int{failTask, failDelta, failReady, failBusy},
		},
		{
			method: post, path: "/tasks/:name/unload", name: "unloadTask", api: apiTasks, summary: "Take a task out of memory; it stays in the store",
			handle: s.unloadTask, admin: true, answer: jsonContent[task](""), mayFail: []int{failTask, failReady},
		},
		{
			method: get, path: "/tasks/:name/viz", name: "vizTask", api: apiTasks, summary: "What a task keeps, as one page",
			description: "KENviz: HTML with all views of the delta, which needs nothing else. It loads a task that is not in memory.",
			handle:      s.getViz, answer: content{media: "text/html"}, mayFail: failsDrawing,
		},
		{
			method: get, path: "/tasks/:name/viz/:view", name: "vizView", api: apiTasks, summary: "One view of what a task keeps",
			description: "view is changes, density, kept, layers, neighbours or shares, and a format: .png, .svg, or .json for the numbers.",
			handle:      s.getVizView, params: vizParameters, answer: content{media: "image/png"}, mayFail: failsDrawing,
		},
		{
			method: get, path: routeHealth, name: "health", api: apiOperation, summary: "Whether the process runs",
			handle: s.health, answer: jsonContent[statusBody](`{"status":"ok"}`),
		},
		{
			method: get, path: routeReady, name: "ready", api: apiOperation, summary: "Whether requests can be answered",
			handle: s.ready, answer: jsonContent[statusBody](`{"status":"ready"}`), mayFail: []int{failReady},
		},
		{
			method: get, path: routeMetrics, name: "metrics", api: apiOperation, summary: "Metrics for Prometheus",
			raw: gin.WrapH(s.metrics.handler(s.options.Logger)), answer: content{media: "text/plain"},
		},
		{
			method: get, path: routeOpenAPI, name: "openapi", api: apiOperation, summary: "This document",
			handle: s.openAPI, answer: jsonContent[wire.AnyBody](""),
		},
		{
			method: get, path: routeStats, name: "stats", api: apiOperation, summary: "The last two minutes, second by second",
			handle: s.getStats, answer: jsonContent[stats](""),
		},
		{method: get, path: routeDocs, handle: s.docs, hidden: true},
		{method: get, path: routePage, handle: s.getPage, hidden: true},
		{method: get, path: routePageFile, handle: s.getPage, hidden: true},

		{
			method: post, path: "/tei/:task/predict", name: "teiPredict", api: apiTEI, summary: "Classify",
			description: "A list of one or two texts is one text or one pair; a batch is a list of such lists.",
			handle:      s.teiPredict, costs: true, mayFail: append([]int{failEmpty}, failsClassifying...),
			request: []content{jsonContent[teiBody](`{"inputs":[["` + question + `"],["How far is it?","From Denver to Aspen."]],"truncate":true}`)},
			answer:  jsonContent[teiAnswer](`[[{"score":0.9924,"label":"LOC"}],[{"score":0.9929,"label":"NUM"}]]`),
		},
		{
			method: get, path: "/tei/:task/info", name: "teiInfo", api: apiTEI, summary: "Limits and labels; loads a task that was never used",
			handle: s.teiInfo, answer: jsonContent[teiModel](""), mayFail: []int{failTask, failDelta, failBusy, failReady},
		},
		{
			method: get, path: routeTEIHealth, name: "teiHealth", api: apiTEI, summary: "Whether requests for the task can be answered",
			handle: s.teiHealth, mayFail: []int{failTask, failReady},
		},

		{
			method: post, path: "/models/:task", name: "hfClassify", api: apiHF, summary: "Classify",
			handle: s.hfClassify, costs: true, mayFail: failsClassifying,
			request: []content{jsonContent[hfBody](`{"inputs":"` + question + `","parameters":{"top_k":2,"function_to_apply":"softmax"}}`)},
			answer:  jsonContent[[][]wire.Score](`[[{"label":"LOC","score":0.9924},{"label":"ENTY","score":0.0021}]]`),
		},
		{
			method: post, path: "/vllm/classify", name: "vllmClassify", api: apiVLLM, summary: "Classify",
			handle: s.vllmClassify, costs: true, mayFail: failsClassifying,
			request: []content{jsonContent[vllmBody](`{"model":"trec","input":["` + question + `"]}`)},
			answer:  jsonContent[vllmAnswer](`{"id":"classify-68fcf3cc51e13307eedc7999e81e7268","object":"list","created":1764000000,"model":"sst2","data":[{"index":0,"label":"positive","probs":[0.005,0.995],"num_classes":2}],"usage":{"prompt_tokens":9,"total_tokens":9,"completion_tokens":0,"prompt_tokens_details":null}}`),
		},

		{
			method: get, path: "/v2", name: "inferServer", api: apiInference, summary: "Name, version, extensions",
			handle: s.inferServer, answer: jsonContent[inferDescription](""),
		},
		{
			method: get, path: routeLive, name: "inferLive", api: apiInference, summary: "Whether the process runs",
			handle: s.inferLive, answer: jsonContent[liveBody](`{"live":true}`),
		},
		{
			method: get, path: routeInferReady, name: "inferReady", api: apiInference, summary: "Whether requests can be answered",
			handle: s.inferReady, answer: jsonContent[readyBody](`{"ready":true}`), also: http.StatusServiceUnavailable,
		},
		{
			method: post, path: "/v2/repository/index", name: "inferIndex", api: apiInference, summary: "The tasks of the store",
			handle: s.inferIndex, request: []content{jsonContent[indexBody](`{"ready":true}`)}, optional: true,
			answer: jsonContent[[]indexEntry](""), mayFail: append([]int{failReady}, failsReading...),
		},
		{
			method: post, path: "/v2/repository/models/:task/load", name: "inferLoad", api: apiInference, summary: "Bring a task into memory",
			handle: s.inferLoad, admin: true, request: []content{jsonContent[loadBody](`{}`)}, optional: true,
			answer: jsonContent[noParameters](`{}`), mayFail: append([]int{failDelta}, failsChanging...),
		},
		{
			method: post, path: "/v2/repository/models/:task/unload", name: "inferUnload", api: apiInference, summary: "Take a task out of memory",
			handle: s.inferUnload, admin: true, request: []content{jsonContent[wire.AnyBody](`{}`)}, optional: true,
			answer: jsonContent[noParameters](`{}`), mayFail: failsChanging,
		},
	}
	for _, version := range []struct{ path, suffix string }{{"", ""}, {"/versions/:version", "Version"}} {
		model := "/v2/models/:task" + version.path
		ops = append(ops, operation{
			method: get, path: model, name: "inferModel" + version.suffix, api: apiInference, summary: "Inputs and outputs of a task",
			handle: s.inferModel, answer: jsonContent[inferModel](""), mayFail: []int{failTask},
		}, operation{
			method: get, path: model + "/ready", name: "inferModelReady" + version.suffix, api: apiInference,
			summary: "Whether requests for the task can be answered; it need not be in memory",
			handle:  s.inferModelReady, answer: jsonContent[modelReadyBody](`{"name":"trec","ready":true}`), mayFail: []int{failTask, failReady},
		}, operation{
			method: post, path: model + "/infer", name: "infer" + version.suffix, api: apiInference, summary: "Classify",
			description: "The elements of text are the texts. The product of a tensor's shape is the number of its elements, and text_pair has as many as text. The binary tensor data extension works both ways.",
			handle:      s.infer, costs: true, mayFail: failsClassifying,
			request: []content{jsonContent[inferBody](inferExample), {media: "application/octet-stream"}},
			params:  []parameter{{headerLength, "header", "Bytes of the body that are JSON; binary tensors follow.", ""}},
			binary:  true,
			answer:  jsonContent[inferredBody](`{"model_name":"trec","model_version":"1","outputs":[{"name":"label","datatype":"BYTES","shape":[1],"data":["LOC"]}]}`),
		})
	}
	return ops
}
