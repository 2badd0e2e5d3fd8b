package vllm

import (
	"cmp"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// vllmAnswer is the wire type of the answer.
type vllmAnswer struct {
	ID      string           `json:"id"`
	Object  string           `json:"object" enum:"list"`
	Created int64            `json:"created" doc:"Unix time in seconds."`
	Model   wire.Task        `json:"model"`
	Data    []vllmClassified `json:"data"`
	Usage   vllmUsage        `json:"usage"`
}

type vllmClassified struct {
	Index   int       `json:"index"`
	Label   string    `json:"label" doc:"The best label."`
	Probs   []float32 `json:"probs" doc:"One for each label, in the order of the task's labels."`
	Classes int       `json:"num_classes"`
}

type vllmUsage struct {
	PromptTokens        int       `json:"prompt_tokens"`
	TotalTokens         int       `json:"total_tokens"`
	CompletionTokens    int       `json:"completion_tokens" enum:"0"`
	PromptTokensDetails wire.Null `json:"prompt_tokens_details"`
}

// classify answers POST /vllm/classify.
func (h *handler) classify(c *gin.Context, state *core.RequestState) error {
	mem := httpbody.NewBuffers()
	defer mem.Release()
	body, err := mem.Read(c.Request, h.core.Limits.MaxBodyBytes)
	if err != nil {
		return err
	}
	q, err := parse(body, h.core.Limits)
	mem.EndTurn()
	if err != nil {
		return err
	}
	result, err := h.core.Classify(c.Request.Context(), state, &core.Call{Task: q.task, TaskAt: problem.Field("model"), Inputs: q.inputs, InputsAt: q.inputsAt(), Options: q.options})
	if err != nil {
		return err
	}
	b := jsonbody.AppendString(append(mem.Out[:0], `{"id":`...), "classify-"+cmp.Or(q.id, state.ID))
	b = append(b, `,"object":"list","created":`...)
	b = strconv.AppendInt(b, h.core.Now().Unix(), 10)
	b = jsonbody.AppendString(append(b, `,"model":`...), q.task)
	b = append(b, `,"data":[`...)
	for i, row := range result.Scores {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"index":`...), int64(i), 10)
		mem.Order = wire.Rank(mem.Order, row, 1)
		b = jsonbody.AppendString(append(b, `,"label":`...), result.Labels[mem.Order[0]])
		b = append(b, `,"probs":[`...)
		for j, v := range row {
			if j > 0 {
				b = append(b, ',')
			}
			b = jsonbody.AppendFloat(b, v)
		}
		b = strconv.AppendInt(append(b, `],"num_classes":`...), int64(len(row)), 10)
		b = append(b, '}')
	}
	tokens := int64(state.Tokens)
	b = strconv.AppendInt(append(b, `],"usage":{"prompt_tokens":`...), tokens, 10)
	b = strconv.AppendInt(append(b, `,"total_tokens":`...), tokens, 10)
	mem.Out = append(b, `,"completion_tokens":0,"prompt_tokens_details":null}}`+"\n"...)
	route.WriteCost(c, state)
	route.WriteJSON(c, http.StatusOK, mem.Out)
	return nil
}
