package server

import (
	"math"
	"unicode/utf8"

	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// bodyParser is what the parsers of all JSON requests have in common. It reads
// on behind a field that is wrong, since what follows may not even be JSON.
type bodyParser struct {
	jsonReader
	options *Options
	invalid *problem.Problem // the first one
}

func newBodyParser(body string, o *Options) bodyParser {
	p := bodyParser{jsonReader: jsonReader{text: body}, options: o}
	if !utf8.ValidString(body) {
		p.err = problem.Malformed("the body is not valid UTF-8")
	}
	return p
}

// done tells what is wrong with the body. One that is not JSON is reported as
// such wherever the fault is; otherwise the first impossible field is.
func (p *bodyParser) done() error {
	p.end()
	switch {
	case p.err != nil:
		return p.err
	case p.invalid != nil:
		return p.invalid
	}
	return nil
}

// reject remembers what is wrong with a place, if it is the first to be.
func (p *bodyParser) reject(at problem.Path, format string, args ...any) {
	if p.invalid == nil {
		p.invalid = problem.Invalid(at, format, args...)
	}
}

// object reads an object. Members are handed to read by their position in the
// list, others are skipped. at is the object's own place.
func (p *bodyParser) object(at problem.Path, members memberList, read func(i int)) {
	if p.look() != '{' {
		p.skip()
		p.reject(at, "must be a JSON object")
		return
	}
	var seen uint64
	for name := range p.fields {
		i := members.index(name)
		if i < 0 {
			p.skip()
			continue
		}
		if seen&(1<<i) != 0 {
			p.fail("member %q appears twice", name)
			continue
		}
		seen |= 1 << i
		read(i)
	}
	for i, name := range members.names[:members.required] {
		if seen&(1<<i) == 0 {
			p.reject(at.Member(name), "is required")
		}
	}
}

// null consumes a null, if one is next.
func (p *bodyParser) null() bool {
	if p.look() != 'n' {
		return false
	}
	p.literal("null")
	return true
}

// text reads a text to classify.
func (p *bodyParser) text(at problem.Path) string {
	s := p.word(at)
	if len(s) > p.options.MaxTextBytes {
		p.reject(at, "has %d bytes, at most %d are allowed", len(s), p.options.MaxTextBytes)
	}
	return s
}

// word reads any string.
func (p *bodyParser) word(at problem.Path) string {
	if p.look() != '"' {
		p.skip()
		p.reject(at, "must be a string")
		return ""
	}
	return p.str()
}

// inputList reads a text, an object with text and text_pair, or a list of
// those, and appends them to inputs. listed tells whether it was a list.
func (p *bodyParser) inputList(name string, inputs []runtime.Input) (_ []runtime.Input, listed bool) {
	if p.look() != '[' {
		return append(inputs, p.input(problem.Field(name), "must be a text, an object with text and text_pair, or a list of those")), false
	}
	for i := range p.bounded(problem.Field(name)) {
		inputs = append(inputs, p.input(problem.Values{Name: name, Listed: true}.At(i), "must be a text, or an object with text and text_pair"))
	}
	return inputs, true
}

// input reads a text, or an object with text and text_pair.
func (p *bodyParser) input(at problem.Path, otherwise string) (in runtime.Input) {
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
		member := at.Member(name)
		switch {
		case name == "text" && !text:
			text = true
			in.Text = p.text(member)
		case name == "text_pair" && !pair:
			pair = true
			if p.null() {
				continue
			}
			s := p.text(member)
			in.Pair = &s
		case name == "text" || name == "text_pair":
			p.fail("member %q appears twice", name)
		default:
			p.skip()
			p.reject(at, "has an unknown member %s; it may have text and text_pair", problem.Quote(name))
		}
	}
	if !text {
		p.reject(at.Member("text"), "is required")
	}
	return in
}

// bounded ranges over the elements of a list of texts: from one to the most
// that are allowed. One too many is not handed out.
func (p *bodyParser) bounded(at problem.Path) func(yield func(i int) bool) {
	return func(yield func(i int) bool) {
		n := 0
		for i := range p.elements {
			n++
			if i >= p.options.MaxTexts {
				p.skip()
				continue
			}
			if !yield(i) {
				return
			}
		}
		switch {
		case n == 0:
			p.reject(at, "must hold at least one text")
		case n > p.options.MaxTexts:
			p.reject(at, "holds %d texts, at most %d are allowed", n, p.options.MaxTexts)
		}
	}
}

// positive reads a whole number of at least 1, or null, which is 0.
func (p *bodyParser) positive(at problem.Path) int {
	switch c := p.look(); {
	case c == 'n':
		p.literal("null")
		return 0
	case c == '-' || '0' <= c && c <= '9':
		if k, ok := wholeNumber(p.number()); ok && k > 0 {
			return int(k)
		}
	default:
		p.skip()
	}
	p.reject(at, "must be a whole number from 1 to %d, or null", math.MaxInt32)
	return 0
}

// boolean reads true or false, or null, which is the default.
func (p *bodyParser) boolean(at problem.Path, byDefault bool) bool {
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
	p.reject(at, "must be true, false or null")
	return byDefault
}

// taskName reads a task's name.
func (p *bodyParser) taskName(at problem.Path, otherwise string) string {
	if p.look() != '"' {
		p.skip()
		p.reject(at, "%s", otherwise)
		return ""
	}
	name := p.str()
	if !delta.ValidTask(name) && p.invalid == nil {
		p.invalid = problem.NoTask(at, name)
	}
	return name
}
