package wire

import (
	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
)

// Parser reads what the requests of several APIs have in common: texts, pairs
// and names of tasks, within the server's limits.
type Parser struct {
	jsonbody.Parser
	Limits core.Limits

	current runtime.Input // that inputObject is reading
}

// NewParser returns a parser of a body.
func NewParser(body string, limits core.Limits) Parser {
	return Parser{Parser: jsonbody.NewParser(body), Limits: limits}
}

// Text reads a text to classify.
func (p *Parser) Text(at problem.Path) string {
	s := p.String(at)
	if len(s) > p.Limits.MaxTextBytes {
		p.Reject(at, "has %d bytes, at most %d are allowed", len(s), p.Limits.MaxTextBytes)
	}
	return s
}

// Inputs reads a text, an object with text and text_pair, or a list of
// those, and appends them to inputs. listed tells whether it was a list.
func (p *Parser) Inputs(name string, inputs []runtime.Input) (_ []runtime.Input, listed bool) {
	if p.Peek() != '[' {
		return append(inputs, p.input(problem.Field(name), "must be a text, an object with text and text_pair, or a list of those")), false
	}
	for i := range p.bounded(problem.Field(name)) {
		inputs = append(inputs, p.input(problem.Values{Name: name, Listed: true}.At(i), "must be a text, or an object with text and text_pair"))
	}
	return inputs, true
}

// input reads a text, or an object with text and text_pair.
func (p *Parser) input(at problem.Path, otherwise string) (in runtime.Input) {
	switch p.Peek() {
	case '"':
		in.Text = p.Text(at)
		return in
	case '{':
	default:
		p.Skip()
		p.Reject(at, "%s", otherwise)
		return in
	}
	p.current = runtime.Input{}
	inputObject.Read(p, at)
	return p.current
}

var inputObject = jsonbody.NewObject[Input](map[string]func(p *Parser, at problem.Path){
	"text": func(p *Parser, at problem.Path) { p.current.Text = p.Text(at) },
	"text_pair": func(p *Parser, at problem.Path) {
		if p.Null() {
			return
		}
		pair := p.Text(at)
		p.current.Pair = &pair
	},
})

// bounded ranges over the elements of a list of texts: from one to the most
// that are allowed. One too many is not handed out.
func (p *Parser) bounded(at problem.Path) func(yield func(i int) bool) {
	return func(yield func(i int) bool) {
		n := 0
		for i := range p.Elements {
			n++
			if i >= p.Limits.MaxTexts {
				p.Skip()
				continue
			}
			if !yield(i) {
				return
			}
		}
		switch {
		case n == 0:
			p.Reject(at, "must hold at least one text")
		case n > p.Limits.MaxTexts:
			p.Reject(at, "holds %d texts, at most %d are allowed", n, p.Limits.MaxTexts)
		}
	}
}

// TaskName reads a task's name.
func (p *Parser) TaskName(at problem.Path, otherwise string) string {
	if p.Peek() != '"' {
		p.Skip()
		p.Reject(at, "%s", otherwise)
		return ""
	}
	name := p.ReadString()
	if !delta.ValidTask(name) {
		p.RejectAs(problem.NoTask(at, name))
	}
	return name
}
