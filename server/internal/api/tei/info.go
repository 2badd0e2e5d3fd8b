package tei

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// teiModel is the wire type of the answer of GET /tei/{task}/info. Clients look
// which member model_type has.
type teiModel struct {
	ModelID               string  `json:"model_id"`
	ModelSHA              *string `json:"model_sha"`
	ModelDType            string  `json:"model_dtype"`
	ModelType             teiType `json:"model_type"`
	MaxConcurrentRequests int     `json:"max_concurrent_requests"`
	MaxInputLength        int     `json:"max_input_length"`
	MaxBatchTokens        int     `json:"max_batch_tokens"`
	MaxBatchRequests      *int    `json:"max_batch_requests"`
	MaxClientBatchSize    int     `json:"max_client_batch_size"`
	AutoTruncate          bool    `json:"auto_truncate"`
	TokenizationWorkers   int     `json:"tokenization_workers"`
	Version               string  `json:"version"`
	SHA                   *string `json:"sha"`
	DockerLabel           *string `json:"docker_label"`
}

type teiType struct {
	Classifier teiClassifier `json:"classifier"`
}

type teiClassifier struct {
	ID2Label map[int]string `json:"id2label"`
	Label2ID map[string]int `json:"label2id"`
}

// info answers GET /tei/{task}/info. It loads a task that was never loaded, to know
// its labels.
func (h *handler) info(c *gin.Context, state *core.RequestState) error {
	task := c.Param("task")
	labels, err := h.core.Labels(c.Request.Context(), state, problem.Field("task"), task)
	if err != nil {
		return err
	}
	about := h.core.About
	info := teiModel{
		ModelID: task, ModelDType: "float32",
		ModelType:             teiType{teiClassifier{ID2Label: map[int]string{}, Label2ID: map[string]int{}}},
		MaxConcurrentRequests: about.MaxWaiting,
		MaxInputLength:        about.MaxTokens,
		MaxBatchTokens:        about.BatchTokens,
		MaxClientBatchSize:    h.core.Limits.MaxTexts,
		TokenizationWorkers:   about.Workers,
		Version:               about.Version,
	}
	for i, label := range labels {
		info.ModelType.Classifier.ID2Label[i] = label
		info.ModelType.Classifier.Label2ID[label] = i
	}
	return route.Marshal(c, info)
}

// health answers GET /tei/{task}/health: 200 if the server is ready and the store
// has the task. It does not load the task.
func (h *handler) health(c *gin.Context, _ *core.RequestState) error {
	if err := h.core.Ready(); err != nil {
		return err
	}
	if err := h.core.CheckTask(problem.Field("task"), c.Param("task")); err != nil {
		return err
	}
	c.Status(http.StatusOK)
	return nil
}
