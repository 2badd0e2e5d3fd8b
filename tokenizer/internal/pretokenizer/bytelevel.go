package pretokenizer

import (
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
)

// byteLevel is the pre-tokenizer ByteLevel. It puts a space before a piece that does not start with one,
// splits pieces into words as GPT-2 does, and writes each byte as a visible character, so that a
// vocabulary of strings covers all bytes.
type byteLevel struct {
	prefixSpace bool
	splitWords  bool
	unicode     *codepoint.Tables
}

func parseByteLevel(o *jsonobject.Object) PreTokenizer {
	b := byteLevel{prefixSpace: o.Bool("add_prefix_space"), splitWords: o.BoolOr("use_regex", true), unicode: codepoint.Load()}
	return b
}

// NewByteLevel returns a ByteLevel that splits words.
func NewByteLevel(prefixSpace bool) PreTokenizer {
	return byteLevel{prefixSpace: prefixSpace, splitWords: true, unicode: codepoint.Load()}
}

func (b byteLevel) preTokenize(p *Pieces) {
	next := p.next[:0]
	for _, s := range p.spans {
		if b.prefixSpace && p.text[s.from] != ' ' {
			from := len(p.text)
			p.text = append(p.text, ' ')
			p.text = append(p.text, p.text[s.from:s.to]...)
			s = span{from, len(p.text), prepended(s.head, 1)}
		}
		head := s.head // of the rest
		for piece := p.text[s.from:s.to]; len(piece) > 0; {
			size := len(piece)
			if b.splitWords {
				size = b.wordLen(piece)
			}
			from := len(p.text)
			p.text = codepoint.AppendByteCharacters(p.text, piece[:min(head, size)])
			written := len(p.text) - from
			p.text = codepoint.AppendByteCharacters(p.text, piece[min(head, size):size])
			next = append(next, span{from, len(p.text), written})
			piece, head = piece[size:], max(head-size, 0)
		}
	}
	p.spans, p.next = next, p.spans
}

// wordLen returns the length in bytes of the word at the start of text, which is not empty. It implements
// the expression
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// where the look-ahead leaves the last of several white space characters to the next word.
func (b byteLevel) wordLen(text []byte) int {
	if text[0] == '\'' {
		if n := contractionLen(text); n > 0 {
			return n
		}
	}
	start := 0
	if text[0] == ' ' && len(text) > 1 {
		start = 1
	}
	const kinds = codepoint.Letter | codepoint.Number | codepoint.Space
	r, size := utf8.DecodeRune(text[start:])
	kind := b.unicode.Properties(r) & kinds
	if kind&codepoint.Space != 0 {
		return b.spacesLen(text)
	}
	n := start + size
	for n < len(text) {
		r, size := rune(text[n]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[n:])
		}
		if b.unicode.Properties(r)&kinds != kind {
			break
		}
		n += size
	}
	return n
}

// spacesLen returns the length in bytes of the white space at the start of text that forms a word.
func (b byteLevel) spacesLen(text []byte) int {
	n, last := 0, 0
	for n < len(text) {
		r, size := utf8.DecodeRune(text[n:])
		if b.unicode.Properties(r)&codepoint.Space == 0 {
			if last > 0 {
				return last
			}
			return n
		}
		last = n
		n += size
	}
	return n
}

// contractionLen returns the length in bytes of the English contraction at the start of text, 0 if there
// is none. text starts with an apostrophe.
func contractionLen(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(text) > 2 {
		switch string(text[1:3]) {
		case "re", "ve", "ll":
			return 3
		}
	}
	return 0
}
