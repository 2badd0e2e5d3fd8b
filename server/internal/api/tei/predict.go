package tei

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// teiAnswer is the wire type of the answer: a list of scores or, for a batch, a
// list of such lists.
type teiAnswer struct{}

// Schema implements [huma.SchemaProvider].
func (teiAnswer) Schema(r huma.Registry) *huma.Schema {
	scores := r.Schema(reflect.TypeFor[[]wire.Score](), true, "")
	return &huma.Schema{AnyOf: []*huma.Schema{scores, {Type: huma.TypeArray, Items: scores}}}
}

// predict answers POST /tei/{task}/predict.
func (h *handler) predict(c *gin.Context, state *core.RequestState) error {
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
	result, err := h.core.Classify(c.Request.Context(), state, &core.Call{Task: c.Param("task"), TaskAt: problem.Field("task"), Inputs: q.inputs, InputsAt: q.inputsAt(), Options: q.options})
	if err != nil {
		return err
	}
	b := mem.Out[:0]
	if q.batch {
		b = append(b, '[')
	}
	for i := range q.inputs {
		if i > 0 {
			b = append(b, ',')
		}
		mem.Order = wire.Rank(mem.Order, result.Scores[i], 0)
		b = append(b, '[')
		for n, j := range mem.Order {
			if n > 0 {
				b = append(b, ',')
			}
			b = jsonbody.AppendFloat(append(b, `{"score":`...), result.Scores[i][j])
			b = jsonbody.AppendString(append(b, `,"label":`...), result.Labels[j])
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	if q.batch {
		b = append(b, ']')
	}
	mem.Out = append(b, '\n')
	route.WriteCost(c, state)
	route.WriteJSON(c, http.StatusOK, mem.Out)
	return nil
}
