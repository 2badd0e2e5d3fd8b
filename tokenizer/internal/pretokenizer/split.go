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

// A stretch of a piece is a match or what lies between two.
type stretch struct {
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
	var stretches []stretch
	for _, s := range p.spans {
		stretches = c.Cut(stretches[:0], p.text, s)
		next = c.join(next, stretches)
	}
	p.spans, p.next = next, p.spans
}

// cut appends the stretches of text[s.from:s.to], none of which is empty.
func (c split) Cut(dst []stretch, text []byte, s span) []stretch {
	for s.from < s.to {
		from, to := c.find(text[s.from:s.to])
		if from < 0 {
			return append(dst, stretch{s, c.invert})
		}
		from, to = from+s.from, to+s.from
		if from > s.from {
			dst = append(dst, stretch{span{s.from, from}, c.invert})
		}
		dst = append(dst, stretch{span{from, to}, !c.invert})
		s.from = to
	}
	return dst
}

// join appends the pieces that stretches make.
func (c split) join(dst []span, stretches []stretch) []span {
	for i, s := range stretches {
		// Whether a stretch grows the piece before it. Only the first of several matches in a row
		// merges with the one before, and only the last with the one after.
		grows := false
		switch {
		case c.behavior == "Removed" && s.match:
			continue
		case i == 0:
		case c.behavior == "Contiguous":
			grows = s.match == stretches[i-1].match
		case c.behavior == "MergedWithPrevious":
			grows = s.match && !stretches[i-1].match
		case c.behavior == "MergedWithNext":
			grows = !s.match && stretches[i-1].match
		}
		if grows {
			dst[len(dst)-1].to = s.to
		} else {
			dst = append(dst, s.span)
		}
	}
	return dst
}
