package native

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// The operations that change tasks: upload, copy, remove, load and unload. All of
// them need the admin key.

// maxUploads is the largest number of uploads at the same time. Each takes space on
// disk.
const maxUploads = 4

// sourceBody is the wire type of the JSON body of PUT /tasks/{name}.
type sourceBody struct {
	_      struct{}  `additionalProperties:"false"`
	Source wire.Task `json:"source" doc:"The task whose delta is copied."`
}

type sourceParser struct {
	wire.Parser
	source string
}

var sourceObject = jsonbody.NewObject[sourceBody](map[string]func(p *sourceParser, at problem.Path){
	"source": func(p *sourceParser, at problem.Path) { p.source = p.TaskName(at, "the name of a task") },
})

// parseSource parses a [sourceBody].
func parseSource(body string, limits core.Limits) (source string, err error) {
	p := &sourceParser{Parser: wire.NewParser(body, limits)}
	sourceObject.Read(p, problem.Path{})
	return p.source, p.Finish()
}

// putTask answers PUT /tasks/{name}: 201 for a new task, 200 for a replaced one.
func (h *handler) putTask(c *gin.Context, state *core.RequestState) error {
	name := c.Param("name")
	if !delta.ValidTask(name) {
		return invalidName(name)
	}
	state.Task = name
	_, err := h.core.Engine.Task(name)
	replaced := !errors.Is(err, runtime.ErrNoTask)
	var info runtime.TaskInfo
	if media, _, _ := mime.ParseMediaType(c.GetHeader("Content-Type")); media == "application/json" {
		info, err = h.copyTask(c, name)
	} else {
		info, err = h.upload(c, name)
	}
	if err != nil {
		return err
	}
	status := http.StatusOK
	if !replaced {
		status = http.StatusCreated
	}
	return route.MarshalStatus(c, status, taskOf(info))
}

func invalidName(name string) error {
	return problem.Invalid(problem.Field("name"), "is %s, must be a task name: 1 to 128 letters, digits, dots, underscores and hyphens, beginning with a letter or digit", problem.Quote(name))
}

// copyTask makes the delta of another task the one of the named task.
func (h *handler) copyTask(c *gin.Context, name string) (info runtime.TaskInfo, err error) {
	mem := httpbody.NewBuffers()
	defer mem.Release()
	body, err := mem.Read(c.Request, h.core.Limits.MaxBodyBytes)
	if err != nil {
		return info, err
	}
	source, err := parseSource(body, h.core.Limits)
	mem.EndTurn()
	if err != nil {
		return info, err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), h.core.Limits.UploadTimeout)
	defer cancel()
	h.extend(c, h.core.Limits.UploadTimeout)
	if info, err = h.editor.Copy(ctx, name, source); err != nil {
		return info, changeProblem(ctx, err, source, problem.Field("source"))
	}
	return info, nil
}

// upload makes the body the delta of the named task. It passes the body to the
// engine as it arrives, so that it is never in memory as a whole.
func (h *handler) upload(c *gin.Context, name string) (info runtime.TaskInfo, err error) {
	r := c.Request
	if r.ContentLength > int64(h.core.Limits.MaxUploadBytes) {
		return info, httpbody.TooLarge(h.core.Limits.MaxUploadBytes)
	}
	if r.ContentLength == 0 {
		return info, problem.Invalid(problem.Path{}, "is empty; send a delta file, or JSON with the Content-Type application/json")
	}
	select {
	case h.uploads <- struct{}{}:
		defer func() { <-h.uploads }()
	default:
		return info, problem.Overloaded("too many uploads at the same time, try again later")
	}
	h.extend(c, h.core.Limits.UploadTimeout)
	ctx, cancel := context.WithTimeout(r.Context(), h.core.Limits.UploadTimeout)
	defer cancel()
	body, err := httpbody.Open(r, h.core.Limits.MaxUploadBytes)
	if err != nil {
		return info, err
	}
	if info, err = h.editor.Put(ctx, name, body, body.Size()); err == nil {
		return info, nil
	}
	if p := body.Problem(); p != nil { // the engine failed because the body did
		return info, p
	}
	return info, changeProblem(ctx, err, name, problem.Field("name"))
}

// extend gives the request d to be read, and more time to be answered. Errors mean
// that there is no connection, as in tests.
func (h *handler) extend(c *gin.Context, d time.Duration) {
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(h.core.Now().Add(d))
	_ = control.SetWriteDeadline(h.core.Now().Add(d + h.core.Limits.WriteTimeout))
}

// changeProblem is the problem of a change that failed with err; the request names
// the task at a path.
func changeProblem(ctx context.Context, err error, task string, at problem.Path) *problem.Problem {
	switch {
	case errors.Is(err, runtime.ErrReadOnly):
		return &problem.Problem{Status: http.StatusForbidden, Kind: problem.KindForbidden, Message: "the store is read-only", Cause: err}
	case errors.Is(err, runtime.ErrTaskUnusable):
		// The delta comes with the request: it is the request that is invalid.
		message := err.Error()
		if _, class, ok := strings.Cut(message, runtime.ErrTaskUnusable.Error()+": "); ok {
			message = "the delta cannot be served: " + class
		}
		return &problem.Problem{Status: http.StatusUnprocessableEntity, Kind: problem.KindValidation, Message: message, Cause: err}
	}
	return core.TaskProblem(ctx, err, task, at)
}

// deleteTask answers DELETE /tasks/{name} with 204.
func (h *handler) deleteTask(c *gin.Context, state *core.RequestState) error {
	name := c.Param("name")
	if err := h.core.CheckTask(problem.Field("name"), name); err != nil {
		return err
	}
	state.Task = name
	ctx, cancel := context.WithTimeout(c.Request.Context(), h.core.Limits.RequestTimeout)
	defer cancel()
	if err := h.editor.Remove(ctx, name); err != nil {
		return changeProblem(ctx, err, name, problem.Field("name"))
	}
	c.Status(http.StatusNoContent)
	return nil
}

// loadTask answers POST /tasks/{name}/load with the task as it is afterwards. It
// ignores the body.
func (h *handler) loadTask(c *gin.Context, state *core.RequestState) error {
	return h.changeResidency(c, state, core.Engine.Load)
}

// unloadTask answers POST /tasks/{name}/unload in the same way.
func (h *handler) unloadTask(c *gin.Context, state *core.RequestState) error {
	return h.changeResidency(c, state, core.Engine.Unload)
}

func (h *handler) changeResidency(c *gin.Context, state *core.RequestState, change func(core.Engine, context.Context, string) error) error {
	name := c.Param("name")
	if err := h.core.ChangeResidency(c.Request.Context(), state, problem.Field("name"), name, change); err != nil {
		return err
	}
	return h.getTask(c, state)
}
