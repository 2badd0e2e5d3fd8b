package pretokenizer

import (
	"fmt"
	"slices"
	"strings"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/pattern"
)

// split is the pre-tokenizer Split: it splits pieces at the matches of a pattern. The behavior decides
// where the matches go.
type split struct {
	find     *pattern.Pattern
	behavior string
	invert   bool // treat the text between matches as matches, and the other way round
}

// A segment of a piece is a match or the text between two matches.
type segment struct {
	span
	match bool
}

func parseSplit(o *jsonobject.Object) (PreTokenizer, error) {
	find, err := pattern.Parse(o)
	if err != nil {
		return nil, err
	}
	s := split{find: find, behavior: o.String("behavior"), invert: o.Bool("invert")}
	if !slices.Contains(behaviors, s.behavior) {
		o.Fail("behavior", fmt.Sprintf("is %q, which is not supported; supported are %s", s.behavior, strings.Join(behaviors, ", ")), nil)
	}
	return s, o.Err()
}

func (c split) preTokenize(p *Pieces) {
	next := p.next[:0]
	var segments []segment
	for _, s := range p.spans {
		segments = c.segments(segments[:0], p.text, s)
		next = c.join(next, segments)
	}
	p.spans, p.next = next, p.spans
}

// segments appends the segments of text[s.from:s.to] to dst. None is empty.
func (c split) segments(dst []segment, text []byte, s span) []segment {
	done := 0
	c.find.Each(text[s.from:s.to], func(from, to int) bool {
		if from > done {
			dst = append(dst, segment{s.part(done, from), c.invert})
		}
		dst = append(dst, segment{s.part(from, to), !c.invert})
		done = to
		return true
	})
	if done < s.to-s.from {
		dst = append(dst, segment{s.part(done, s.to-s.from), c.invert})
	}
	return dst
}

// join appends the pieces that the segments form.
func (c split) join(dst []span, segments []segment) []span {
	for i, s := range segments {
		// extends: the segment belongs to the piece before it. If several matches are consecutive, only the
		// first merges with the text before, and only the last with the text after.
		extends := false
		switch {
		case c.behavior == "Removed" && s.match:
			continue
		case i == 0:
		case c.behavior == "Contiguous":
			extends = s.match == segments[i-1].match
		case c.behavior == "MergedWithPrevious":
			extends = s.match && !segments[i-1].match
		case c.behavior == "MergedWithNext":
			extends = !s.match && segments[i-1].match
		}
		if extends {
			dst[len(dst)-1].to = s.to
		} else {
			dst = append(dst, s.span)
		}
	}
	return dst
}
