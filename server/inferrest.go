package server

import (
	"encoding/binary"
	"math"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// Inference over REST, with the binary tensor data extension: a request may be
// its JSON, of as many bytes as Inference-Header-Content-Length says, and then
// the data of the inputs that have a binary_data_size, in their order. The
// answer is built likewise for the outputs that are asked for as binary_data.

const headerLength = "Inference-Header-Content-Length"

// inferBody is a request on the wire, and what it is made of.
type (
	inferBody struct {
		_          struct{}                   `additionalProperties:"true"`
		Inputs     []inferInput               `json:"inputs" minItems:"1" maxItems:"16" doc:"The tensor text, and text_pair if there are pairs."`
		ID         *string                    `json:"id,omitempty" nullable:"true" doc:"Repeated in the answer."`
		Parameters optional[inferSettings]    `json:"parameters,omitempty"`
		Outputs    optional[[]inferRequested] `json:"outputs,omitempty" doc:"What to return; all without."`
	}
	inferSettings struct {
		_         struct{} `additionalProperties:"true"`
		Binary    *bool    `json:"binary_data_output,omitempty" nullable:"true" doc:"Outputs that do not say otherwise are binary."`
		RawScores *bool    `json:"raw_scores,omitempty" nullable:"true" doc:"Logits instead of probabilities."`
		Truncate  *bool    `json:"truncate,omitempty" nullable:"true" doc:"Cut what is longer than the model takes, true without."`
	}
	inferInput struct {
		_          struct{}                     `additionalProperties:"true"`
		Name       string                       `json:"name"`
		Shape      []int32                      `json:"shape" minimum:"0" maximum:"2147483647" minItems:"1" maxItems:"8" doc:"Any, of one element a text."`
		Datatype   string                       `json:"datatype" enum:"BYTES"`
		Data       inferData                    `json:"data,omitempty" doc:"The texts, in lists of lists or in one; or else the parameter binary_data_size."`
		Parameters optional[inferInputSettings] `json:"parameters,omitempty"`
	}
	inferInputSettings struct {
		_    struct{} `additionalProperties:"true"`
		Size int32    `json:"binary_data_size,omitempty" minimum:"0" maximum:"2147483647" doc:"Bytes of this tensor behind the JSON, as the binary tensor data extension has it."`
	}
	inferRequested struct {
		_          struct{}                      `additionalProperties:"true"`
		Name       string                        `json:"name" enum:"label,score,probabilities"`
		Parameters optional[inferOutputSettings] `json:"parameters,omitempty"`
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
	Model   wireTask         `json:"model_name"`
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

var (
	inferMembers          = membersOf[inferBody]()
	inferParameters       = membersOf[inferSettings]()
	inferInputMembers     = membersOf[inferInput]()
	inferInputParameters  = membersOf[inferInputSettings]()
	inferOutputMembers    = membersOf[inferRequested]()
	inferOutputParameters = membersOf[inferOutputSettings]()
)

// inferParser reads a request's JSON.
type inferParser struct {
	bodyParser
	request *inferRequest
	binary  bool // outputs are binary if not said otherwise
	tensors []inferTensor
	sizes   []int // of the tensors' binary data; -1: none
	outputs []requestedOutput
}

// requestedOutput is an output as it is asked for, before the default of the
// request is known.
type requestedOutput struct {
	inferOutput
	saysBinary bool
}

// maxTensors bounds the lists of inputs and outputs: nobody has as many.
const maxTensors = 16

// parseInfer parses a body. length is the header Inference-Header-Content-Length,
// empty if it was not sent.
func parseInfer(body, length string, o *Options) (*inferRequest, error) {
	header, rest := body, ""
	if length != "" {
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > len(body) {
			return nil, problem.Malformed("the header %s is %s, the body has %d bytes", headerLength, problem.Quote(length), len(body))
		}
		header, rest = body[:n], body[n:]
	}
	p := inferParser{
		bodyParser: newBodyParser(header, o),
		request:    &inferRequest{options: runtime.Options{Truncate: true}},
	}
	p.parse()
	if err := p.done(); err != nil {
		return nil, err
	}
	q := p.request
	for i, size := range p.sizes {
		if size < 0 {
			continue
		}
		at := inferAt(i)
		if size > len(rest) {
			return nil, problem.Invalid(at, "has %d bytes of binary data, %d are left of the body", size, len(rest))
		}
		if err := takeBytes(&p.tensors[i], at, rest[:size], o); err != nil {
			return nil, err
		}
		rest = rest[size:]
	}
	if rest != "" {
		return nil, problem.Malformed("the body has %d bytes behind the last input", len(rest))
	}
	if err := q.take(p.tensors, o); err != nil {
		return nil, err
	}
	for i, out := range p.outputs {
		if !out.saysBinary {
			out.binary = p.binary
		}
		if err := q.want(problem.Field("outputs").Element(i), out.inferOutput); err != nil {
			return nil, err
		}
	}
	if len(q.outputs) == 0 {
		for _, name := range []string{outLabel, outScore, outProbabilities} {
			q.outputs = append(q.outputs, inferOutput{name: name, binary: p.binary})
		}
	}
	return q, nil
}

func (p *inferParser) parse() {
	q := p.request
	p.object(problem.Path{}, inferMembers, func(i int) {
		at := inferMembers.at(problem.Path{}, i)
		switch i {
		case 0:
			p.list(at, p.tensor)
		case 1:
			if !p.null() {
				q.id = p.word(at)
			}
		case 2:
			p.settings(at, inferParameters, func(i int) {
				at := inferParameters.at(at, i)
				switch i {
				case 0:
					p.binary = p.boolean(at, false)
				case 1:
					q.options.Raw = p.boolean(at, false)
				case 2:
					q.options.Truncate = p.boolean(at, true)
				}
			})
		case 3:
			if !p.null() {
				p.list(at, p.output)
			}
		}
	})
}

// list reads a short list.
func (p *inferParser) list(at problem.Path, read func(at problem.Path)) {
	if p.look() != '[' {
		p.skip()
		p.reject(at, "must be a list")
		return
	}
	for i := range p.elements {
		if i < maxTensors {
			read(at.Element(i))
			continue
		}
		p.skip()
		p.reject(at, "holds more than %d tensors", maxTensors)
	}
}

// settings reads an object of parameters, all of them optional.
func (p *inferParser) settings(at problem.Path, members memberList, read func(i int)) {
	if !p.null() {
		p.object(at, members, read)
	}
}

func (p *inferParser) tensor(at problem.Path) {
	var t inferTensor
	size, data := -1, false
	p.object(at, inferInputMembers, func(i int) {
		member := inferInputMembers.at(at, i)
		switch i {
		case 0:
			t.name = p.word(member)
		case 1:
			p.shape(member, &t)
		case 2:
			t.datatype = p.word(member)
		case 3:
			data = true
			p.data(member, &t)
		case 4:
			p.settings(member, inferInputParameters, func(int) {
				size = p.size(inferInputParameters.at(member, 0))
			})
		}
	})
	if data == (size >= 0) {
		p.reject(at, "must have either data or the parameter binary_data_size")
	}
	p.tensors = append(p.tensors, t)
	p.sizes = append(p.sizes, size)
}

// maxRank bounds the dimensions of a tensor.
const maxRank = 8

func (p *inferParser) shape(at problem.Path, t *inferTensor) {
	if p.look() != '[' {
		p.skip()
		p.reject(at, "must be a list of whole numbers")
		return
	}
	for i := range p.elements {
		n := p.size(at)
		if i < maxRank {
			t.shape = append(t.shape, int64(n))
		} else {
			p.reject(at, "has more than %d dimensions", maxRank)
		}
	}
}

// size reads a whole number from 0.
func (p *inferParser) size(at problem.Path) int {
	if c := p.look(); c != '-' && (c < '0' || c > '9') {
		p.skip()
	} else if n, ok := wholeNumber(p.number()); ok && n >= 0 {
		return int(n)
	}
	p.reject(at, "must be a whole number from 0 to %d", math.MaxInt32)
	return 0
}

// data reads elements, in lists of lists or in one.
func (p *inferParser) data(at problem.Path, t *inferTensor) {
	switch p.look() {
	case '[':
		for range p.elements {
			p.data(at, t)
		}
	case '"':
		s := p.str()
		if len(t.elements) <= p.options.MaxTexts {
			t.elements = append(t.elements, s)
		}
	default:
		p.skip()
		p.reject(at, "must be a list of texts")
	}
}

func (p *inferParser) output(at problem.Path) {
	var out requestedOutput
	p.object(at, inferOutputMembers, func(i int) {
		member := inferOutputMembers.at(at, i)
		if i == 0 {
			out.name = p.word(member)
			return
		}
		p.settings(member, inferOutputParameters, func(i int) {
			at := inferOutputParameters.at(member, i)
			if i == 0 {
				out.saysBinary = true
				out.binary = p.boolean(at, false)
			} else {
				out.classes = p.size(at)
			}
		})
	})
	p.outputs = append(p.outputs, out)
}

// infer answers POST /v2/models/{task}[/versions/1]/infer.
func (s *Server) infer(c *gin.Context, x *exchange) error {
	task := c.Param("task")
	if err := s.model(task, c.Param("version")); err != nil {
		return err
	}
	mem := newScratch(&s.bodies)
	defer mem.release()
	body, err := mem.readBody(c.Request, s.options.MaxBodyBytes)
	if err != nil {
		return err
	}
	q, err := parseInfer(body, c.Request.Header.Get(headerLength), &s.options)
	if err != nil {
		return err
	}
	result, err := s.perform(c.Request.Context(), x, &call{task, problem.Field("task"), q.inputs, q.inputAt, q.options})
	if err != nil {
		return err
	}
	header, data := appendInferred(mem.out[:0], task, q, result)
	mem.out = header
	writeCost(c, x)
	if len(data) == 0 {
		mem.out = append(header, '\n')
		writeJSON(c, http.StatusOK, mem.out)
		return nil
	}
	h := c.Writer.Header()
	h[headerLength] = []string{strconv.Itoa(len(header))}
	mem.out = append(header, data...)
	write(c, http.StatusOK, octets, mem.out)
	return nil
}

// appendInferred appends the JSON of an answer, and returns the binary data that
// follow it.
func appendInferred(b []byte, task string, q *inferRequest, r *runtime.Result) (header, data []byte) {
	b = appendString(append(b, `{"model_name":`...), task)
	b = append(b, `,"model_version":"`+inferVersion+`"`...)
	if q.id != "" {
		b = appendString(append(b, `,"id":`...), q.id)
	}
	b = append(b, `,"outputs":[`...)
	for i, a := range q.answers(r) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"name":`...), a.name)
		b = appendString(append(b, `,"datatype":`...), a.datatype)
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
			b = appendString(b, s)
		}
		for j, v := range a.floats {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendScore(b, v)
		}
		b = append(b, "]}"...)
	}
	return append(b, "]}"...), data
}

// appendRaw appends an output in binary form.
func (a *inferAnswer) appendRaw(b []byte) []byte {
	b = appendBytesTensor(b, a.strings)
	for _, v := range a.floats {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
