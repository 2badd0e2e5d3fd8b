package pretokenizer

import (
	"bytes"
	"fmt"
	"slices"

	"kenserve/tokenizer/internal/jsonobject"
)

// metaspace is the pre-tokenizer Metaspace: it replaces spaces by a visible mark and starts a piece at
// each mark.
type metaspace struct {
	replacement string // the mark
	scheme      string // where to put a mark before a piece that does not start with one: see NewMetaspace
	split       bool
}

func parseMetaspace(o *jsonobject.Object) (PreTokenizer, error) {
	m := metaspace{replacement: character(o, "replacement")}
	given, scheme := o.Has("prepend_scheme"), o.StringOr("prepend_scheme", always)
	// Old files have a flag instead of the scheme; newer files may have both.
	if flag := o.OptionalBool("add_prefix_space"); flag != nil && !*flag {
		if given && scheme != never {
			o.Fail("add_prefix_space", "contradicts prepend_scheme", nil)
		}
		scheme = never
	}
	if rep := o.OptionalString("str_rep"); rep != nil && *rep != m.replacement {
		o.Fail("str_rep", "differs from replacement", nil)
	}
	m.split = o.BoolOr("split", true)
	if m.scheme = scheme; !slices.Contains([]string{always, first, never}, scheme) {
		o.Fail("prepend_scheme", fmt.Sprintf("is %q, not always, first or never", scheme), nil)
	}
	return m, o.Err()
}

// Where Metaspace puts a mark before a piece that does not start with one.
const (
	always = "always" // everywhere
	first  = "first"  // where the piece starts with the first character of the whole text
	never  = "never"
)

// NewMetaspace returns a Metaspace that puts mark before each piece without one and splits at marks.
func NewMetaspace(mark string) PreTokenizer {
	return metaspace{replacement: mark, scheme: always, split: true}
}

// NeedsHead tells whether the steps look at where a piece comes from, so that the caller of Cut must say
// it.
func NeedsHead(steps []PreTokenizer) bool {
	return slices.ContainsFunc(steps, func(step PreTokenizer) bool {
		m, ok := step.(metaspace)
		return ok && m.scheme == first
	})
}

// prepended is the head of a piece after n bytes were put before it: they count for the character before
// which they stand.
func prepended(head, n int) int {
	if head == 0 {
		return 0
	}
	return head + n
}

func (m metaspace) preTokenize(p *Pieces) {
	next := p.next[:0]
	mark := []byte(m.replacement)
	for _, s := range p.spans {
		from := len(p.text)
		piece := p.text[s.from:s.to]
		head := s.head + (len(mark)-1)*bytes.Count(piece[:s.head], []byte{' '})
		if (m.scheme == always || m.scheme == first && s.head > 0) && piece[0] != ' ' && !bytes.HasPrefix(piece, mark) {
			p.text = append(p.text, mark...)
			head = prepended(head, len(mark))
		}
		whole := from
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
				next = append(next, span{from, from + skip + i, max(head-(from-whole), 0)})
				from += skip + i
			}
		}
		next = append(next, span{from, len(p.text), max(head-(from-whole), 0)})
	}
	p.spans, p.next = next, p.spans
}
