package oip

import (
	"encoding/binary"
	"math"
	"net/http"
	"reflect"
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

// Inference over REST, with the binary tensor data extension: a request may be
// its JSON, of as many bytes as Inference-Header-Content-Length says, and then
// the data of the inputs that have a binary_data_size, in their order. The
// answer is built likewise for the outputs that are asked for as binary_data.

const headerLength = "Inference-Header-Content-Length"

// inferBody is a request on the wire, and what it is made of.
type (
	inferBody struct {
		_          struct{}                        `additionalProperties:"true"`
		Inputs     []inferInput                    `json:"inputs" minItems:"1" maxItems:"16" doc:"The tensor text, and text_pair if there are pairs."`
		ID         *string                         `json:"id,omitempty" nullable:"true" doc:"Repeated in the answer."`
		Parameters wire.Optional[inferSettings]    `json:"parameters,omitempty"`
		Outputs    wire.Optional[[]inferRequested] `json:"outputs,omitempty" doc:"What to return; all without."`
	}
	inferSettings struct {
		_         struct{} `additionalProperties:"true"`
		Binary    *bool    `json:"binary_data_output,omitempty" nullable:"true" doc:"Outputs that do not say otherwise are binary."`
		RawScores *bool    `json:"raw_scores,omitempty" nullable:"true" doc:"Logits instead of probabilities."`
		Truncate  *bool    `json:"truncate,omitempty" nullable:"true" doc:"Cut what is longer than the model takes, true without."`
	}
	inferInput struct {
		_          struct{}                          `additionalProperties:"true"`
		Name       string                            `json:"name"`
		Shape      []int32                           `json:"shape" minimum:"0" maximum:"2147483647" minItems:"1" maxItems:"8" doc:"Any, of one element a text."`
		Datatype   string                            `json:"datatype" enum:"BYTES"`
		Data       inferData                         `json:"data,omitempty" doc:"The texts, in lists of lists or in one; or else the parameter binary_data_size."`
		Parameters wire.Optional[inferInputSettings] `json:"parameters,omitempty"`
	}
	inferInputSettings struct {
		_    struct{} `additionalProperties:"true"`
		Size int32    `json:"binary_data_size,omitempty" minimum:"0" maximum:"2147483647" doc:"Bytes of this tensor behind the JSON, as the binary tensor data extension has it."`
	}
	inferRequested struct {
		_          struct{}                           `additionalProperties:"true"`
		Name       string                             `json:"name" enum:"label,score,probabilities"`
		Parameters wire.Optional[inferOutputSettings] `json:"parameters,omitempty"`
	}
	inferOutputSettings struct {
		_       struct{} `additionalProperties:"true"`
		Binary  *bool    `json:"binary_data,omitempty" nullable:"true" doc:"Behind the JSON of the answer."`
		Classes int32    `json:"classification,omitempty" minimum:"0" maximum:"2147483647" doc:"Of probabilities: that many classes, as score:index:label, best first."`
	}
)

// inferData is a text, or a list of such data.
type inferData struct{}

// TransformSchema implements [huma.SchemaTransformer].
func (inferData) TransformSchema(r huma.Registry, _ *huma.Schema) *huma.Schema {
	itself := r.Schema(reflect.TypeFor[inferData](), true, "")
	return &huma.Schema{AnyOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeArray, Items: itself}}}
}

// inferredBody is an answer on the wire.
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
	Data       inferredData        `json:"data,omitempty" doc:"Labels, or numbers."`
	Parameters *inferInputSettings `json:"parameters,omitempty"`
}

// inferredData are strings or numbers.
type inferredData struct{}

// Schema implements [huma.SchemaProvider].
func (inferredData) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{AnyOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeNumber}}}}
}

// The objects of a request, by what reads them.
var (
	bodyObject = jsonbody.NewObject[inferBody](map[string]func(p *parser, at problem.Path){
		"inputs": func(p *parser, at problem.Path) { p.list(at, p.tensor) },
		"id": func(p *parser, at problem.Path) {
			if !p.Null() {
				p.request.id = p.String(at)
			}
		},
		"parameters": func(p *parser, at problem.Path) { readSettings(settingsObject, p, at) },
		"outputs": func(p *parser, at problem.Path) {
			if !p.Null() {
				p.list(at, p.output)
			}
		},
	})
	settingsObject = jsonbody.NewObject[inferSettings](map[string]func(p *parser, at problem.Path){
		"binary_data_output": func(p *parser, at problem.Path) { p.binary = p.Bool(at, false) },
		"raw_scores":         func(p *parser, at problem.Path) { p.request.options.Raw = p.Bool(at, false) },
		"truncate":           func(p *parser, at problem.Path) { p.request.options.Truncate = p.Bool(at, true) },
	})
	inputObject = jsonbody.NewObject[inferInput](map[string]func(p *tensorParser, at problem.Path){
		"name":     func(p *tensorParser, at problem.Path) { p.input.name = p.String(at) },
		"shape":    func(p *tensorParser, at problem.Path) { p.shape(at) },
		"datatype": func(p *tensorParser, at problem.Path) { p.input.datatype = p.String(at) },
		"data": func(p *tensorParser, at problem.Path) {
			p.hasData = true
			p.data(at)
		},
		"parameters": func(p *tensorParser, at problem.Path) { readSettings(inputSettingsObject, p, at) },
	})
	inputSettingsObject = jsonbody.NewObject[inferInputSettings](map[string]func(p *tensorParser, at problem.Path){
		"binary_data_size": func(p *tensorParser, at problem.Path) { p.binarySize = p.size(at) },
	})
	outputObject = jsonbody.NewObject[inferRequested](map[string]func(p *outputParser, at problem.Path){
		"name":       func(p *outputParser, at problem.Path) { p.requested.name = p.String(at) },
		"parameters": func(p *outputParser, at problem.Path) { readSettings(outputSettingsObject, p, at) },
	})
	outputSettingsObject = jsonbody.NewObject[inferOutputSettings](map[string]func(p *outputParser, at problem.Path){
		"binary_data": func(p *outputParser, at problem.Path) {
			p.requested.saysBinary = true
			p.requested.binary = p.Bool(at, false)
		},
		"classification": func(p *outputParser, at problem.Path) { p.requested.classes = p.size(at) },
	})
)

// parser reads a request's JSON.
type parser struct {
	wire.Parser
	request *request
	binary  bool // outputs are binary if not said otherwise
	tensors []tensor
	sizes   []int // of the tensors' binary data; -1: none
	outputs []requestedOutput
}

// tensorParser reads one input.
type tensorParser struct {
	*parser
	input      tensor
	binarySize int // -1: none
	hasData    bool
}

// outputParser reads one output.
type outputParser struct {
	*parser
	requested requestedOutput
}

// requestedOutput is an output as it is asked for, before the default of the
// request is known.
type requestedOutput struct {
	output
	saysBinary bool
}

// maxTensors bounds the lists of inputs and outputs: nobody has as many.
const maxTensors = 16

// parseREST parses a body. length is the header Inference-Header-Content-Length,
// empty if it was not sent.
func parseREST(body, length string, limits core.Limits) (*request, error) {
	header, rest := body, ""
	if length != "" {
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > len(body) {
			return nil, problem.Malformed("the header %s is %s, the body has %d bytes", headerLength, problem.Quote(length), len(body))
		}
		header, rest = body[:n], body[n:]
	}
	p := &parser{
		Parser:  wire.NewParser(header, limits),
		request: &request{options: runtime.Options{Truncate: true}},
	}
	bodyObject.Read(p, problem.Path{})
	if err := p.Finish(); err != nil {
		return nil, err
	}
	q := p.request
	for i, size := range p.sizes {
		if size < 0 {
			continue
		}
		at := inputPath(i)
		if size > len(rest) {
			return nil, problem.Invalid(at, "has %d bytes of binary data, %d are left of the body", size, len(rest))
		}
		if err := takeBytes(&p.tensors[i], at, rest[:size], limits); err != nil {
			return nil, err
		}
		rest = rest[size:]
	}
	if rest != "" {
		return nil, problem.Malformed("the body has %d bytes behind the last input", len(rest))
	}
	if err := q.take(p.tensors, limits); err != nil {
		return nil, err
	}
	for i, out := range p.outputs {
		if !out.saysBinary {
			out.binary = p.binary
		}
		if err := q.want(problem.Field("outputs").Element(i), out.output); err != nil {
			return nil, err
		}
	}
	if len(q.outputs) == 0 {
		for _, name := range []string{outLabel, outScore, outProbabilities} {
			q.outputs = append(q.outputs, output{name: name, binary: p.binary})
		}
	}
	return q, nil
}

// list reads a short list.
func (p *parser) list(at problem.Path, read func(at problem.Path)) {
	if p.Peek() != '[' {
		p.Skip()
		p.Reject(at, "must be a list")
		return
	}
	for i := range p.Elements {
		if i < maxTensors {
			read(at.Element(i))
			continue
		}
		p.Skip()
		p.Reject(at, "holds more than %d tensors", maxTensors)
	}
}

// readSettings reads an object of parameters, or null for none.
func readSettings[P interface{ Null() bool }](object interface{ Read(P, problem.Path) }, p P, at problem.Path) {
	if !p.Null() {
		object.Read(p, at)
	}
}

func (p *parser) tensor(at problem.Path) {
	t := &tensorParser{parser: p, binarySize: -1}
	inputObject.Read(t, at)
	if t.hasData == (t.binarySize >= 0) {
		p.Reject(at, "must have either data or the parameter binary_data_size")
	}
	p.tensors = append(p.tensors, t.input)
	p.sizes = append(p.sizes, t.binarySize)
}

// maxRank bounds the dimensions of a tensor.
const maxRank = 8

func (p *tensorParser) shape(at problem.Path) {
	if p.Peek() != '[' {
		p.Skip()
		p.Reject(at, "must be a list of whole numbers")
		return
	}
	for i := range p.Elements {
		n := p.size(at)
		if i < maxRank {
			p.input.shape = append(p.input.shape, int64(n))
		} else {
			p.Reject(at, "has more than %d dimensions", maxRank)
		}
	}
}

// size reads a whole number from 0.
func (p *parser) size(at problem.Path) int {
	if n, ok := p.Int32(); ok && n >= 0 {
		return int(n)
	}
	p.Reject(at, "must be a whole number from 0 to %d", math.MaxInt32)
	return 0
}

// data reads elements, in lists of lists or in one.
func (p *tensorParser) data(at problem.Path) {
	switch p.Peek() {
	case '[':
		for range p.Elements {
			p.data(at)
		}
	case '"':
		s := p.ReadString()
		if len(p.input.elements) <= p.Limits.MaxTexts {
			p.input.elements = append(p.input.elements, s)
		}
	default:
		p.Skip()
		p.Reject(at, "must be a list of texts")
	}
}

func (p *parser) output(at problem.Path) {
	o := &outputParser{parser: p}
	outputObject.Read(o, at)
	p.outputs = append(p.outputs, o.requested)
}

// infer answers POST /v2/models/{task}[/versions/1]/infer.
func (h *handler) infer(c *gin.Context, state *core.RequestState) error {
	task := c.Param("task")
	if err := h.model(task, c.Param("version")); err != nil {
		return err
	}
	mem := httpbody.NewBuffers(h.core.Bodies)
	defer mem.Release()
	body, err := mem.Read(c.Request, h.core.Limits.MaxBodyBytes)
	if err != nil {
		return err
	}
	q, err := parseREST(body, c.Request.Header.Get(headerLength), h.core.Limits)
	if err != nil {
		return err
	}
	result, err := h.core.Classify(c.Request.Context(), state, &core.Call{Task: task, At: problem.Field("task"), Inputs: q.inputs, InputsAt: textsAt, Options: q.options})
	if err != nil {
		return err
	}
	header, data := appendInferred(mem.Out[:0], task, q, result)
	mem.Out = header
	route.WriteCost(c, state)
	if len(data) == 0 {
		mem.Out = append(header, '\n')
		route.WriteJSON(c, http.StatusOK, mem.Out)
		return nil
	}
	answerHeader := c.Writer.Header()
	answerHeader[headerLength] = []string{strconv.Itoa(len(header))}
	mem.Out = append(header, data...)
	route.Write(c, http.StatusOK, []string{"application/octet-stream"}, mem.Out)
	return nil
}

// appendInferred appends the JSON of an answer, and returns the binary data that
// follow it.
func appendInferred(b []byte, task string, q *request, r *runtime.Result) (header, data []byte) {
	b = jsonbody.AppendString(append(b, `{"model_name":`...), task)
	b = append(b, `,"model_version":"`+Version+`"`...)
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

// appendRaw appends an output in binary form.
func (a *answer) appendRaw(b []byte) []byte {
	b = appendBytesTensor(b, a.strings)
	for _, v := range a.floats {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
