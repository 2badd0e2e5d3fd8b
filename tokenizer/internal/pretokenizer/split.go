package pretokenizer

import (
	"fmt"
	"slices"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/pattern"
)

// split is Split: pieces are cut around the matches of a pattern, and what happens with the matches
// is one of five behaviors.
type split struct {
	find     pattern.Finder
	behavior string
	invert   bool // what lies between the matches takes the part of the matches
}

// A segment of a piece is a match or what lies between two.
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
	if behaviors := []string{"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"}; !slices.Contains(behaviors, s.behavior) {
		o.Fail("behavior", fmt.Sprintf("is %q, which is unknown", s.behavior), nil)
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

// cut appends the segments of text[s.from:s.to], none of which is empty.
func (c split) segments(dst []segment, text []byte, s span) []segment {
	for s.from < s.to {
		from, to := c.find(text[s.from:s.to])
		if from < 0 {
			return append(dst, segment{s, c.invert})
		}
		from, to = from+s.from, to+s.from
		if from > s.from {
			dst = append(dst, segment{span{s.from, from}, c.invert})
		}
		dst = append(dst, segment{span{from, to}, !c.invert})
		s.from = to
	}
	return dst
}

// join appends the pieces that segments make.
func (c split) join(dst []span, segments []segment) []span {
	for i, s := range segments {
		// Whether a segment extends the piece before it. Only the first of several matches in a row
		// merges with the one before, and only the last with the one after.
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
