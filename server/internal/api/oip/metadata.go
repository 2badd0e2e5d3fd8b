package oip

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// serverName is the name of the server and the platform of its models.
const serverName = "kenserve"

// extensions are the extensions of the protocol that the server supports.
var extensions = []string{"binary_tensor_data", "classification", "model_repository"}

// inferDescription is the wire type of the description of the server.
type inferDescription struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Extensions []string `json:"extensions"`
}

// The wire types of probes.
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

// describeServer answers GET /v2.
func (h *handler) describeServer(c *gin.Context, _ *core.RequestState) error {
	return route.Marshal(c, inferDescription{serverName, h.core.About.Version, extensions})
}

// live answers GET /v2/health/live.
func (h *handler) live(c *gin.Context, _ *core.RequestState) error {
	return route.Marshal(c, liveBody{true})
}

// ready answers GET /v2/health/ready. If the server is not ready it answers 503 with
// {"ready": false}, which clients do not take for an error.
func (h *handler) ready(c *gin.Context, state *core.RequestState) error {
	if err := h.core.Ready(); err != nil {
		state.Problem = core.ProblemOf(c.Request.Context(), err)
		route.WriteJSON(c, http.StatusServiceUnavailable, []byte(`{"ready":false}`+"\n"))
		return nil
	}
	return route.Marshal(c, readyBody{true})
}

// inferModel is the wire type of the description of a task.
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

// checkModel returns a *[problem.Problem] unless the store has the task, and the
// version is empty or the only one.
func (h *handler) checkModel(task, version string) error {
	if err := h.core.CheckTask(problem.Field("task"), task); err != nil {
		return err
	}
	if version != "" && version != modelVersion {
		return &problem.Problem{
			Status: http.StatusNotFound, Kind: problem.KindNotFound,
			Message: "there is no version " + problem.Quote(version) + ", the only version of a task is " + modelVersion,
		}
	}
	return nil
}

// describeTask describes a task. The number of labels is -1 until the task is loaded
// for the first time.
func (h *handler) describeTask(task string) *inferModel {
	labels := int64(-1)
	if info, _ := h.core.Engine.Task(task); info.Labels != nil {
		labels = int64(len(info.Labels))
	}
	return &inferModel{
		Name: task, Versions: []string{modelVersion}, Platform: serverName,
		Inputs: []inferMetadata{{"text", "BYTES", []int64{-1}}},
		Outputs: []inferMetadata{
			{outLabel, "BYTES", []int64{-1}},
			{outScore, "FP32", []int64{-1}},
			{outProbabilities, "FP32", []int64{-1, labels}},
		},
	}
}

// modelMetadata answers GET /v2/models/{task}.
func (h *handler) modelMetadata(c *gin.Context, _ *core.RequestState) error {
	if err := h.checkModel(c.Param("task"), c.Param("version")); err != nil {
		return err
	}
	return route.Marshal(c, h.describeTask(c.Param("task")))
}

// modelReady answers GET /v2/models/{task}/ready. Every task of the store is ready
// if the server is, since the first request loads it.
func (h *handler) modelReady(c *gin.Context, _ *core.RequestState) error {
	task := c.Param("task")
	if err := h.checkModel(task, c.Param("version")); err != nil {
		return err
	}
	if err := h.core.Ready(); err != nil {
		return err
	}
	return route.Marshal(c, modelReadyBody{task, true})
}
