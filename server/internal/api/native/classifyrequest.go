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

// classifyBody is the wire type of a request for POST /classify.
type classifyBody struct {
	_         struct{}    `additionalProperties:"false"`
	Model     modelNames  `json:"model"`
	Input     wire.Inputs `json:"input"`
	TopK      *int32      `json:"top_k,omitempty" minimum:"1" maximum:"2147483647" nullable:"true" doc:"Number of labels to return, best first. Default: all."`
	RawScores *bool       `json:"raw_scores,omitempty" nullable:"true" doc:"Return logits instead of probabilities. Default: false."`
	Truncate  *bool       `json:"truncate,omitempty" nullable:"true" doc:"Cut inputs that are longer than the model takes. If false, such an input is an error. Default: true."`
}

// TransformSchema implements [huma.SchemaTransformer].
func (classifyBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return wire.WithRefused(s, otherMembers)
}

// modelNames is the name of a task, or a list of different names.
type modelNames struct{}

// Schema implements [huma.SchemaProvider].
func (modelNames) Schema(r huma.Registry) *huma.Schema {
	list := wire.ListSchema(wire.Task("").Schema(r), wire.LimitTasks)
	list.UniqueItems = true
	return &huma.Schema{AnyOf: []*huma.Schema{wire.Task("").Schema(r), list}}
}

// classifyRequest is a parsed request for POST /classify.
type classifyRequest struct {
	tasks       []string // different, valid names
	modelListed bool     // model is a list
	inputs      []runtime.Input
	inputListed bool // input is a list
	topK        int  // 0: all labels
	options     runtime.Options

	// Memory for the most common request: one text, one task.
	oneTask  [1]string
	oneInput [1]runtime.Input
}

// tasksAt is the path of the tasks in the request.
func (q *classifyRequest) tasksAt() problem.Values {
	return problem.Values{Name: "model", Listed: q.modelListed}
}

// inputsAt is the path of the inputs in the request.
func (q *classifyRequest) inputsAt() problem.Values {
	return problem.Values{Name: "input", Listed: q.inputListed}
}

// parseClassify parses a body. The error is a *[problem.Problem].
func parseClassify(body string, limits core.Limits) (*classifyRequest, error) {
	p := &classifyParser{wire.NewParser(body, limits), &classifyRequest{options: runtime.Options{Truncate: true}}}
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
	"raw_scores": func(p *classifyParser, at problem.Path) { p.request.options.Raw = p.Bool(at, false) },
	"truncate":   func(p *classifyParser, at problem.Path) { p.request.options.Truncate = p.Bool(at, true) },
}, otherMembers)

// model reads the name of a task or a list of names.
func (p *classifyParser) model() {
	q := p.request
	q.tasks = q.oneTask[:0]
	if p.Peek() != '[' {
		q.tasks = append(q.tasks, p.TaskName(q.tasksAt().At(0), "the name of a task, or a list of such names"))
		return
	}
	q.modelListed = true
	n := 0
	for i := range p.Elements {
		n++
		if i >= p.Limits.MaxTasks {
			p.Skip()
			continue
		}
		name := p.TaskName(q.tasksAt().At(i), "the name of a task")
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

// inputs reads a text, a pair, or a list of those.
func (p *classifyParser) inputs() {
	q := p.request
	q.inputs, q.inputListed = p.Inputs("input", q.oneInput[:0])
}
