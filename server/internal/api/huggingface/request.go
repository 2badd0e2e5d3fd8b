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
	Parameters wire.Optional[hfSettings] `json:"parameters,omitempty"`
}

type hfSettings struct {
	_          struct{}   `additionalProperties:"true"`
	TopK       *int32     `json:"top_k,omitempty" minimum:"1" maximum:"2147483647" nullable:"true" doc:"Number of labels to return, best first. Default: all."`
	Function   hfFunction `json:"function_to_apply,omitempty" doc:"The function from logits to scores. Default: that of the task's checkpoint."`
	Truncation *bool      `json:"truncation,omitempty" nullable:"true" doc:"Cut inputs that are longer than the model takes. If false, such an input is an error. Default: true."`
}

// hfFunction is the function from logits to scores.
type hfFunction struct{}

// Schema implements [huma.SchemaProvider].
func (hfFunction) Schema(huma.Registry) *huma.Schema { return wire.OneOfOrNull(functions) }

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
}

var bodyObject = jsonbody.NewObject[hfBody](map[string]func(p *parser, at problem.Path){
	"inputs": func(p *parser, _ problem.Path) {
		p.request.inputs, p.request.listed = p.Inputs("inputs", nil)
	},
	"parameters": func(p *parser, at problem.Path) { parametersObject.ReadOrNull(p, at) },
})

var parametersObject = jsonbody.NewObject[hfSettings](map[string]func(p *parser, at problem.Path){
	"top_k": func(p *parser, at problem.Path) { p.request.topK = p.PositiveInt(at) },
	"function_to_apply": func(p *parser, at problem.Path) {
		if function := p.OneOf(at, functions); function != "" {
			p.request.apply, p.request.options.Raw = problemTypes[function], true
		}
	},
	"truncation": func(p *parser, at problem.Path) { p.request.options.Truncate = p.Bool(at, true) },
})

// parse parses a body. The error is a *[problem.Problem].
func parse(body string, limits core.Limits) (*request, error) {
	q := &request{options: runtime.Options{Truncate: true}}
	p := &parser{wire.NewParser(body, limits), q}
	bodyObject.Read(p, problem.Path{})
	if err := p.Finish(); err != nil {
		return nil, err
	}
	return q, nil
}

// inputsAt is the path of the inputs in the request.
func (q *request) inputsAt() problem.Values {
	return problem.Values{Name: "inputs", Listed: q.listed}
}
