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

// The classification API of vLLM.

// vllmBody is a request for POST /vllm/classify on the wire.
type vllmBody struct {
	_          struct{}     `additionalProperties:"true"`
	Model      wire.Task    `json:"model"`
	Input      vllmInput    `json:"input"`
	Truncate   vllmTruncate `json:"truncate_prompt_tokens,omitempty" doc:"How many tokens are kept, -1 for as many as the model takes; without, too many are an error."`
	Activation *bool        `json:"use_activation,omitempty" nullable:"true" doc:"Probabilities, true without; with false logits."`
}

// vllmInput is a text, a list of texts, the token ids of one input, or a list of
// such lists.
type vllmInput struct{}

// Schema implements [huma.SchemaProvider].
func (vllmInput) Schema(huma.Registry) *huma.Schema {
	ids := &huma.Schema{
		Type: huma.TypeArray, MinItems: wire.Ptr(1),
		Items: wire.WithLimit(&huma.Schema{Type: huma.TypeInteger, Minimum: wire.Ptr(0.0)}, wire.LimitIDs),
	}
	return &huma.Schema{AnyOf: []*huma.Schema{wire.TextSchema(), wire.ListSchema(wire.TextSchema(), wire.LimitTexts), ids, wire.ListSchema(ids, wire.LimitTexts)}}
}

type vllmTruncate struct{}

// Schema implements [huma.SchemaProvider].
func (vllmTruncate) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		{Type: huma.TypeInteger, Minimum: wire.Ptr(1.0), Maximum: wire.Ptr(float64(math.MaxInt32))},
		{Enum: []any{-1, nil}},
	}}
}

// request is a parsed request for POST /vllm/classify.
type request struct {
	task    string
	inputs  []runtime.Input
	listed  bool
	options runtime.Options
}

type parser struct {
	wire.Parser
	request *request
}

var bodyObject = jsonbody.NewObject[vllmBody](map[string]func(p *parser, at problem.Path){
	"model": func(p *parser, at problem.Path) { p.request.task = p.TaskName(at, "must be a task's name") },
	"input": func(p *parser, _ problem.Path) { p.input() },
	"truncate_prompt_tokens": func(p *parser, at problem.Path) {
		p.request.options.MaxTokens, p.request.options.Truncate = p.truncate(at)
	},
	"use_activation": func(p *parser, at problem.Path) { p.request.options.Raw = !p.Bool(at, true) },
})

// parse parses a body.
func parse(body string, limits core.Limits) (*request, error) {
	q := new(request)
	p := &parser{wire.NewParser(body, limits), q}
	bodyObject.Read(p, problem.Path{})
	if err := p.Finish(); err != nil {
		return nil, err
	}
	// As there, texts lose their last tokens and lists of ids their first.
	q.options.TruncateLeft = q.inputs[0].IDs != nil
	return q, nil
}

func (q *request) inputsAt() problem.Values {
	return problem.Values{Name: "input", Listed: q.listed}
}

// input reads a text, a list of texts, the ids of one input, or a list of
// such lists.
func (p *parser) input() {
	q := p.request
	const otherwise = "must be a text, a list of token ids, or a list of either"
	at := problem.Field("input")
	switch p.Peek() {
	case '"':
		q.inputs = []runtime.Input{{Text: p.Text(at)}}
		return
	case '[':
	default:
		p.Skip()
		p.Reject(at, otherwise)
		return
	}
	var kind byte // what the first element begins with
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
			p.Skip()
			p.Reject(problem.Field("input").Element(i), "is not of the kind of the first element")
		case kind == '0':
			ids = append(ids, p.tokenID(problem.Field("input").Element(i)))
		case i >= p.Limits.MaxTexts:
			p.Skip()
		case kind == '"':
			q.inputs = append(q.inputs, runtime.Input{Text: p.Text(q.inputsAt().At(i))})
		case kind == '[':
			q.inputs = append(q.inputs, runtime.Input{IDs: p.tokenIDs(q.inputsAt().At(i))})
		default:
			p.Skip()
			p.Reject(problem.Field("input").Element(i), "must be a text, a token id, or a list of token ids")
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

func (p *parser) tokenID(at problem.Path) int32 {
	if id, ok := p.Int32(); ok && id >= 0 {
		return id
	}
	p.Reject(at, "must be a token id, a whole number from 0 to %d", math.MaxInt32)
	return 0
}

// truncate reads how many tokens are kept: null is all, or an error; -1 is
// what the model takes, which is 0 here.
func (p *parser) truncate(at problem.Path) (tokens int, truncate bool) {
	if p.Null() {
		return 0, false
	}
	if n, ok := p.Int32(); ok && n >= -1 && n != 0 {
		return int(max(n, 0)), true
	}
	p.Reject(at, "must be a whole number from 1, -1 for what the model takes, or null")
	return 0, false
}
