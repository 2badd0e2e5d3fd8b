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

// indexEntry is the wire type of a task in the index of the repository.
type indexEntry struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

// index lists the tasks of the store. Tasks in memory are READY. The others are
// UNAVAILABLE: the first request loads them. onlyReady leaves them out.
func (h *handler) index(onlyReady bool) ([]indexEntry, error) {
	infos, err := h.core.Engine.Tasks()
	if err != nil {
		return nil, problem.Unavailable(err, "the store cannot be read")
	}
	out := []indexEntry{}
	for _, info := range infos {
		e := indexEntry{info.Name, modelVersion, "READY", ""}
		if info.Residency == runtime.Cold {
			if onlyReady {
				continue
			}
			e.State, e.Reason = "UNAVAILABLE", "not in memory, the first request loads it"
		}
		out = append(out, e)
	}
	return out, nil
}

// indexBody is the wire type of a request for the index.
type indexBody struct {
	_     struct{} `additionalProperties:"true"`
	Ready *bool    `json:"ready,omitempty" nullable:"true" doc:"List only tasks that are in memory."`
}

// loadBody is the wire type of a request to load a task.
type loadBody struct {
	_          struct{}                    `additionalProperties:"true"`
	Parameters wire.Optional[noParameters] `json:"parameters,omitempty" doc:"Must be empty: the task is loaded from the store without changes."`
}

// noParameters is an empty object.
type noParameters struct{}

// controlParser reads the bodies of the repository's requests.
type controlParser struct {
	wire.Parser
	ready      bool // the member ready
	parameters int  // number of members of parameters
}

// The objects of requests.
var (
	indexObject = jsonbody.NewObject[indexBody](map[string]func(p *controlParser, at problem.Path){
		"ready": func(p *controlParser, at problem.Path) { p.ready = p.Bool(at, false) },
	})
	loadObject = jsonbody.NewObject[loadBody](map[string]func(p *controlParser, at problem.Path){
		"parameters": func(p *controlParser, at problem.Path) { p.countParameters(at) },
	})
	unloadObject = jsonbody.NewObject[wire.AnyBody](map[string]func(p *controlParser, at problem.Path){})
)

// countParameters counts the members of an object; null has none.
func (p *controlParser) countParameters(at problem.Path) {
	if p.Null() {
		return
	}
	if p.Peek() != '{' {
		p.Unexpected(at, "an object")
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

// readControl reads a body that is empty or an object.
func (h *handler) readControl(c *gin.Context, object *jsonbody.Object[*controlParser]) (*controlParser, error) {
	mem := httpbody.NewBuffers()
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
	return h.changeResidency(c, state, core.Engine.Load)
}

// noLoadParameters is the problem of a request to load a task with parameters. In
// Triton they are the configuration and the files of a model; a server that ignores
// them would load another model than the client asks for.
func noLoadParameters() error {
	return problem.Invalid(problem.Field("parameters"), "must be empty: a task is loaded from the store without changes")
}

// unload answers POST /v2/repository/models/{task}/unload. It ignores the
// parameters: they are about models that depend on others, and tasks do not.
func (h *handler) unload(c *gin.Context, state *core.RequestState) error {
	if _, err := h.readControl(c, unloadObject); err != nil {
		return err
	}
	return h.changeResidency(c, state, core.Engine.Unload)
}

func (h *handler) changeResidency(c *gin.Context, state *core.RequestState, change func(core.Engine, context.Context, string) error) error {
	if err := h.core.ChangeResidency(c.Request.Context(), state, problem.Field("task"), c.Param("task"), change); err != nil {
		return err
	}
	route.WriteJSON(c, http.StatusOK, []byte("{}\n"))
	return nil
}
