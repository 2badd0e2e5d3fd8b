package vllm

import (
	"cmp"
	"math"

	"github.com/danielgtaylor/huma/v2"

	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/wire"
)

// vllmBody is the wire type of a request for POST /vllm/classify.
type vllmBody struct {
	_          struct{}     `additionalProperties:"true"`
	Model      wire.Task    `json:"model"`
	Input      vllmInput    `json:"input"`
	Truncate   vllmTruncate `json:"truncate_prompt_tokens,omitempty" doc:"Number of tokens to keep, special tokens included; -1: as many as the model takes, which is also the bound of other numbers. By default an input with too many tokens is an error."`
	Side       vllmSide     `json:"truncation_side,omitempty" doc:"The side on which truncate_prompt_tokens cuts. By default texts lose their last tokens, lists of token ids their first."`
	Special    *bool        `json:"add_special_tokens,omitempty" nullable:"true" doc:"Add the model's special tokens to texts. Nothing is added to token ids. Default: true."`
	Activation *bool        `json:"use_activation,omitempty" nullable:"true" doc:"Return probabilities if true, logits if false. Default: true."`
	Softmax    *bool        `json:"softmax,omitempty" nullable:"true" doc:"An older name of use_activation, which comes first, and of activation."`
	Older      *bool        `json:"activation,omitempty" nullable:"true" doc:"An older name of use_activation, which comes first."`
	RequestID  *string      `json:"request_id,omitempty" maxLength:"128" nullable:"true" doc:"The answer's id is classify- and this. Default: the id of the header x-request-id."`
}

// TransformSchema implements [huma.SchemaTransformer].
func (vllmBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return wire.WithRefused(s, otherMembers)
}

// vllmInput is a text, a list of texts, a list of the token ids of one input, or a
// list of such lists.
type vllmInput struct{}

// Schema implements [huma.SchemaProvider].
func (vllmInput) Schema(huma.Registry) *huma.Schema {
	ids := &huma.Schema{
		Type: huma.TypeArray, MinItems: new(1),
		Items: wire.WithLimit(&huma.Schema{Type: huma.TypeInteger, Minimum: new(0.0)}, wire.LimitIDs),
	}
	return &huma.Schema{AnyOf: []*huma.Schema{wire.TextSchema(), wire.ListSchema(wire.TextSchema(), wire.LimitTexts), ids, wire.ListSchema(ids, wire.LimitTexts)}}
}

// vllmTruncate is a number of tokens, -1, or null.
type vllmTruncate struct{}

// Schema implements [huma.SchemaProvider].
func (vllmTruncate) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		{Type: huma.TypeInteger, Minimum: new(1.0), Maximum: new(float64(math.MaxInt32))},
		{Enum: []any{-1, nil}},
	}}
}

// vllmSide is the side on which inputs are cut.
type vllmSide struct{}

// Schema implements [huma.SchemaProvider].
func (vllmSide) Schema(huma.Registry) *huma.Schema { return wire.OneOfOrNull(sides) }

var sides = []string{"left", "right"}

// request is a parsed request for POST /vllm/classify.
type request struct {
	task    string
	inputs  []runtime.Input
	listed  bool // input is a list of texts, or of lists of token ids
	options runtime.Options
	id      string // empty: the server's
}

type parser struct {
	wire.Parser
	request    *request
	side       string   // empty: the default
	activation [3]*bool // use_activation and its older names
}

var bodyObject = jsonbody.NewObject[vllmBody](map[string]func(p *parser, at problem.Path){
	"model": func(p *parser, at problem.Path) { p.request.task = p.TaskName(at, "the name of a task") },
	"input": func(p *parser, _ problem.Path) { p.input() },
	"truncate_prompt_tokens": func(p *parser, at problem.Path) {
		p.request.options.MaxTokens, p.request.options.Truncate = p.truncate(at)
	},
	"truncation_side":    func(p *parser, at problem.Path) { p.side = p.OneOf(at, sides) },
	"add_special_tokens": func(p *parser, at problem.Path) { p.request.options.NoSpecialTokens = !p.Bool(at, true) },
	"use_activation":     func(p *parser, at problem.Path) { p.activation[0] = p.optionalBool(at) },
	"activation":         func(p *parser, at problem.Path) { p.activation[1] = p.optionalBool(at) },
	"softmax":            func(p *parser, at problem.Path) { p.activation[2] = p.optionalBool(at) },
	"request_id":         func(p *parser, at problem.Path) { p.request.id = p.requestID(at) },
}, otherMembers)

// parse parses a body. The error is a *[problem.Problem].
func parse(body string, limits core.Limits) (*request, error) {
	q := new(request)
	p := &parser{Parser: wire.NewParser(body, limits), request: q}
	bodyObject.Read(p, problem.Path{})
	if err := p.Finish(); err != nil {
		return nil, err
	}
	if use := cmp.Or(p.activation[:]...); use != nil {
		q.options.Raw = !*use
	}
	// As in vLLM, texts lose their last tokens, lists of ids their first, unless the
	// request says otherwise.
	if q.options.TruncateAt = runtime.End; p.side == "left" || p.side == "" && q.inputs[0].IDs != nil {
		q.options.TruncateAt = runtime.Start
	}
	return q, nil
}

// optionalBool reads true, false or null.
func (p *parser) optionalBool(at problem.Path) *bool {
	if p.Null() {
		return nil
	}
	return new(p.Bool(at, true))
}

// maxRequestID is the number of bytes that a request_id may have.
const maxRequestID = 128

// requestID reads the end of the answer's id.
func (p *parser) requestID(at problem.Path) string {
	if p.Null() {
		return ""
	}
	id := p.String(at)
	if len(id) > maxRequestID {
		p.Reject(at, "has %d bytes, at most %d are allowed", len(id), maxRequestID)
	}
	return id
}

// inputsAt is the path of the inputs in the request.
func (q *request) inputsAt() problem.Values {
	return problem.Values{Name: "input", Listed: q.listed}
}

// input reads a text, a list of texts, a list of the token ids of one input, or a
// list of such lists.
func (p *parser) input() {
	q := p.request
	at := problem.Field("input")
	switch p.Peek() {
	case '"':
		q.inputs = []runtime.Input{{Text: p.Text(at)}}
		return
	case '[':
	default:
		p.Unexpected(at, "a text, a list of token ids, or a list of either")
		return
	}
	var kind byte // first byte of the first element; '0': a number
	ids := []int32{}
	n := 0
	for i := range p.Elements {
		n++
		next := p.Peek()
		if next == '-' || '0' <= next && next <= '9' {
			next = '0'
		}
		if i == 0 {
			kind, q.listed = next, next != '0'
		}
		switch {
		case next != kind:
			p.Unexpected(at.Element(i), "of the same type as the first element")
		case kind == '0':
			ids = append(ids, p.tokenID(at.Element(i)))
		case i >= p.Limits.MaxTexts:
			p.Skip()
		case kind == '"':
			q.inputs = append(q.inputs, runtime.Input{Text: p.Text(q.inputsAt().At(i))})
		case kind == '[':
			q.inputs = append(q.inputs, runtime.Input{IDs: p.tokenIDs(q.inputsAt().At(i))})
		default:
			p.Unexpected(at.Element(i), "a text, a token id, or a list of token ids")
		}
	}
	switch {
	case n == 0:
		p.Reject(at, "must hold at least one text or token id")
	case kind == '0':
		q.inputs = []runtime.Input{{IDs: ids}}
	case n > p.Limits.MaxTexts:
		p.Reject(at, "holds %d texts, at most %d are allowed", n, p.Limits.MaxTexts)
	}
}

// tokenIDs reads a list of token ids.
func (p *parser) tokenIDs(at problem.Path) []int32 {
	ids := []int32{}
	for range p.Elements {
		ids = append(ids, p.tokenID(at))
	}
	if len(ids) == 0 {
		p.Reject(at, "must hold at least one token id")
	}
	return ids
}

// tokenID reads a token id.
func (p *parser) tokenID(at problem.Path) int32 {
	return p.Int(at, "a token id, a whole number from 0 to 2147483647", func(n int32) bool { return n >= 0 })
}

// truncate reads the number of tokens to keep. For null nothing is cut; for -1
// tokens is 0, which means as many as the model takes.
func (p *parser) truncate(at problem.Path) (tokens int, truncate bool) {
	if p.Null() {
		return 0, false
	}
	n := p.Int(at, "a whole number of at least 1, -1 for as many as the model takes, or null", func(n int32) bool { return n >= -1 && n != 0 })
	return int(max(n, 0)), true
}
