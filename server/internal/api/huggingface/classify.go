package huggingface

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// classify answers POST /models/{task}. The answer is a list of lists, even for one
// text: of a flat list the Python client returns only the first label, and the
// JavaScript client rejects it.
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
	result, err := h.core.Classify(c.Request.Context(), state, &core.Call{Task: c.Param("task"), TaskAt: problem.Field("task"), Inputs: q.inputs, InputsAt: q.inputsAt(), Options: q.options, TopK: q.topK})
	if err != nil {
		return err
	}
	if q.apply != "" {
		for _, row := range result.Scores {
			result.Probabilities(q.apply, row)
		}
	}
	b := append(mem.Out[:0], '[')
	for i := range q.inputs {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendScores(b, mem, result, i, q.topK)
	}
	mem.Out = append(b, "]\n"...)
	route.WriteCost(c, state)
	route.WriteJSON(c, http.StatusOK, mem.Out)
	return nil
}
