package oip

import (
	"encoding/binary"
	"math"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// inferredBody is the wire type of an answer over REST.
type inferredBody struct {
	Model   wire.Task        `json:"model_name"`
	Version string           `json:"model_version" enum:"1"`
	ID      string           `json:"id,omitempty"`
	Outputs []inferredTensor `json:"outputs"`
}

type inferredTensor struct {
	Name       string              `json:"name" enum:"label,score,probabilities"`
	Datatype   string              `json:"datatype" enum:"BYTES,FP32"`
	Shape      []int64             `json:"shape"`
	Data       inferredData        `json:"data,omitempty" doc:"Labels or numbers."`
	Parameters *inferInputSettings `json:"parameters,omitempty"`
}

// inferredData is a list of strings or of numbers.
type inferredData struct{}

// Schema implements [huma.SchemaProvider].
func (inferredData) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{AnyOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeNumber}}}}
}

// infer answers POST /v2/models/{task}[/versions/1]/infer.
func (h *handler) infer(c *gin.Context, state *core.RequestState) error {
	task := c.Param("task")
	if err := h.checkModel(task, c.Param("version")); err != nil {
		return err
	}
	mem := httpbody.NewBuffers()
	defer mem.Release()
	body, err := mem.Read(c.Request, h.core.Limits.MaxBodyBytes)
	if err != nil {
		return err
	}
	q, err := parseREST(body, c.Request.Header.Get(headerLength), h.core.Limits)
	mem.EndTurn()
	if err != nil {
		return err
	}
	result, err := h.core.Classify(c.Request.Context(), state, &core.Call{Task: task, TaskAt: problem.Field("task"), Inputs: q.inputs, InputsAt: textsAt, Options: q.options})
	if err != nil {
		return err
	}
	header, data := appendAnswer(mem.Out[:0], task, q, result)
	mem.Out = header
	route.WriteCost(c, state)
	if len(data) == 0 {
		mem.Out = append(header, '\n')
		route.WriteJSON(c, http.StatusOK, mem.Out)
		return nil
	}
	c.Writer.Header()[headerLength] = []string{strconv.Itoa(len(header))}
	mem.Out = append(header, data...)
	route.Write(c, http.StatusOK, []string{"application/octet-stream"}, mem.Out)
	return nil
}

// appendAnswer appends the JSON of an answer to b. It returns the binary data that
// follow the JSON too.
func appendAnswer(b []byte, task string, q *request, r *runtime.Result) (header, data []byte) {
	b = jsonbody.AppendString(append(b, `{"model_name":`...), task)
	b = append(b, `,"model_version":"`+modelVersion+`"`...)
	if q.id != "" {
		b = jsonbody.AppendString(append(b, `,"id":`...), q.id)
	}
	b = append(b, `,"outputs":[`...)
	for i, a := range q.answers(r) {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonbody.AppendString(append(b, `{"name":`...), a.name)
		b = jsonbody.AppendString(append(b, `,"datatype":`...), a.datatype)
		b = append(b, `,"shape":[`...)
		for j, d := range a.shape {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, d, 10)
		}
		if a.binary {
			before := len(data)
			data = a.appendRaw(data)
			b = strconv.AppendInt(append(b, `],"parameters":{"binary_data_size":`...), int64(len(data)-before), 10)
			b = append(b, "}}"...)
			continue
		}
		b = append(b, `],"data":[`...)
		for j, s := range a.strings {
			if j > 0 {
				b = append(b, ',')
			}
			b = jsonbody.AppendString(b, s)
		}
		for j, v := range a.floats {
			if j > 0 {
				b = append(b, ',')
			}
			b = jsonbody.AppendFloat(b, v)
		}
		b = append(b, "]}"...)
	}
	return append(b, "]}"...), data
}

// appendRaw appends the raw data of an output.
func (a *answer) appendRaw(b []byte) []byte {
	b = appendBytesTensor(b, a.strings)
	for _, v := range a.floats {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
