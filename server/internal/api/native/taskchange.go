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

// What changes the tasks that are served: upload, copy, removal, and moves into
// memory and out of it. All of it needs the admin key.

// maxUploads bounds the uploads at a time, each of which takes room on disk.
const maxUploads = 4

// sourceBody is the JSON form of PUT /tasks/{name}.
type sourceBody struct {
	_      struct{}  `additionalProperties:"true"`
	Source wire.Task `json:"source" doc:"The task whose delta is copied."`
}

type sourceParser struct {
	wire.Parser
	source string
}

var sourceObject = jsonbody.NewObject[sourceBody](map[string]func(p *sourceParser, at problem.Path){
	"source": func(p *sourceParser, at problem.Path) { p.source = p.TaskName(at, "must be a task's name") },
})

func parseSource(body string, limits core.Limits) (source string, err error) {
	p := &sourceParser{Parser: wire.NewParser(body, limits)}
	sourceObject.Read(p, problem.Path{})
	return p.source, p.Finish()
}

// putTask answers PUT /tasks/{name}: 201 for a new task, 200 for one that was
// replaced.
func (h *handler) putTask(c *gin.Context, state *core.RequestState) error {
	name := c.Param("name")
	if !delta.ValidTask(name) {
		return problem.Invalid(problem.Field("name"), "is no task's name: 1 to 128 letters, digits, dots, underscores and hyphens, the first a letter or digit")
	}
	state.Task = name
	_, replaced := h.core.Engine.Task(name)
	var info runtime.TaskInfo
	var err error
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

func (h *handler) copyTask(c *gin.Context, name string) (info runtime.TaskInfo, err error) {
	mem := httpbody.NewBuffers(h.core.Bodies)
	defer mem.Release()
	body, err := mem.Read(c.Request, h.core.Limits.MaxBodyBytes)
	if err != nil {
		return info, err
	}
	source, err := parseSource(body, h.core.Limits)
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

// upload hands the body to the engine as it arrives: it is never whole in
// memory. As sent and as unpacked it is bounded.
func (h *handler) upload(c *gin.Context, name string) (info runtime.TaskInfo, err error) {
	r := c.Request
	if r.ContentLength > int64(h.core.Limits.MaxUploadBytes) {
		return info, httpbody.TooLarge(h.core.Limits.MaxUploadBytes)
	}
	if r.ContentLength == 0 {
		return info, problem.Invalid(problem.Path{}, "is empty; it must be a delta file, or JSON with the Content-Type application/json")
	}
	select {
	case h.uploads <- struct{}{}:
		defer func() { <-h.uploads }()
	default:
		return info, problem.Overloaded("too many uploads are under way, try again later")
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
	if unread := body.Problem(); unread != nil {
		return info, unread
	}
	return info, changeProblem(ctx, err, name, problem.Field("name"))
}

// extend gives a request more time than others have, to be read and answered.
// Without a connection, as in tests, there is nothing to extend.
func (h *handler) extend(c *gin.Context, d time.Duration) {
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(h.core.Now().Add(d))
	_ = control.SetWriteDeadline(h.core.Now().Add(d + h.core.Limits.WriteTimeout))
}

// changeProblem says what a client is told when a change fails; task is the
// one that the request names at a place.
func changeProblem(ctx context.Context, err error, task string, at problem.Path) *problem.Problem {
	switch {
	case errors.Is(err, runtime.ErrReadOnly):
		return &problem.Problem{Status: http.StatusForbidden, Kind: problem.KindForbidden, Message: "the store is read-only", Cause: err}
	case errors.Is(err, runtime.ErrTaskUnusable):
		// Here it is the request that brings what cannot be used.
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

// loadTask answers POST /tasks/{name}/load, and unloadTask its opposite, with
// the task as it is then. A body is not looked at.
func (h *handler) loadTask(c *gin.Context, state *core.RequestState) error {
	return h.moveTask(c, state, core.Engine.Load)
}

func (h *handler) unloadTask(c *gin.Context, state *core.RequestState) error {
	return h.moveTask(c, state, core.Engine.Unload)
}

func (h *handler) moveTask(c *gin.Context, state *core.RequestState, move func(core.Engine, context.Context, string) error) error {
	name := c.Param("name")
	if err := h.core.ChangeResidency(c.Request.Context(), state, problem.Field("name"), name, move); err != nil {
		return err
	}
	return h.getTask(c, state)
}
