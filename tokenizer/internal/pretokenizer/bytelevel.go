package pretokenizer

import (
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
)

// byteLevel is ByteLevel: a space before a piece that has none, pieces cut into words as GPT-2 does,
// and every byte written as a byteCharacters character, so that a vocabulary of strings covers all bytes.
type byteLevel struct {
	prefixSpace bool
	splitWords  bool
	unicode     *codepoint.Tables
}

func parseByteLevel(o *jsonobject.Object) PreTokenizer {
	b := byteLevel{prefixSpace: o.Bool("add_prefix_space"), splitWords: o.BoolOr("use_regex", true), unicode: codepoint.Load()}
	o.Bool("trim_offsets") // says where a token lies in the text, not what it is
	return b
}

// newByteLevel returns a ByteLevel that cuts words.
func NewByteLevel(prefixSpace bool) PreTokenizer {
	return byteLevel{prefixSpace: prefixSpace, splitWords: true, unicode: codepoint.Load()}
}

// byteCharacters holds, in UTF-8, the character for every byte: itself for printable ones of Latin-1, and
// the code points from U+0100 on, in order, for all others.
var byteCharacters = func() (table [256]string) {
	next := rune(256)
	for b := range rune(256) {
		if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
			table[b] = string(b)
		} else {
			table[b] = string(next)
			next++
		}
	}
	return table
}()

func (b byteLevel) preTokenize(p *Pieces) {
	next := p.next[:0]
	for _, s := range p.spans {
		if b.prefixSpace && p.text[s.from] != ' ' {
			from := len(p.text)
			p.text = append(p.text, ' ')
			p.text = append(p.text, p.text[s.from:s.to]...)
			s = span{from, len(p.text)}
		}
		for piece := p.text[s.from:s.to]; len(piece) > 0; {
			size := len(piece)
			if b.splitWords {
				size = b.wordLen(piece)
			}
			from := len(p.text)
			p.text = appendByteCharacters(p.text, piece[:size])
			next = append(next, span{from, len(p.text)})
			piece = piece[size:]
		}
	}
	p.spans, p.next = next, p.spans
}

func appendByteCharacters(dst, text []byte) []byte {
	for _, b := range text {
		dst = append(dst, byteCharacters[b]...)
	}
	return dst
}

// word returns the length of the word that text, which is not empty, starts with. The expression is
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// whose look-ahead leaves the last of several white space characters to the word after them.
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

// spaces returns how much of the white space that text starts with is a word.
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

// contraction returns the length of the English contraction that text starts with, 0 if it does with
// none.
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
