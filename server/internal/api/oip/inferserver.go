package oip

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// What the Open Inference Protocol tells of the server and of its tasks, over
// REST, and its repository of models.

// name is what the protocol calls the server, and the platform of a task.
const name = "kenserve"

var extensions = []string{"binary_tensor_data", "classification", "model_repository"}

// inferDescription describes the server.
type inferDescription struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Extensions []string `json:"extensions"`
}

// What probes answer.
type (
	liveBody struct {
		Live bool `json:"live"`
	}
	readyBody struct {
		Ready bool `json:"ready"`
	}
	modelReadyBody struct {
		Name  string `json:"name"`
		Ready bool   `json:"ready"`
	}
)

func (h *handler) describeServer(c *gin.Context, _ *core.RequestState) error {
	return route.Marshal(c, inferDescription{name, h.core.About.Version, extensions})
}

func (h *handler) live(c *gin.Context, _ *core.RequestState) error {
	return route.Marshal(c, liveBody{true})
}

// ready answers with 503 and {"ready": false} when it is not, which is no
// error for a client.
func (h *handler) ready(c *gin.Context, state *core.RequestState) error {
	if err := h.core.Ready(); err != nil {
		state.Problem = core.ProblemOf(c.Request.Context(), err)
		route.WriteJSON(c, http.StatusServiceUnavailable, []byte(`{"ready":false}`+"\n"))
		return nil
	}
	return route.Marshal(c, readyBody{true})
}

// inferModel describes a task.
type inferModel struct {
	Name     string          `json:"name"`
	Versions []string        `json:"versions"`
	Platform string          `json:"platform"`
	Inputs   []inferMetadata `json:"inputs"`
	Outputs  []inferMetadata `json:"outputs"`
}

type inferMetadata struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"` // -1: any size
}

// model fails unless there is a task of that name and version, empty for any.
func (h *handler) model(task, version string) error {
	if err := h.core.Known(task); err != nil {
		return err
	}
	if version != "" && version != Version {
		return &problem.Problem{
			Status: http.StatusNotFound, Kind: problem.KindNotFound,
			Message: "there is no version " + problem.Quote(version) + " of a task, the only one is " + Version,
		}
	}
	return nil
}

// describe makes a task's metadata. The number of labels is -1 until the task
// was loaded once.
func (h *handler) describe(task string) *inferModel {
	labels := int64(-1)
	if info, _ := h.core.Engine.Task(task); info.Labels != nil {
		labels = int64(len(info.Labels))
	}
	return &inferModel{
		Name: task, Versions: []string{Version}, Platform: name,
		Inputs: []inferMetadata{{"text", "BYTES", []int64{-1}}},
		Outputs: []inferMetadata{
			{outLabel, "BYTES", []int64{-1}},
			{outScore, "FP32", []int64{-1}},
			{outProbabilities, "FP32", []int64{-1, labels}},
		},
	}
}

func (h *handler) inferModel(c *gin.Context, _ *core.RequestState) error {
	if err := h.model(c.Param("task"), c.Param("version")); err != nil {
		return err
	}
	return route.Marshal(c, h.describe(c.Param("task")))
}

// modelReady answers for a task that there is as for the server: a task
// that is not in memory is loaded by the first request for it.
func (h *handler) modelReady(c *gin.Context, _ *core.RequestState) error {
	task := c.Param("task")
	if err := h.model(task, c.Param("version")); err != nil {
		return err
	}
	if err := h.core.Ready(); err != nil {
		return err
	}
	return route.Marshal(c, modelReadyBody{task, true})
}

// indexEntry is a task in the repository's index.
type indexEntry struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

// index lists the tasks: READY those in memory, UNAVAILABLE the others, which
// the first request loads.
func (h *handler) index(loaded bool) ([]indexEntry, error) {
	infos, err := h.core.Engine.Tasks()
	if err != nil {
		return nil, problem.Unavailable(err, "the store cannot be read")
	}
	out := []indexEntry{}
	for _, info := range infos {
		e := indexEntry{info.Name, Version, "READY", ""}
		if info.Residency == runtime.Cold {
			if loaded {
				continue
			}
			e.State, e.Reason = "UNAVAILABLE", "not in memory, loaded when asked for"
		}
		out = append(out, e)
	}
	return out, nil
}

// indexBody is what a request for the index may be.
type indexBody struct {
	_     struct{} `additionalProperties:"true"`
	Ready *bool    `json:"ready,omitempty" nullable:"true" doc:"Only tasks that are in memory."`
}

// loadBody is what a request to load a task may be.
type loadBody struct {
	_          struct{}                    `additionalProperties:"true"`
	Parameters wire.Optional[noParameters] `json:"parameters,omitempty" doc:"Without members: a task is loaded from the store, as it is."`
}

type noParameters struct{}

type controlParser struct {
	wire.Parser
	ready      bool // of a request for the index
	parameters int  // how many
}

var (
	indexObject = jsonbody.NewObject[indexBody](map[string]func(p *controlParser, at problem.Path){
		"ready": func(p *controlParser, at problem.Path) { p.ready = p.Bool(at, false) },
	})
	loadObject = jsonbody.NewObject[loadBody](map[string]func(p *controlParser, at problem.Path){
		"parameters": func(p *controlParser, at problem.Path) { readSettings(countedObject{}, p, at) },
	})
	unloadObject = jsonbody.NewObject[wire.AnyBody](map[string]func(p *controlParser, at problem.Path){})
)

// countedObject counts the members of an object.
type countedObject struct{}

func (countedObject) Read(p *controlParser, at problem.Path) {
	if p.Peek() != '{' {
		p.Skip()
		p.Reject(at, "must be a JSON object")
		return
	}
	for range p.Members {
		p.Skip()
		p.parameters++
	}
}

// repositoryIndex answers POST /v2/repository/index. The body may be empty.
func (h *handler) repositoryIndex(c *gin.Context, _ *core.RequestState) error {
	p, err := h.readControl(c, indexObject)
	if err != nil {
		return err
	}
	entries, err := h.index(p.ready)
	if err != nil {
		return err
	}
	return route.Marshal(c, entries)
}

// readControl reads a body that may be empty, and is an object if it is not.
func (h *handler) readControl(c *gin.Context, object *jsonbody.Object[*controlParser]) (*controlParser, error) {
	mem := httpbody.NewBuffers(h.core.Bodies)
	defer mem.Release()
	body, err := mem.Read(c.Request, h.core.Limits.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	p := &controlParser{Parser: wire.NewParser(body, h.core.Limits)}
	if body == "" {
		return p, nil
	}
	object.Read(p, problem.Path{})
	return p, p.Finish()
}

// load answers POST /v2/repository/models/{task}/load.
func (h *handler) load(c *gin.Context, state *core.RequestState) error {
	p, err := h.readControl(c, loadObject)
	if err != nil {
		return err
	}
	if p.parameters > 0 {
		return noLoadParameters()
	}
	return h.move(c, state, core.Engine.Load)
}

// noLoadParameters: Triton takes configurations and files of models with a
// request to load one. To ignore them would be to load another model.
func noLoadParameters() error {
	return problem.Invalid(problem.Field("parameters"), "must be empty: a task is loaded from the store, as it is")
}

// unload answers POST /v2/repository/models/{task}/unload. Its parameters
// are about models that depend on others, which tasks do not.
func (h *handler) unload(c *gin.Context, state *core.RequestState) error {
	if _, err := h.readControl(c, unloadObject); err != nil {
		return err
	}
	return h.move(c, state, core.Engine.Unload)
}

func (h *handler) move(c *gin.Context, state *core.RequestState, move func(core.Engine, context.Context, string) error) error {
	if err := h.core.Move(c.Request.Context(), state, c.Param("task"), problem.Field("task"), move); err != nil {
		return err
	}
	route.WriteJSON(c, http.StatusOK, []byte("{}\n"))
	return nil
}
