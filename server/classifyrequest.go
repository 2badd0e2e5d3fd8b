package server

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"kenserve/runtime"
)

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
func (q *classifyRequest) taskPlace(i int) place {
	if !q.several {
		i = whole
	}
	return place{list: "model", index: i}
}

// inputPlace is the i-th input's place in the request.
func (q *classifyRequest) inputPlace(i int) place {
	if !q.listed {
		i = whole
	}
	return place{list: "input", index: i}
}

// place is a part of a request, such as input[3].text_pair. It is made for
// each text and written out only for an error.
type place struct {
	list   string
	index  int    // whole: of list itself
	member string // empty: of none
}

const whole = -1

func (p place) String() string {
	s := p.list
	if p.index != whole {
		s += "[" + strconv.Itoa(p.index) + "]"
	}
	if p.member != "" {
		s += "." + p.member
	}
	return s
}

// validTaskName tells whether a name matches [A-Za-z0-9][A-Za-z0-9._-]{0,127}.
// No other name reaches the engine.
func validTaskName(name string) bool {
	if name == "" || len(name) > 128 {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// parseClassify parses a body. A body that is not JSON is reported as such
// wherever the fault is; otherwise the first impossible field is reported.
func parseClassify(body string, o *Options) (*classifyRequest, *problem) {
	if !utf8.ValidString(body) {
		return nil, malformed("the body is not valid UTF-8")
	}
	p := classifyParser{
		jsonReader: jsonReader{text: body},
		options:    o,
		request:    &classifyRequest{truncate: true},
	}
	p.parse()
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	if p.wrong != nil {
		return nil, p.wrong
	}
	return p.request, nil
}

// classifyParser reads on behind a field that is wrong, since what follows may
// not even be JSON.
type classifyParser struct {
	jsonReader
	options *Options
	request *classifyRequest
	wrong   *problem // the first one
}

// reject remembers what is wrong with a place, if it is the first to be.
func (p *classifyParser) reject(at place, format string, args ...any) {
	if p.wrong == nil {
		p.wrong = invalid(at.String(), format, args...)
	}
}

func (p *classifyParser) parse() {
	if p.look() != '{' {
		p.skip()
		p.reject(place{index: whole}, "must be a JSON object")
		return
	}
	q := p.request
	members := [...]string{"model", "input", "top_k", "raw_scores", "truncate"}
	var seen [len(members)]bool
	for name := range p.fields {
		i := slices.Index(members[:], name)
		if i < 0 {
			p.skip()
			continue
		}
		if seen[i] {
			p.fail("member %q appears twice", name)
			continue
		}
		seen[i] = true
		switch name {
		case "model":
			p.model()
		case "input":
			p.input()
		case "top_k":
			q.topK = p.topK()
		case "raw_scores":
			q.raw = p.boolean(name, false)
		case "truncate":
			q.truncate = p.boolean(name, true)
		}
	}
	for i, name := range members[:2] {
		if !seen[i] {
			p.reject(place{list: name, index: whole}, "is required")
		}
	}
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
			p.reject(q.taskPlace(i), "names task %s again", quote(name))
		}
		q.tasks = append(q.tasks, name)
	}
	switch {
	case n == 0:
		p.reject(place{list: "model", index: whole}, "must name at least one task")
	case n > p.options.MaxTasks:
		p.reject(place{list: "model", index: whole}, "names %d tasks, at most %d are allowed", n, p.options.MaxTasks)
	}
}

func (p *classifyParser) taskName(at place, otherwise string) string {
	if p.look() != '"' {
		p.skip()
		p.reject(at, "%s", otherwise)
		return ""
	}
	name := p.str()
	if !validTaskName(name) && p.wrong == nil {
		p.wrong = noTask(at.String(), name)
	}
	return name
}

// input reads a text, an object, or a list of either.
func (p *classifyParser) input() {
	q := p.request
	q.inputs = q.input[:0]
	if p.look() != '[' {
		q.inputs = append(q.inputs, p.one(q.inputPlace(0), "must be a text, an object with text and text_pair, or a list of those"))
		return
	}
	q.listed = true
	n := 0
	for i := range p.elements {
		n++
		if i >= p.options.MaxTexts {
			p.skip()
			continue
		}
		q.inputs = append(q.inputs, p.one(q.inputPlace(i), "must be a text, or an object with text and text_pair"))
	}
	switch {
	case n == 0:
		p.reject(place{list: "input", index: whole}, "must hold at least one text")
	case n > p.options.MaxTexts:
		p.reject(place{list: "input", index: whole}, "holds %d texts, at most %d are allowed", n, p.options.MaxTexts)
	}
}

// one reads a text or an object.
func (p *classifyParser) one(at place, otherwise string) (in runtime.Input) {
	switch p.look() {
	case '"':
		in.Text = p.text(at)
		return in
	case '{':
	default:
		p.skip()
		p.reject(at, "%s", otherwise)
		return in
	}
	var text, pair bool
	for name := range p.fields {
		member := place{at.list, at.index, name}
		switch {
		case name == "text" && !text:
			text = true
			in.Text = p.text(member)
		case name == "text_pair" && !pair:
			pair = true
			if p.look() == 'n' {
				p.literal("null")
				continue
			}
			s := p.text(member)
			in.Pair = &s
		case name == "text" || name == "text_pair":
			p.fail("member %q appears twice", name)
		default:
			p.skip()
			p.reject(at, "has an unknown member %s; it may have text and text_pair", quote(name))
		}
	}
	if !text {
		p.reject(place{at.list, at.index, "text"}, "is required")
	}
	return in
}

func (p *classifyParser) text(at place) string {
	if p.look() != '"' {
		p.skip()
		p.reject(at, "must be a string")
		return ""
	}
	s := p.str()
	if len(s) > p.options.MaxTextBytes {
		p.reject(at, "has %d bytes, at most %d are allowed", len(s), p.options.MaxTextBytes)
	}
	return s
}

func (p *classifyParser) topK() int {
	switch c := p.look(); {
	case c == 'n':
		p.literal("null")
		return 0
	case c == '-' || '0' <= c && c <= '9':
		if k, err := strconv.ParseInt(p.number(), 10, 32); err == nil && k > 0 {
			return int(k)
		}
	default:
		p.skip()
	}
	p.reject(place{list: "top_k", index: whole}, "must be a whole number from 1 to %d, or null", math.MaxInt32)
	return 0
}

func (p *classifyParser) boolean(name string, byDefault bool) bool {
	switch p.look() {
	case 't':
		p.literal("true")
		return true
	case 'f':
		p.literal("false")
		return false
	case 'n':
		p.literal("null")
		return byDefault
	}
	p.skip()
	p.reject(place{list: name, index: whole}, "must be true, false or null")
	return byDefault
}
