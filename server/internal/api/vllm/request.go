package vllm

import (
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
	Truncate   vllmTruncate `json:"truncate_prompt_tokens,omitempty" doc:"Number of tokens to keep; -1: as many as the model takes. By default an input with too many tokens is an error."`
	Activation *bool        `json:"use_activation,omitempty" nullable:"true" doc:"Return probabilities if true, logits if false. Default: true."`
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

// request is a parsed request for POST /vllm/classify.
type request struct {
	task    string
	inputs  []runtime.Input
	listed  bool // input is a list of texts, or of lists of token ids
	options runtime.Options
}

type parser struct {
	wire.Parser
	request *request
}

var bodyObject = jsonbody.NewObject[vllmBody](map[string]func(p *parser, at problem.Path){
	"model": func(p *parser, at problem.Path) { p.request.task = p.TaskName(at, "the name of a task") },
	"input": func(p *parser, _ problem.Path) { p.input() },
	"truncate_prompt_tokens": func(p *parser, at problem.Path) {
		p.request.options.MaxTokens, p.request.options.Truncate = p.truncate(at)
	},
	"use_activation": func(p *parser, at problem.Path) { p.request.options.Raw = !p.Bool(at, true) },
})

// parse parses a body. The error is a *[problem.Problem].
func parse(body string, limits core.Limits) (*request, error) {
	q := new(request)
	p := &parser{wire.NewParser(body, limits), q}
	bodyObject.Read(p, problem.Path{})
	if err := p.Finish(); err != nil {
		return nil, err
	}
	// As in vLLM, texts lose their last tokens, lists of ids their first.
	q.options.TruncateLeft = q.inputs[0].IDs != nil
	return q, nil
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
