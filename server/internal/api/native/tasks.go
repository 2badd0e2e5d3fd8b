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

// task is a task on the wire.
type task struct {
	Object    string            `json:"object" enum:"task"`
	Name      wire.Task         `json:"name"`
	Labels    []string          `json:"labels" nullable:"true" doc:"Null until the task was loaded once."`
	Residency runtime.Residency `json:"residency" enum:"hot,warm,cold" doc:"In memory and ready to compute, in memory as a delta, in the store alone."`
	Bytes     int64             `json:"bytes" doc:"Memory that the task holds now."`
	Requests  uint64            `json:"requests"`
	Hits      uint64            `json:"hits" doc:"Of the requests, those that found the task in memory."`
	Loads     uint64            `json:"loads" doc:"How often it was loaded from the store."`
	LoadTime  float64           `json:"load_seconds" doc:"What the last load took."`
	Hot       uint64            `json:"promotions" doc:"How often it was made hot."`
	Pinned    bool              `json:"pinned" doc:"Never made to leave memory."`
	Problem   *string           `json:"problem" nullable:"true" doc:"Why what the store has of the task is not served; then nothing is, or an older delta. Null if there is none."`
	LastUsed  *time.Time        `json:"last_used" doc:"Null when never."`
}

// taskList is the answer of GET /tasks.
type taskList struct {
	Object string `json:"object" enum:"list"`
	Data   []task `json:"data"`
}

func taskOf(info runtime.TaskInfo) task {
	t := task{
		Object:    "task",
		Name:      wire.Task(info.Name),
		Labels:    info.Labels,
		Residency: info.Residency,
		Bytes:     info.Bytes,
		Requests:  info.Requests,
		Hits:      info.Hits,
		Loads:     info.Loads,
		LoadTime:  info.LoadTime.Seconds(),
		Hot:       info.Promotions,
		Pinned:    info.Pinned,
	}
	if info.Problem != "" {
		t.Problem = &info.Problem
	}
	if !info.LastUsed.IsZero() {
		used := info.LastUsed.UTC().Truncate(time.Millisecond)
		t.LastUsed = &used
	}
	return t
}

// listTasks answers GET /tasks; with ?labels=false it leaves the labels out,
// which are most of it. A store that cannot be read is not one without tasks.
func (h *handler) listTasks(c *gin.Context, _ *core.RequestState) error {
	infos, err := h.core.Engine.Tasks()
	if err != nil {
		return problem.Unavailable(err, "the store cannot be read")
	}
	list := taskList{Object: "list", Data: make([]task, len(infos))}
	brief := c.Query("labels") == "false"
	for i, info := range infos {
		if brief {
			info.Labels = nil
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
