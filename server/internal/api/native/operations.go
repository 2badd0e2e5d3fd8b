package native

import (
	"net/http"
	"reflect"

	"kenserve/server/internal/core"
	"kenserve/server/internal/route"
)

const question = "Where is the Eiffel Tower?" // of examples

// TasksPath lists the tasks.
const TasksPath = "/tasks"

// handler answers the operations.
type handler struct {
	core    *core.Service
	editor  Editor
	uploads chan struct{} // an element for each upload under way
}

// New returns the API.
func New(service *core.Service, editor Editor) route.API {
	h := &handler{core: service, editor: editor, uploads: make(chan struct{}, maxUploads)}
	return route.API{
		Prefix: "", EncodeError: encodeError, ErrorBody: reflect.TypeFor[nativeErrorBody](),
		Operations: h.operations(),
	}
}

func (h *handler) operations() []route.Operation {
	return []route.Operation{
		{
			Method: http.MethodPost, Path: "/classify", Name: "classify", Tag: route.TagNative,
			Summary:     "Classify texts with one task or several",
			Description: "Scores fall. With a list of tasks the texts are tokenised once, the tasks run side by side, and each entry of data is an object from task to its scores.",
			Handle:      h.classify, ReportsCost: true, MayFail: route.FailuresClassifying,
			Request: []route.Content{route.JSON[classifyBody](`{"model":"trec","input":["` + question + `",{"text":"How far is it?","text_pair":"From Denver to Aspen."}],"top_k":2}`)},
			Answer:  route.JSON[classifyAnswer](`{"object":"classify","model":"trec","data":[[{"label":"LOC","score":0.9924}],[{"label":"NUM","score":0.9929}]],"usage":{"prompt_tokens":19,"total_tokens":19},"id":"bfd851f556713c31f8eb7ab5b8c7d212","created":1764000000}`),
		},
		{
			Method: http.MethodGet, Path: TasksPath, Name: "listTasks", Tag: route.TagTasks, Summary: "The tasks of the store",
			Handle: h.listTasks, Params: []route.Parameter{{Name: "labels", In: "query", Doc: "With false labels are left out.", Example: "true"}},
			Answer: route.JSON[taskList](""), MayFail: []*route.Failure{route.Unavailable},
		},
		{
			Method: http.MethodGet, Path: "/tasks/:name", Name: "getTask", Tag: route.TagTasks, Summary: "One task",
			Handle: h.getTask, Answer: route.JSON[task](""), MayFail: []*route.Failure{route.NoSuchTask},
		},
		{
			Method: http.MethodPut, Path: "/tasks/:name", Name: "putTask", Tag: route.TagTasks,
			Summary:     "Upload a task, or replace it",
			Description: "The body is a delta file in either layout or, as JSON, names a task of the store whose delta is copied. The delta is checked whole against the base before it takes the old one's place; requests under way finish on the old one.",
			Handle:      h.putTask, Admin: true, MayFail: route.FailuresChanging,
			Request: []route.Content{{Media: "application/octet-stream"}, route.JSON[sourceBody](`{"source":"trec"}`)},
			Answer:  route.JSON[task](""), AlsoStatus: http.StatusCreated,
		},
		{
			Method: http.MethodDelete, Path: "/tasks/:name", Name: "deleteTask", Tag: route.TagTasks, Summary: "Take a task out of the store and out of memory",
			Handle: h.deleteTask, Admin: true, Status: http.StatusNoContent, MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		},
		{
			Method: http.MethodPost, Path: "/tasks/:name/load", Name: "loadTask", Tag: route.TagTasks, Summary: "Bring a task into memory",
			Handle: h.loadTask, Admin: true, Answer: route.JSON[task](""), MayFail: []*route.Failure{route.NoSuchTask, route.TaskUnusable, route.Unavailable, route.Overloaded},
		},
		{
			Method: http.MethodPost, Path: "/tasks/:name/unload", Name: "unloadTask", Tag: route.TagTasks, Summary: "Take a task out of memory; it stays in the store",
			Handle: h.unloadTask, Admin: true, Answer: route.JSON[task](""), MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		},
	}
}
