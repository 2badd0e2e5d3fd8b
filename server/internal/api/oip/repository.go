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
		"parameters": func(p *controlParser, at problem.Path) { p.countParameters(at) },
	})
	unloadObject = jsonbody.NewObject[wire.AnyBody](map[string]func(p *controlParser, at problem.Path){})
)

// countParameters counts the members of an object, none for null.
func (p *controlParser) countParameters(at problem.Path) {
	if p.Null() {
		return
	}
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
	if err := h.core.ChangeResidency(c.Request.Context(), state, problem.Field("task"), c.Param("task"), move); err != nil {
		return err
	}
	route.WriteJSON(c, http.StatusOK, []byte("{}\n"))
	return nil
}
