package tei

import (
	"github.com/danielgtaylor/huma/v2"

	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/wire"
)

// teiBody is the wire type of a request for POST /tei/{task}/predict.
type teiBody struct {
	_         struct{}     `additionalProperties:"true"`
	Inputs    teiInputs    `json:"inputs"`
	Truncate  *bool        `json:"truncate,omitempty" nullable:"true" doc:"Cut inputs that are longer than the model takes. Otherwise such an input is an error, which is the default."`
	Direction teiDirection `json:"truncation_direction,omitempty" doc:"The side on which inputs are cut. Default: Right."`
	RawScores *bool        `json:"raw_scores,omitempty" nullable:"true" doc:"Return logits instead of probabilities."`
}

// TransformSchema implements [huma.SchemaTransformer].
func (teiBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return wire.WithRefused(s, otherMembers)
}

// teiInputs is a text, a list of one or two texts, or a list of such lists. At
// least one text of a pair is not empty.
type teiInputs struct{}

// Schema implements [huma.SchemaProvider].
func (teiInputs) Schema(huma.Registry) *huma.Schema {
	text := wire.TextSchema()
	text.MinLength = new(1)
	pair := &huma.Schema{
		Type: huma.TypeArray, Items: wire.TextSchema(), MinItems: new(1), MaxItems: new(2),
		Extensions: map[string]any{"contains": map[string]any{"minLength": 1}},
	}
	return &huma.Schema{AnyOf: []*huma.Schema{text, pair, wire.ListSchema(pair, wire.LimitTexts)}}
}

// teiDirection is the side on which inputs are cut.
type teiDirection struct{}

// Schema implements [huma.SchemaProvider].
func (teiDirection) Schema(huma.Registry) *huma.Schema { return wire.OneOfOrNull(directions) }

// request is a parsed request for POST /tei/{task}/predict.
type request struct {
	inputs  []runtime.Input
	batch   bool // inputs is a list of lists
	options runtime.Options
}

var directions = []string{"Right", "right", "Left", "left"}

type parser struct {
	wire.Parser
	request *request
}

var bodyObject = jsonbody.NewObject[teiBody](map[string]func(p *parser, at problem.Path){
	"inputs":   func(p *parser, _ problem.Path) { p.inputs() },
	"truncate": func(p *parser, at problem.Path) { p.request.options.Truncate = p.Bool(at, false) },
	"truncation_direction": func(p *parser, at problem.Path) {
		switch p.OneOf(at, directions) {
		case "Left", "left":
			p.request.options.TruncateAt = runtime.Start
		}
	},
	"raw_scores": func(p *parser, at problem.Path) { p.request.options.Raw = p.Bool(at, false) },
}, otherMembers)

// parse parses a body. inputs is "a" or ["a"], which is one text; ["a", "b"], which
// is one pair; or a list of such lists, which is a batch. The error is a
// *[problem.Problem].
func parse(body string, limits core.Limits) (*request, error) {
	q := &request{options: runtime.Options{TruncateAt: runtime.End}}
	p := &parser{wire.NewParser(body, limits), q}
	bodyObject.Read(p, problem.Path{})
	if err := p.Finish(); err != nil {
		return nil, err
	}
	for i, in := range q.inputs {
		if in.Text == "" && (in.Pair == nil || *in.Pair == "") {
			return nil, emptyProblem(q.inputsAt().At(i))
		}
	}
	if len(q.inputs) == 0 {
		return nil, emptyProblem(problem.Field("inputs"))
	}
	return q, nil
}

// emptyProblem is the problem of an empty text or batch.
func emptyProblem(at problem.Path) error {
	p := problem.Malformed("%s cannot be empty", at)
	p.Kind, p.Field = problem.KindEmpty, at.String()
	return p
}

// inputsAt is the path of the inputs in the request.
func (q *request) inputsAt() problem.Values {
	return problem.Values{Name: "inputs", Listed: q.batch}
}

// inputs reads a text, a list of one or two texts, or a batch.
func (p *parser) inputs() {
	q := p.request
	at := problem.Field("inputs")
	switch p.Peek() {
	case '"':
		q.inputs = []runtime.Input{{Text: p.Text(at)}}
		return
	case '[':
	default:
		p.Unexpected(at, "a text, a list of one or two texts, or a list of such lists")
		return
	}
	var texts []string // of the only input, if it is not a batch
	n := 0
	for i := range p.Elements {
		n++
		if i == 0 {
			q.batch = p.Peek() == '['
		}
		switch {
		case q.batch && i < p.Limits.MaxTexts:
			q.inputs = append(q.inputs, p.pair(q.inputsAt().At(i)))
		case !q.batch && i < 2:
			texts = append(texts, p.Text(at.Element(i)))
		default:
			p.Skip()
		}
	}
	switch {
	case q.batch && n > p.Limits.MaxTexts:
		p.Reject(at, "holds %d texts, at most %d are allowed", n, p.Limits.MaxTexts)
	case !q.batch && n > 2:
		p.Reject(at, "holds %d texts: one or two texts are one input, several inputs must be a list of lists", n)
	case !q.batch && n > 0:
		q.inputs = []runtime.Input{pairOf(texts)}
	}
}

// pair reads an input of a batch: ["a"] or ["a", "b"].
func (p *parser) pair(at problem.Path) runtime.Input {
	if p.Peek() != '[' {
		p.Unexpected(at, "a list of one or two texts, as the first element is")
		return runtime.Input{}
	}
	var texts []string
	n := 0
	for range p.Elements {
		if n++; n <= 2 {
			texts = append(texts, p.Text(at))
		} else {
			p.Skip()
		}
	}
	if n < 1 || n > 2 {
		p.Reject(at, "holds %d texts, must hold one or two", n)
		return runtime.Input{}
	}
	return pairOf(texts)
}

// pairOf is the input of one or two texts.
func pairOf(texts []string) runtime.Input {
	in := runtime.Input{Text: texts[0]}
	if len(texts) > 1 {
		in.Pair = &texts[1]
	}
	return in
}
