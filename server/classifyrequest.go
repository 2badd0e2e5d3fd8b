package server

import (
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// classifyBody is a request for POST /classify on the wire.
type classifyBody struct {
	_         struct{}   `additionalProperties:"true"`
	Model     wireModels `json:"model"`
	Input     wireInputs `json:"input"`
	TopK      *int32     `json:"top_k,omitempty" minimum:"1" maximum:"2147483647" nullable:"true" doc:"How many labels to return, best first; all without."`
	RawScores *bool      `json:"raw_scores,omitempty" nullable:"true" doc:"Logits instead of probabilities; false without."`
	Truncate  *bool      `json:"truncate,omitempty" nullable:"true" doc:"Cut what is longer than the model takes, true without. With false that is an error."`
}

// wireModels is a task or a list of different ones.
type wireModels struct{}

// Schema implements [huma.SchemaProvider].
func (wireModels) Schema(r huma.Registry) *huma.Schema {
	list := wireList(wireTask("").Schema(r), limitTasks)
	list.UniqueItems = true
	return &huma.Schema{AnyOf: []*huma.Schema{wireTask("").Schema(r), list}}
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

// taskPlace is the i-th task's place in the request.
func (q *classifyRequest) taskPlace(i int) problem.Path {
	return problem.Values{Name: "model", Listed: q.several}.At(i)
}

// inputPlace is the i-th input's place in the request.
func (q *classifyRequest) inputPlace(i int) problem.Path {
	return problem.Values{Name: "input", Listed: q.listed}.At(i)
}

// parseClassify parses a body.
func parseClassify(body string, o *Options) (*classifyRequest, error) {
	p := classifyParser{newBodyParser(body, o), &classifyRequest{truncate: true}}
	p.parse()
	if err := p.done(); err != nil {
		return nil, err
	}
	return p.request, nil
}

type classifyParser struct {
	bodyParser
	request *classifyRequest
}

var classifyMembers = membersOf[classifyBody]()

func (p *classifyParser) parse() {
	q := p.request
	p.object(problem.Path{}, classifyMembers, func(i int) {
		at := classifyMembers.at(problem.Path{}, i)
		switch i {
		case 0:
			p.model()
		case 1:
			p.inputs()
		case 2:
			q.topK = p.positive(at)
		case 3:
			q.raw = p.boolean(at, false)
		case 4:
			q.truncate = p.boolean(at, true)
		}
	})
}

// model reads a name or a list of names.
func (p *classifyParser) model() {
	q := p.request
	q.tasks = q.task[:0]
	if p.look() != '[' {
		q.tasks = append(q.tasks, p.taskName(q.taskPlace(0), "must be a task's name or a list of such names"))
		return
	}
	q.several = true
	n := 0
	for i := range p.elements {
		n++
		if i >= p.options.MaxTasks {
			p.skip()
			continue
		}
		name := p.taskName(q.taskPlace(i), "must be a task's name")
		if slices.Contains(q.tasks, name) {
			p.reject(q.taskPlace(i), "names task %s again", problem.Quote(name))
		}
		q.tasks = append(q.tasks, name)
	}
	switch {
	case n == 0:
		p.reject(problem.Field("model"), "must name at least one task")
	case n > p.options.MaxTasks:
		p.reject(problem.Field("model"), "names %d tasks, at most %d are allowed", n, p.options.MaxTasks)
	}
}

// inputs reads a text, an object, or a list of either.
func (p *classifyParser) inputs() {
	q := p.request
	q.inputs, q.listed = p.inputList("input", q.input[:0])
}
