package native

import (
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
	mem := httpbody.NewBuffers(h.core.Bodies)
	defer mem.Release()
	body, err := mem.Read(c.Request, h.core.Limits.MaxBodyBytes)
	if err != nil {
		return err
	}
	q, err := parseClassify(body, h.core.Limits)
	if err != nil {
		return err
	}

	ctx, options := c.Request.Context(), runtime.Options{Truncate: q.truncate, Raw: q.raw}
	var one [1]*runtime.Result
	results := one[:]
	if len(q.tasks) > 1 {
		results, err = h.core.ClassifyTasks(ctx, state, &core.TasksCall{Tasks: q.tasks, TasksAt: q.tasksAt(), Inputs: q.inputs, InputsAt: q.inputsAt(), Options: options})
	} else {
		results[0], err = h.core.Classify(ctx, state, &core.Call{Task: q.tasks[0], TaskAt: q.tasksAt().At(0), Inputs: q.inputs, InputsAt: q.inputsAt(), Options: options})
	}
	if err != nil {
		return err
	}

	appendClassified(mem, q, results, state.ID, state.Tokens, h.core.Now())
	route.WriteCost(c, state)
	route.WriteJSON(c, http.StatusOK, mem.Out)
	return nil
}

// classifyAnswer is the answer on the wire.
type classifyAnswer struct {
	Object  string         `json:"object" enum:"classify"`
	Model   wireModels     `json:"model"`
	Data    classifiedData `json:"data"`
	Usage   usage          `json:"usage"`
	ID      string         `json:"id" doc:"The request's id, as in the header x-request-id."`
	Created int64          `json:"created" doc:"Seconds since 1970."`
}

// usage counts the tokens computed, special ones included.
type usage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

// classifiedData has an entry an input: a list of scores, or for a list of tasks
// an object from task to such a list.
type classifiedData struct{}

// Schema implements [huma.SchemaProvider].
func (classifiedData) Schema(r huma.Registry) *huma.Schema {
	scores := r.Schema(reflect.TypeFor[[]wire.Score](), true, "")
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{AnyOf: []*huma.Schema{
		scores, {Type: huma.TypeObject, AdditionalProperties: scores},
	}}}
}

// appendClassified appends the answer to m.Out.
func appendClassified(m *httpbody.Buffers, q *classifyRequest, results []*runtime.Result, id string, tokens int, now time.Time) {
	b := append(m.Out[:0], `{"object":"classify","model":`...)
	if q.several {
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
		if !q.several {
			b = wire.AppendScores(b, m, results[0], i, q.topK)
			continue
		}
		for j, r := range results {
			b = jsonbody.AppendString(append(b, "{,"[min(j, 1)]), q.tasks[j])
			b = wire.AppendScores(append(b, ':'), m, r, i, q.topK)
		}
		b = append(b, '}')
	}
	b = append(b, `],"usage":{"prompt_tokens":`...)
	b = strconv.AppendInt(b, int64(tokens), 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, int64(tokens), 10)
	b = append(b, `},"id":`...)
	b = jsonbody.AppendString(b, id)
	b = append(b, `,"created":`...)
	b = strconv.AppendInt(b, now.Unix(), 10)
	m.Out = append(b, "}\n"...)
}
