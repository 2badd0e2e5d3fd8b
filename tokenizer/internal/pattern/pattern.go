// Package pattern finds the matches of strings and of regular expressions in text, for Replace and Split.
//
// The regular expressions of the reference are those of Oniguruma with Ruby's syntax. Go's package regexp
// lacks look-ahead, possessive repetition and Oniguruma's tables of Unicode properties. So this package has
// a matcher of its own: parse.go reads the syntax, compile.go makes a program, match.go runs it in linear
// time. Syntax that is not implemented is an error that shows the expression, see [Parse].
package pattern

import (
	"bytes"
	"fmt"

	"kenserve/internal/settings"
	"kenserve/tokenizer/internal/jsonobject"
)

// A Pattern finds matches. It is immutable and safe for concurrent use.
type Pattern struct {
	literal []byte // sought if not empty
	runOf   byte   // sought are runs of at least runMin of this byte, if runMin is not 0
	runMin  int
	program *program // otherwise
}

// FindRun returns a pattern that matches runs of at least n bytes b, which must be ASCII.
func FindRun(b byte, n int) *Pattern { return &Pattern{runOf: b, runMin: n} }

// Each calls do for each match in text, from left to right, until do returns false. A match is
// text[from:to] and not empty. Matches do not overlap.
func (p *Pattern) Each(text []byte, do func(from, to int) bool) {
	switch {
	case p.program != nil:
		p.program.each(text, do)
	case p.runMin > 0:
		p.eachRun(text, do)
	default:
		for at := 0; ; {
			from := bytes.Index(text[at:], p.literal)
			if from < 0 {
				return
			}
			from += at
			at = from + len(p.literal)
			if !do(from, at) {
				return
			}
		}
	}
}

func (p *Pattern) eachRun(text []byte, do func(from, to int) bool) {
	for at := 0; ; {
		skip := bytes.IndexByte(text[at:], p.runOf)
		if skip < 0 {
			return
		}
		from := at + skip
		for at = from; at < len(text) && text[at] == p.runOf; at++ {
		}
		if at-from >= p.runMin && !do(from, at) {
			return
		}
	}
}

// compileRegexp compiles a regular expression.
func compileRegexp(expression string) (*Pattern, error) {
	if expression == " {2,}" { // of SentencePiece models; this is faster
		return FindRun(' ', 2), nil
	}
	tree, err := parse(expression)
	if err != nil {
		return nil, err
	}
	program, err := compile(tree)
	if err != nil {
		return nil, err
	}
	return &Pattern{program: program}, nil
}

// patternTable are the members of a pattern, which has one of them.
var patternTable = settings.Table{settings.Used("String"), settings.Used("Regex")}

// Parse reads the member "pattern" of o: {"String": ...} or {"Regex": ...}. It is an error if the pattern
// matches the empty string: Replace would insert its content between characters.
//
// A regular expression may have literals, escapes, character sets with ranges, nested sets and \s \d \w \h
// \p{...} of a general category, the dot, \A \z \b ^ $, groups, (?i:...) for ASCII letters, alternatives,
// greedy and lazy repetition, possessive repetition of one character, and look-ahead and look-behind
// without repetition.
func Parse(o *jsonobject.Object) (*Pattern, error) {
	p := o.Object("pattern", patternTable)
	text, isRegexp := p.Choice("String", "Regex")
	o.Adopt(p)
	if err := o.Err(); err != nil {
		return nil, err
	}
	if isRegexp {
		compiled, err := compileRegexp(text)
		if err != nil {
			return nil, fmt.Errorf("%s.pattern: regular expression %q: %w", o.Path(), text, err)
		}
		return compiled, nil
	}
	if text == "" {
		return nil, fmt.Errorf("%s.pattern: must not be the empty string, which matches everywhere", o.Path())
	}
	return &Pattern{literal: []byte(text)}, nil
}
