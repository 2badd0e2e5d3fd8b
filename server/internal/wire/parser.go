package wire

import (
	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
)

// Parser reads texts, pairs and names of tasks within the server's limits.
type Parser struct {
	jsonbody.Parser
	Limits core.Limits

	current runtime.Input // the one that inputObject reads
}

// NewParser returns a parser of body.
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

// Inputs reads [Inputs] into the slice inputs. listed tells whether the value is a
// list. name is the member of the request that holds it.
func (p *Parser) Inputs(name string, inputs []runtime.Input) (_ []runtime.Input, listed bool) {
	at := problem.Field(name)
	if p.Peek() != '[' {
		return append(inputs, p.input(at, "a text, an object with text and text_pair, or a list of those")), false
	}
	n := 0
	for i := range p.Elements {
		n++
		if i >= p.Limits.MaxTexts {
			p.Skip()
			continue
		}
		inputs = append(inputs, p.input(at.Element(i), "a text, or an object with text and text_pair"))
	}
	switch {
	case n == 0:
		p.Reject(at, "must hold at least one text")
	case n > p.Limits.MaxTexts:
		p.Reject(at, "holds %d texts, at most %d are allowed", n, p.Limits.MaxTexts)
	}
	return inputs, true
}

// input reads a text or an [input]. want describes the allowed values for an error.
func (p *Parser) input(at problem.Path, want string) runtime.Input {
	switch p.Peek() {
	case '"':
		return runtime.Input{Text: p.Text(at)}
	case '{':
		p.current = runtime.Input{}
		inputObject.Read(p, at)
		return p.current
	}
	p.Unexpected(at, want)
	return runtime.Input{}
}

// inputObject rejects unknown members: a misspelt text_pair would make the server
// classify half of the input without a word.
var inputObject = jsonbody.NewObject[input](map[string]func(p *Parser, at problem.Path){
	"text": func(p *Parser, at problem.Path) { p.current.Text = p.Text(at) },
	"text_pair": func(p *Parser, at problem.Path) {
		if !p.Null() {
			p.current.Pair = new(p.Text(at))
		}
	},
})

// TaskName reads the name of a task. want describes the allowed values for an error
// about another type.
func (p *Parser) TaskName(at problem.Path, want string) string {
	if p.Peek() != '"' {
		p.Unexpected(at, want)
		return ""
	}
	name := p.ReadString()
	if !delta.ValidTask(name) {
		p.RejectAs(problem.NoTask(at, name))
	}
	return name
}
