package pretokenizer

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"kenserve/tokenizer/internal/jsonobject"
)

// metaspace is the pre-tokenizer Metaspace: it replaces spaces by a visible mark and starts a piece at
// each mark.
type metaspace struct {
	replacement string // the mark
	prepend     bool   // put a mark before a piece that does not start with one
	split       bool
}

func parseMetaspace(o *jsonobject.Object) (PreTokenizer, error) {
	m := metaspace{replacement: o.String("replacement")}
	if utf8.RuneCountInString(m.replacement) != 1 {
		o.Fail("replacement", "is not one character", nil)
	}
	scheme := o.StringOr("prepend_scheme", "always")
	// Old files have a flag instead of the scheme; newer files may have both.
	if o.Has("add_prefix_space") {
		if flag := o.Bool("add_prefix_space"); o.Err() == nil && flag != (scheme != "never") {
			if scheme != "always" {
				o.Fail("add_prefix_space", "contradicts prepend_scheme", nil)
			}
			scheme = "never"
		}
	}
	if o.Has("str_rep") {
		if rep := o.String("str_rep"); rep != m.replacement {
			o.Fail("str_rep", "differs from replacement", nil)
		}
	}
	m.split = o.BoolOr("split", true)
	switch scheme {
	case "always":
		m.prepend = true
	case "never":
	default:
		// "first" depends on the position of a piece before normalization, which is not known here.
		o.Fail("prepend_scheme", fmt.Sprintf("is %q, which is not supported; supported are always and never", scheme), nil)
	}
	return m, o.Err()
}

// NewMetaspace returns a Metaspace that puts mark before each piece without one and splits at marks.
func NewMetaspace(mark string) PreTokenizer {
	return metaspace{replacement: mark, prepend: true, split: true}
}

func (m metaspace) preTokenize(p *Pieces) {
	next := p.next[:0]
	mark := []byte(m.replacement)
	for _, s := range p.spans {
		from := len(p.text)
		piece := p.text[s.from:s.to]
		if m.prepend && piece[0] != ' ' && !bytes.HasPrefix(piece, mark) {
			p.text = append(p.text, mark...)
		}
		for {
			plain, rest, found := bytes.Cut(piece, []byte{' '})
			p.text = append(p.text, plain...)
			if !found {
				break
			}
			p.text = append(p.text, mark...)
			piece = rest
		}
		if m.split {
			for {
				// At a mark at its start, the piece starts anyway.
				skip := 0
				if bytes.HasPrefix(p.text[from:], mark) {
					skip = len(mark)
				}
				i := bytes.Index(p.text[from+skip:], mark)
				if i < 0 {
					break
				}
				next = append(next, span{from, from + skip + i})
				from += skip + i
			}
		}
		next = append(next, span{from, len(p.text)})
	}
	p.spans, p.next = next, p.spans
}
