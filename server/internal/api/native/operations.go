// Package native is the native API: POST /classify, and the routes of tasks.
package native

import (
	"net/http"
	"reflect"
	"slices"

	"kenserve/server/internal/core"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// TasksPath is the path of the list of tasks.
const TasksPath = "/tasks"

// handler answers the operations of the API.
type handler struct {
	core    *core.Service
	editor  Editor
	tuner   Tuner         // nil: the server does not tune
	uploads chan struct{} // one element for each upload under way
}

// New returns the native API. tuner may be nil.
func New(service *core.Service, editor Editor, tuner Tuner) route.API {
	h := &handler{core: service, editor: editor, tuner: tuner, uploads: make(chan struct{}, maxUploads)}
	return route.API{
		EncodeError: encodeError, ErrorBody: reflect.TypeFor[nativeErrorBody](),
		Operations: slices.Concat(h.operations(), h.tuningOperations()),
		Members: []route.Members{
			{Operation: "classify", Object: "", Wire: reflect.TypeFor[classifyBody](), Others: otherMembers},
		},
	}
}

func (h *handler) operations() []route.Operation {
	return []route.Operation{
		{
			Method: http.MethodPost, Path: "/classify", Name: "classify", Tag: route.TagNative,
			Summary:     "Classify texts with one task or several",
			Description: "data has one entry for each input, with scores in descending order. If model is a list, a text is tokenised once for all tasks with the same tokenizer, the tasks run at the same time, and each entry maps tasks to their scores.",
			Handle:      h.classify, ReportsCost: true, MayFail: route.FailuresClassifying,
			Request: []route.Content{route.JSON[classifyBody](`{"model":"trec","input":["` + wire.ExampleText + `",{"text":"How far is it?","text_pair":"From Denver to Aspen."}],"top_k":2}`)},
			Answer:  route.JSON[classifyAnswer](`{"object":"classify","model":"trec","data":[[{"label":"LOC","score":0.9924}],[{"label":"NUM","score":0.9929}]],"usage":{"prompt_tokens":19,"total_tokens":19},"id":"bfd851f556713c31f8eb7ab5b8c7d212","created":1764000000}`),
		},
		{
			Method: http.MethodGet, Path: TasksPath, Name: "listTasks", Tag: route.TagTasks, Summary: "List the tasks of the store",
			Handle: h.listTasks, Params: []route.Parameter{{Name: "labels", In: "query", Doc: "If false, the answer has no labels.", Example: "true"}},
			Answer: route.JSON[taskList](""), MayFail: []*route.Failure{route.Unavailable},
		},
		{
			Method: http.MethodGet, Path: "/tasks/:name", Name: "getTask", Tag: route.TagTasks, Summary: "Describe a task",
			Handle: h.getTask, Answer: route.JSON[task](""), MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		},
		{
			Method: http.MethodPut, Path: "/tasks/:name", Name: "putTask", Tag: route.TagTasks,
			Summary:     "Upload a task, or replace it",
			Description: "The body is a delta file in either layout, or JSON that names a task of the store whose delta is copied. The whole delta is checked against the base before it replaces the old one. Requests under way finish with the old one.",
			Handle:      h.putTask, Admin: true, MayFail: route.FailuresChanging,
			Request: []route.Content{{Media: "application/octet-stream"}, route.JSON[sourceBody](`{"source":"trec"}`)},
			Answer:  route.JSON[task](""), AlsoStatus: http.StatusCreated,
		},
		{
			Method: http.MethodDelete, Path: "/tasks/:name", Name: "deleteTask", Tag: route.TagTasks, Summary: "Remove a task from the store and from memory",
			Handle: h.deleteTask, Admin: true, Status: http.StatusNoContent, MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		},
		{
			Method: http.MethodPost, Path: "/tasks/:name/load", Name: "loadTask", Tag: route.TagTasks, Summary: "Load a task into memory",
			Handle: h.loadTask, Admin: true, Answer: route.JSON[task](""), MayFail: []*route.Failure{route.NoSuchTask, route.TaskUnusable, route.Unavailable, route.Overloaded, route.NoSpace},
		},
		{
			Method: http.MethodPost, Path: "/tasks/:name/unload", Name: "unloadTask", Tag: route.TagTasks, Summary: "Unload a task from memory; the store keeps it",
			Handle: h.unloadTask, Admin: true, Answer: route.JSON[task](""), MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		},
	}
}
