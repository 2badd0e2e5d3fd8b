package huggingface

import (
	"github.com/danielgtaylor/huma/v2"

	"kenserve/models"
	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/wire"
)

// hfBody is the wire type of a request for POST /models/{task}.
type hfBody struct {
	_          struct{}                  `additionalProperties:"true"`
	Inputs     wire.Inputs               `json:"inputs"`
	Parameters wire.Optional[hfSettings] `json:"parameters,omitempty" doc:"Settings; see the next table."`
	Options    wire.Optional[hfOptions]  `json:"options,omitempty" doc:"Settings of Hugging Face's own servers; see the table after the next."`
}

// TransformSchema implements [huma.SchemaTransformer].
func (hfBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return wire.WithRefused(s, otherMembers)
}

// hfOptions are settings of Hugging Face's own servers, none of which changes an
// answer.
type hfOptions struct {
	_ struct{} `additionalProperties:"true"`
}

type hfSettings struct {
	_          struct{}   `additionalProperties:"true"`
	TopK       *int32     `json:"top_k,omitempty" minimum:"1" maximum:"2147483647" nullable:"true" doc:"Number of labels to return, best first. Default: all."`
	Function   hfFunction `json:"function_to_apply,omitempty" doc:"The function from logits to scores. Default: that of the task's checkpoint."`
	All        *bool      `json:"return_all_scores,omitempty" nullable:"true" doc:"An older setting: true returns all labels, false the best one. top_k comes first."`
	Truncation hfTruncate `json:"truncation,omitempty" doc:"Cut inputs that are longer than max_length or the model takes, a pair's longer text first. If false, an input that is longer than the model takes is an error, and max_length has no effect. Default: true."`
	Side       hfSide     `json:"truncation_side,omitempty" doc:"The side on which inputs are cut. Default: the one that the tokenizer's files say, or right."`
	MaxLength  *int32     `json:"max_length,omitempty" minimum:"1" maximum:"2147483647" nullable:"true" doc:"Number of tokens to which inputs are cut, special tokens included, if it is less than the model takes."`
	Special    *bool      `json:"add_special_tokens,omitempty" nullable:"true" doc:"Add the model's special tokens. Default: true."`
}

// TransformSchema implements [huma.SchemaTransformer].
func (hfSettings) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return wire.WithRefused(s, otherParameters)
}

// hfFunction is the function from logits to scores.
type hfFunction struct{}

// Schema implements [huma.SchemaProvider].
func (hfFunction) Schema(huma.Registry) *huma.Schema { return wire.OneOfOrNull(functions) }

// hfTruncate is true, false, or the name of one of them.
type hfTruncate struct{}

// Schema implements [huma.SchemaProvider].
func (hfTruncate) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Enum: []any{true, false, longestFirst, doNotTruncate, nil}}
}

// The names that transformers has for two ways to truncate.
const (
	longestFirst  = "longest_first"
	doNotTruncate = "do_not_truncate"
)

// hfSide is the side on which inputs are cut.
type hfSide struct{}

// Schema implements [huma.SchemaProvider].
func (hfSide) Schema(huma.Registry) *huma.Schema { return wire.OneOfOrNull(sides) }

var sides = []string{"left", "right"}

// cutAt has the end that each side means; null leaves it to the tokenizer's files.
var cutAt = map[string]runtime.TruncateAt{"left": runtime.Start, "right": runtime.End}

// request is a parsed request for POST /models/{task}.
type request struct {
	inputs  []runtime.Input
	listed  bool           // inputs is a list
	topK    int            // 0: all
	apply   models.Problem // empty: that of the task
	options runtime.Options
}

// functions are the values of function_to_apply. problemTypes has the problem type
// that turns logits into scores with each function.
var (
	functions    = []string{"softmax", "sigmoid", "none"}
	problemTypes = map[string]models.Problem{
		"softmax": models.SingleLabel,
		"sigmoid": models.MultiLabel,
		"none":    models.Regression,
	}
)

type parser struct {
	wire.Parser
	request *request
	bestOne bool // return_all_scores is false
}

var bodyObject = jsonbody.NewObject[hfBody](map[string]func(p *parser, at problem.Path){
	"inputs": func(p *parser, _ problem.Path) {
		p.request.inputs, p.request.listed = p.Inputs("inputs", nil)
	},
	"parameters": func(p *parser, at problem.Path) { parametersObject.ReadOrNull(p, at) },
	"options":    func(p *parser, at problem.Path) { optionsObject.ReadOrNull(p, at) },
}, otherMembers)

var optionsObject = jsonbody.NewObject[hfOptions](map[string]func(p *parser, at problem.Path){}, otherOptions)

var parametersObject = jsonbody.NewObject[hfSettings](map[string]func(p *parser, at problem.Path){
	"top_k": func(p *parser, at problem.Path) { p.request.topK = p.PositiveInt(at) },
	"function_to_apply": func(p *parser, at problem.Path) {
		if function := p.OneOf(at, functions); function != "" {
			p.request.apply, p.request.options.Raw = problemTypes[function], true
		}
	},
	"return_all_scores":  func(p *parser, at problem.Path) { p.bestOne = !p.Bool(at, true) },
	"truncation":         func(p *parser, at problem.Path) { p.request.options.Truncate = p.truncation(at) },
	"truncation_side":    func(p *parser, at problem.Path) { p.request.options.TruncateAt = cutAt[p.OneOf(at, sides)] },
	"max_length":         func(p *parser, at problem.Path) { p.request.options.MaxTokens = p.PositiveInt(at) },
	"add_special_tokens": func(p *parser, at problem.Path) { p.request.options.NoSpecialTokens = !p.Bool(at, true) },
}, otherParameters)

// truncation reads true, false, null, or the name of true or false.
func (p *parser) truncation(at problem.Path) bool {
	if p.Peek() == '"' {
		return p.OneOf(at, []string{longestFirst, doNotTruncate}) != doNotTruncate
	}
	return p.Bool(at, true)
}

// parse parses a body. The error is a *[problem.Problem].
func parse(body string, limits core.Limits) (*request, error) {
	q := &request{options: runtime.Options{Truncate: true}}
	p := &parser{Parser: wire.NewParser(body, limits), request: q}
	bodyObject.Read(p, problem.Path{})
	if err := p.Finish(); err != nil {
		return nil, err
	}
	if p.bestOne && q.topK == 0 {
		q.topK = 1
	}
	if !q.options.Truncate {
		q.options.MaxTokens = 0 // as in transformers, it only says where to cut
	}
	return q, nil
}

// inputsAt is the path of the inputs in the request.
func (q *request) inputsAt() problem.Values {
	return problem.Values{Name: "inputs", Listed: q.listed}
}
