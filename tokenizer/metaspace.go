package tokenizer

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// metaspace is Metaspace: spaces become a visible mark, and a piece starts at every mark.
type metaspace struct {
	mark   string
	always bool // a piece that does not start with the mark gets one
	split  bool
}

func parseMetaspace(o *component) (preTokenizer, error) {
	m := metaspace{mark: o.string("replacement")}
	if o.err == nil && utf8.RuneCountInString(m.mark) != 1 {
		o.fail("replacement", "is not one character", nil)
	}
	scheme := o.optionalString("prepend_scheme", "always")
	// Files of old have a flag in the scheme's place; newer ones may have both.
	if o.has("add_prefix_space") {
		if flag := o.bool("add_prefix_space"); o.err == nil && flag != (scheme != "never") {
			if scheme != "always" {
				return nil, fmt.Errorf("tokenizer: %s: add_prefix_space contradicts prepend_scheme", o.at)
			}
			scheme = "never"
		}
	}
	if o.has("str_rep") {
		if rep := o.string("str_rep"); o.err == nil && rep != m.mark {
			o.fail("str_rep", "is not the replacement", nil)
		}
	}
	m.split = o.boolOr("split", true)
	switch scheme {
	case "always":
		m.always = true
	case "never":
	default:
		// "first" depends on where a piece was before normalization.
		o.fail("prepend_scheme", fmt.Sprintf("is %q, which is not supported", scheme), nil)
	}
	return m, o.err
}

func (m metaspace) preTokenize(p *pieces) {
	next := p.next[:0]
	mark := []byte(m.mark)
	for _, s := range p.spans {
		from := len(p.text)
		piece := p.text[s.from:s.to]
		if m.always && piece[0] != ' ' && !bytes.HasPrefix(piece, mark) {
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
				// A mark at the very start is where the piece starts anyway.
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
