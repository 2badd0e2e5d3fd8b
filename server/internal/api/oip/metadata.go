package oip

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
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
	if err := h.core.CheckTask(problem.Field("task"), task); err != nil {
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
