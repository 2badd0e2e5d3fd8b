package native

import (
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/wire"
)

// classifyBody is a request for POST /classify on the wire.
type classifyBody struct {
	_         struct{}    `additionalProperties:"true"`
	Model     wireModels  `json:"model"`
	Input     wire.Inputs `json:"input"`
	TopK      *int32      `json:"top_k,omitempty" minimum:"1" maximum:"2147483647" nullable:"true" doc:"How many labels to return, best first; all without."`
	RawScores *bool       `json:"raw_scores,omitempty" nullable:"true" doc:"Logits instead of probabilities; false without."`
	Truncate  *bool       `json:"truncate,omitempty" nullable:"true" doc:"Cut what is longer than the model takes, true without. With false that is an error."`
}

// wireModels is a task or a list of different ones.
type wireModels struct{}

// Schema implements [huma.SchemaProvider].
func (wireModels) Schema(r huma.Registry) *huma.Schema {
	list := wire.ListSchema(wire.Task("").Schema(r), wire.LimitTasks)
	list.UniqueItems = true
	return &huma.Schema{AnyOf: []*huma.Schema{wire.Task("").Schema(r), list}}
}

// classifyRequest is a parsed request for POST /classify.
type classifyRequest struct {
	tasks    []string // distinct, each a valid name
	several  bool     // model was a list
	inputs   []runtime.Input
	listed   bool // input was a list
	topK     int  // 0: all labels
	raw      bool
	truncate bool

	// Room for the usual request, one text for one task.
	task  [1]string
	input [1]runtime.Input
}

func (q *classifyRequest) tasksAt() problem.Values {
	return problem.Values{Name: "model", Listed: q.several}
}

func (q *classifyRequest) inputsAt() problem.Values {
	return problem.Values{Name: "input", Listed: q.listed}
}

// parseClassify parses a body.
func parseClassify(body string, limits core.Limits) (*classifyRequest, error) {
	p := &classifyParser{wire.NewParser(body, limits), &classifyRequest{truncate: true}}
	classifyObject.Read(p, problem.Path{})
	if err := p.Finish(); err != nil {
		return nil, err
	}
	return p.request, nil
}

type classifyParser struct {
	wire.Parser
	request *classifyRequest
}

var classifyObject = jsonbody.NewObject[classifyBody](map[string]func(p *classifyParser, at problem.Path){
	"model":      func(p *classifyParser, _ problem.Path) { p.model() },
	"input":      func(p *classifyParser, _ problem.Path) { p.inputs() },
	"top_k":      func(p *classifyParser, at problem.Path) { p.request.topK = p.PositiveInt(at) },
	"raw_scores": func(p *classifyParser, at problem.Path) { p.request.raw = p.Bool(at, false) },
	"truncate":   func(p *classifyParser, at problem.Path) { p.request.truncate = p.Bool(at, true) },
})

// model reads a name or a list of names.
func (p *classifyParser) model() {
	q := p.request
	q.tasks = q.task[:0]
	if p.Peek() != '[' {
		q.tasks = append(q.tasks, p.TaskName(q.tasksAt().At(0), "must be a task's name or a list of such names"))
		return
	}
	q.several = true
	n := 0
	for i := range p.Elements {
		n++
		if i >= p.Limits.MaxTasks {
			p.Skip()
			continue
		}
		name := p.TaskName(q.tasksAt().At(i), "must be a task's name")
		if slices.Contains(q.tasks, name) {
			p.Reject(q.tasksAt().At(i), "names task %s again", problem.Quote(name))
		}
		q.tasks = append(q.tasks, name)
	}
	switch {
	case n == 0:
		p.Reject(problem.Field("model"), "must name at least one task")
	case n > p.Limits.MaxTasks:
		p.Reject(problem.Field("model"), "names %d tasks, at most %d are allowed", n, p.Limits.MaxTasks)
	}
}

// inputs reads a text, an object, or a list of either.
func (p *classifyParser) inputs() {
	q := p.request
	q.inputs, q.listed = p.Inputs("input", q.input[:0])
}
