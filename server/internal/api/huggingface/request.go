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

// The text classification of Hugging Face's inference clients, for a model that
// is an address of its own: http://host/models/{task}.

// hfBody is a request for POST /models/{task} on the wire.
type hfBody struct {
	_          struct{}                  `additionalProperties:"true"`
	Inputs     wire.Inputs               `json:"inputs"`
	Parameters wire.Optional[hfSettings] `json:"parameters,omitempty"`
}

type hfSettings struct {
	_          struct{}   `additionalProperties:"true"`
	TopK       *int32     `json:"top_k,omitempty" minimum:"1" maximum:"2147483647" nullable:"true" doc:"How many labels to return, best first; all without."`
	Function   hfFunction `json:"function_to_apply,omitempty" doc:"What makes scores of logits; without, what the task's checkpoint says."`
	Truncation *bool      `json:"truncation,omitempty" nullable:"true" doc:"Cut what is longer than the model takes, true without. With false that is an error."`
}

type hfFunction struct{}

// Schema implements [huma.SchemaProvider].
func (hfFunction) Schema(huma.Registry) *huma.Schema { return wire.WordOrNull(functions) }

// request is a parsed request for POST /models/{task}.
type request struct {
	inputs  []runtime.Input
	listed  bool
	topK    int            // 0: all
	apply   models.Problem // empty: what the task's own problem asks for
	options runtime.Options
}

// functions are the values of function_to_apply, and problemTypes what they
// make of logits.
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

// parse parses a body.
func parse(body string, limits core.Limits) (*request, error) {
	q := &request{options: runtime.Options{Truncate: true}}
	p := &parser{wire.NewParser(body, limits), q}
	bodyObject.Read(p, problem.Path{})
	if err := p.Finish(); err != nil {
		return nil, err
	}
	return q, nil
}

func (q *request) inputsAt() problem.Values {
	return problem.Values{Name: "inputs", Listed: q.listed}
}
