package native

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// classify answers POST /classify.
func (h *handler) classify(c *gin.Context, state *core.RequestState) error {
	mem := httpbody.NewBuffers()
	defer mem.Release()
	body, err := mem.Read(c.Request, h.core.Limits.MaxBodyBytes)
	if err != nil {
		return err
	}
	q, err := parseClassify(body, h.core.Limits)
	mem.EndTurn()
	if err != nil {
		return err
	}

	results, err := h.run(c.Request.Context(), state, q)
	if err != nil {
		return err
	}
	writeAnswer(mem, q, results, state, h.core.Now())
	route.WriteCost(c, state)
	route.WriteJSON(c, http.StatusOK, mem.Out)
	return nil
}

// run classifies under the request's tasks.
func (h *handler) run(ctx context.Context, state *core.RequestState, q *classifyRequest) ([]*runtime.Result, error) {
	if len(q.tasks) > 1 {
		return h.core.ClassifyTasks(ctx, state, &core.TasksCall{
			Tasks: q.tasks, TasksAt: q.tasksAt(), Inputs: q.inputs, InputsAt: q.inputsAt(), Options: q.options, TopK: q.topK,
		})
	}
	result, err := h.core.Classify(ctx, state, &core.Call{
		Task: q.tasks[0], TaskAt: q.tasksAt().At(0), Inputs: q.inputs, InputsAt: q.inputsAt(), Options: q.options, TopK: q.topK,
	})
	return []*runtime.Result{result}, err
}

// classifyAnswer is the wire type of the answer.
type classifyAnswer struct {
	Object  string         `json:"object" enum:"classify"`
	Model   modelNames     `json:"model"`
	Data    classifiedData `json:"data"`
	Usage   usage          `json:"usage"`
	ID      string         `json:"id" doc:"The request's id, as in the header x-request-id."`
	Created int64          `json:"created" doc:"Unix time in seconds."`
}

// usage counts the tokens computed, special tokens included.
type usage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

// classifiedData has an entry for each input: a list of scores or, if model is a
// list, an object that maps each task to such a list.
type classifiedData struct{}

// Schema implements [huma.SchemaProvider].
func (classifiedData) Schema(r huma.Registry) *huma.Schema {
	scores := r.Schema(reflect.TypeFor[[]wire.Score](), true, "")
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{AnyOf: []*huma.Schema{
		scores, {Type: huma.TypeObject, AdditionalProperties: scores},
	}}}
}

// writeAnswer writes the answer to mem.Out; there is one result for each task.
func writeAnswer(mem *httpbody.Buffers, q *classifyRequest, results []*runtime.Result, state *core.RequestState, now time.Time) {
	b := append(mem.Out[:0], `{"object":"classify","model":`...)
	if q.modelListed {
		for i, task := range q.tasks {
			b = jsonbody.AppendString(append(b, "[,"[min(i, 1)]), task)
		}
		b = append(b, ']')
	} else {
		b = jsonbody.AppendString(b, q.tasks[0])
	}
	b = append(b, `,"data":`...)
	for i := range q.inputs {
		b = append(b, "[,"[min(i, 1)])
		if !q.modelListed {
			b = wire.AppendScores(b, mem, results[0], i, q.topK)
			continue
		}
		for j, r := range results {
			b = jsonbody.AppendString(append(b, "{,"[min(j, 1)]), q.tasks[j])
			b = wire.AppendScores(append(b, ':'), mem, r, i, q.topK)
		}
		b = append(b, '}')
	}
	b = append(b, `],"usage":{"prompt_tokens":`...)
	b = strconv.AppendInt(b, int64(state.Tokens), 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, int64(state.Tokens), 10)
	b = append(b, `},"id":`...)
	b = jsonbody.AppendString(b, state.ID)
	b = append(b, `,"created":`...)
	b = strconv.AppendInt(b, now.Unix(), 10)
	mem.Out = append(b, "}\n"...)
}
