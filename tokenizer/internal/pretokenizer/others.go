package pretokenizer

import (
	"bytes"
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
)

// delimiter is the pre-tokenizer CharDelimiterSplit: it splits at a character, which it drops.
type delimiter string

func (d delimiter) preTokenize(p *Pieces) {
	next := p.next[:0]
	for _, s := range p.spans {
		for from := 0; from < s.to-s.from; {
			size := bytes.Index(p.text[s.from+from:s.to], []byte(d))
			if size < 0 {
				size = s.to - s.from - from
			}
			if size > 0 {
				next = append(next, s.part(from, from+size))
			}
			from += size + len(d)
		}
	}
	p.spans, p.next = next, p.spans
}

// scripts is the pre-tokenizer UnicodeScripts: it splits where the script changes. A character without a
// script, and a space, belong to the piece before; at the start of a piece the reference drops them.
type scripts struct{ unicode *codepoint.Tables }

func (c scripts) preTokenize(p *Pieces) {
	next := p.next[:0]
	for _, s := range p.spans {
		start, last := -1, uint8(0)
		for i := s.from; i < s.to; {
			r, size := utf8.DecodeRune(p.text[i:s.to])
			if script := c.unicode.Script(r); script != 0 && script != last {
				if start >= 0 {
					next = append(next, s.part(start-s.from, i-s.from))
				}
				start, last = i, script
			}
			i += size
		}
		if start >= 0 {
			next = append(next, s.part(start-s.from, s.to-s.from))
		}
	}
	p.spans, p.next = next, p.spans
}

// fixedLength is the pre-tokenizer FixedLength: pieces have this many characters, the last may be shorter.
type fixedLength int

func parseFixedLength(o *jsonobject.Object) (PreTokenizer, error) {
	length := fixedLength(5)
	if o.Has("length") {
		length = fixedLength(o.Count("length"))
	}
	if length == 0 {
		o.Fail("length", "is 0, but a piece has at least one character", nil)
	}
	return length, o.Err()
}

func (c fixedLength) preTokenize(p *Pieces) {
	next := p.next[:0]
	for _, s := range p.spans {
		start, count := s.from, fixedLength(0)
		for i := s.from; i < s.to; {
			if count == c {
				next = append(next, s.part(start-s.from, i-s.from))
				start, count = i, 0
			}
			_, size := utf8.DecodeRune(p.text[i:s.to])
			i += size
			count++
		}
		next = append(next, s.part(start-s.from, s.to-s.from))
	}
	p.spans, p.next = next, p.spans
}
