package oip

import (
	"strconv"

	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/wire"
)

// With the binary tensor data extension a request is its JSON, with the length that
// the header Inference-Header-Content-Length has, followed by the data of the inputs
// with a binary_data_size, in their order. An answer has the same form for the
// outputs that are asked for as binary data.

// headerLength is the header with the length of the JSON in bytes.
const headerLength = "Inference-Header-Content-Length"

// The objects of a request.
var (
	bodyObject = jsonbody.NewObject[inferBody](map[string]func(p *parser, at problem.Path){
		"inputs": func(p *parser, at problem.Path) { p.list(at, p.tensor) },
		"id": func(p *parser, at problem.Path) {
			if !p.Null() {
				p.request.id = p.String(at)
			}
		},
		"parameters": func(p *parser, at problem.Path) { settingsObject.ReadOrNull(p, at) },
		"outputs": func(p *parser, at problem.Path) {
			if !p.Null() {
				p.list(at, p.output)
			}
		},
	}, otherMembers)
	settingsObject = jsonbody.NewObject[inferSettings](map[string]func(p *parser, at problem.Path){
		"binary_data_output": func(p *parser, at problem.Path) { p.binary = p.Bool(at, false) },
		"raw_scores":         func(p *parser, at problem.Path) { p.request.options.Raw = p.Bool(at, false) },
		"truncate":           func(p *parser, at problem.Path) { p.request.options.Truncate = p.Bool(at, true) },
	}, otherParameters)
	inputObject = jsonbody.NewObject[inferInput](map[string]func(p *tensorParser, at problem.Path){
		"name":     func(p *tensorParser, at problem.Path) { p.input.name = p.String(at) },
		"shape":    func(p *tensorParser, at problem.Path) { p.shape(at) },
		"datatype": func(p *tensorParser, at problem.Path) { p.input.datatype = p.String(at) },
		"data": func(p *tensorParser, at problem.Path) {
			p.hasData = true
			p.data(at)
		},
		"parameters": func(p *tensorParser, at problem.Path) { inputSettingsObject.ReadOrNull(p, at) },
	}, otherInputMembers)
	inputSettingsObject = jsonbody.NewObject[inferInputSettings](map[string]func(p *tensorParser, at problem.Path){
		"binary_data_size": func(p *tensorParser, at problem.Path) { p.binarySize = p.size(at) },
	}, otherInputParameters)
	outputObject = jsonbody.NewObject[inferRequested](map[string]func(p *outputParser, at problem.Path){
		"name":       func(p *outputParser, at problem.Path) { p.requested.name = p.String(at) },
		"parameters": func(p *outputParser, at problem.Path) { outputSettingsObject.ReadOrNull(p, at) },
	}, otherOutputMembers)
	outputSettingsObject = jsonbody.NewObject[inferOutputSettings](map[string]func(p *outputParser, at problem.Path){
		"binary_data": func(p *outputParser, at problem.Path) {
			p.requested.hasBinary = true
			p.requested.binary = p.Bool(at, false)
		},
		"classification": func(p *outputParser, at problem.Path) { p.requested.classes = p.size(at) },
	}, otherOutputParameters)
)

// parser reads the JSON of a request.
type parser struct {
	wire.Parser
	request *request
	binary  bool // of outputs that do not choose
	tensors []tensor
	sizes   []int // of the tensors' binary data in bytes; -1: none
	outputs []requestedOutput
}

// tensorParser reads an input.
type tensorParser struct {
	*parser
	input      tensor
	binarySize int // -1: none
	hasData    bool
}

// outputParser reads an output.
type outputParser struct {
	*parser
	requested requestedOutput
}

// requestedOutput is an output before the request's default for binary is known.
type requestedOutput struct {
	output
	hasBinary bool // the output chooses
}

// maxTensors bounds the lists of inputs and outputs; there are at most 3.
const maxTensors = 16

// parseREST parses a body. length is the value of the header
// Inference-Header-Content-Length, empty without that header. The error is a
// *[problem.Problem].
func parseREST(body, length string, limits core.Limits) (*request, error) {
	header, rest := body, ""
	if length != "" {
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > len(body) {
			return nil, problem.Malformed("the header %s is %s, must be a number of bytes, and the body has %d", headerLength, problem.Quote(length), len(body))
		}
		header, rest = body[:n], body[n:]
	}
	p := &parser{
		Parser:  wire.NewParser(header, limits),
		request: &request{options: runtime.Options{Truncate: true}},
	}
	bodyObject.Read(p, problem.Path{})
	if err := p.Finish(); err != nil {
		return nil, err
	}
	q := p.request
	for i, size := range p.sizes {
		if size < 0 {
			continue
		}
		at := inputPath(i)
		if size > len(rest) {
			return nil, problem.Invalid(at, "has a binary_data_size of %d, the body has only %d more bytes", size, len(rest))
		}
		if err := setRawElements(&p.tensors[i], at, rest[:size], limits); err != nil {
			return nil, err
		}
		rest = rest[size:]
	}
	if rest != "" {
		return nil, problem.Malformed("the body has %d bytes after the data of the last input", len(rest))
	}
	if err := q.setInputs(p.tensors, limits); err != nil {
		return nil, err
	}
	for i, out := range p.outputs {
		if !out.hasBinary {
			out.binary = p.binary
		}
		if err := q.addOutput(problem.Field("outputs").Element(i), out.output); err != nil {
			return nil, err
		}
	}
	if len(q.outputs) == 0 {
		for _, name := range []string{outLabel, outScore, outProbabilities} {
			q.outputs = append(q.outputs, output{name: name, binary: p.binary})
		}
	}
	return q, nil
}

// list reads a list of at most maxTensors elements.
func (p *parser) list(at problem.Path, read func(at problem.Path)) {
	if p.Peek() != '[' {
		p.Unexpected(at, "a list")
		return
	}
	for i := range p.Elements {
		if i < maxTensors {
			read(at.Element(i))
			continue
		}
		p.Skip()
		p.Reject(at, "holds more than %d tensors", maxTensors)
	}
}

// tensor reads an input.
func (p *parser) tensor(at problem.Path) {
	t := &tensorParser{parser: p, binarySize: -1}
	inputObject.Read(t, at)
	if t.hasData == (t.binarySize >= 0) {
		p.Reject(at, "must have either data or the parameter binary_data_size")
	}
	p.tensors = append(p.tensors, t.input)
	p.sizes = append(p.sizes, t.binarySize)
}

// maxRank is the largest number of dimensions of a tensor.
const maxRank = 8

// shape reads the shape of an input.
func (p *tensorParser) shape(at problem.Path) {
	if p.Peek() != '[' {
		p.Unexpected(at, "a list of whole numbers")
		return
	}
	for i := range p.Elements {
		n := p.size(at)
		if i < maxRank {
			p.input.shape = append(p.input.shape, int64(n))
		} else {
			p.Reject(at, "has more than %d dimensions", maxRank)
		}
	}
}

// size reads a whole number of at least 0.
func (p *parser) size(at problem.Path) int {
	return int(p.Int(at, "a whole number from 0 to 2147483647", func(n int32) bool { return n >= 0 }))
}

// data reads the elements, in one list or in nested lists.
func (p *tensorParser) data(at problem.Path) {
	switch p.Peek() {
	case '[':
		for range p.Elements {
			p.data(at)
		}
	case '"':
		s := p.ReadString()
		if len(p.input.elements) <= p.Limits.MaxTexts {
			p.input.elements = append(p.input.elements, s)
		}
	default:
		p.Unexpected(at, "a list of texts")
	}
}

// output reads an output.
func (p *parser) output(at problem.Path) {
	o := &outputParser{parser: p}
	outputObject.Read(o, at)
	p.outputs = append(p.outputs, o.requested)
}
