package native

import (
	"time"

	"github.com/gin-gonic/gin"

	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// task is the wire type of a task.
type task struct {
	Object     string            `json:"object" enum:"task"`
	Name       wire.Task         `json:"name"`
	Labels     []string          `json:"labels" nullable:"true" doc:"Null until the task is loaded for the first time."`
	Thresholds []float64         `json:"thresholds" nullable:"true" doc:"Probabilities from which each label is predicted, in the order of the labels, for a task with several labels a text. Null: none are known; take 0.5."`
	Residency  runtime.Residency `json:"residency" enum:"hot,warm,cold" doc:"hot: in memory, ready to compute; warm: in memory as a delta; cold: in the store only."`
	Bytes      int64             `json:"bytes" doc:"Memory that the task takes now."`
	Requests   uint64            `json:"requests"`
	Hits       uint64            `json:"hits" doc:"Requests that found the task in memory."`
	Loads      uint64            `json:"loads" doc:"Number of loads from the store."`
	LoadTime   float64           `json:"load_seconds" doc:"Duration of the last load."`
	Hot        uint64            `json:"promotions" doc:"Number of changes from warm to hot."`
	Pinned     bool              `json:"pinned" doc:"The task is never evicted."`
	Problem    *string           `json:"problem" nullable:"true" doc:"The reason for which the delta in the store is not served; an older delta may still be. Null: no problem."`
	Digest     *string           `json:"sha256" nullable:"true" doc:"SHA-256 of the delta in memory, in the fast layout. Null: the task is cold."`
	LastUsed   *time.Time        `json:"last_used" doc:"Null: never used."`
}

// taskList is the wire type of the answer of GET /tasks.
type taskList struct {
	Object string `json:"object" enum:"list"`
	Data   []task `json:"data"`
}

func taskOf(info runtime.TaskInfo) task {
	t := task{
		Object:     "task",
		Name:       wire.Task(info.Name),
		Labels:     info.Labels,
		Thresholds: info.Thresholds,
		Residency:  info.Residency,
		Bytes:      info.Bytes,
		Requests:   info.Requests,
		Hits:       info.Hits,
		Loads:      info.Loads,
		LoadTime:   info.LoadTime.Seconds(),
		Hot:        info.Promotions,
		Pinned:     info.Pinned,
	}
	if info.Problem != "" {
		t.Problem = &info.Problem
	}
	if info.Digest != "" {
		t.Digest = &info.Digest
	}
	if !info.LastUsed.IsZero() {
		used := info.LastUsed.UTC().Truncate(time.Millisecond)
		t.LastUsed = &used
	}
	return t
}

// listTasks answers GET /tasks. With ?labels=false it leaves out the labels, which
// make up most of the answer. A store that cannot be read is an error, not an
// empty list.
func (h *handler) listTasks(c *gin.Context, _ *core.RequestState) error {
	infos, err := h.core.Engine.Tasks()
	if err != nil {
		return problem.Unavailable(err, "the store cannot be read")
	}
	list := taskList{Object: "list", Data: make([]task, len(infos))}
	withoutLabels := c.Query("labels") == "false"
	for i, info := range infos {
		if withoutLabels {
			info.Labels, info.Thresholds = nil, nil
		}
		list.Data[i] = taskOf(info)
	}
	return route.Marshal(c, list)
}

// getTask answers GET /tasks/{name}.
func (h *handler) getTask(c *gin.Context, _ *core.RequestState) error {
	info, err := h.core.FindTask(problem.Field("name"), c.Param("name"))
	if err != nil {
		return err
	}
	return route.Marshal(c, taskOf(info))
}
