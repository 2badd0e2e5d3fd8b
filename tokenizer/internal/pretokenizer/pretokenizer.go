// Package pretokenizer holds the stage of a tokenizer that splits text into pieces, mostly words and
// punctuation.
package pretokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
)

// Pieces are the parts of a text, in order. Pre-tokenizers split them further.
type Pieces struct {
	// text is the text of all pieces. A pre-tokenizer that rewrites a piece appends the new text and
	// changes the span; existing text does not change.
	text  []byte
	spans []span
	next  []span // a pre-tokenizer writes the new spans here and then swaps the two
}

// A span is the piece text[from:to]. It is never empty.
type span struct{ from, to int }

// Cut copies text and splits it into pieces by steps, one after another.
func (p *Pieces) Cut(steps []PreTokenizer, text []byte) {
	p.text = append(p.text[:0], text...)
	p.spans = p.spans[:0]
	if len(text) > 0 {
		p.spans = append(p.spans, span{0, len(text)})
	}
	for _, step := range steps {
		step.preTokenize(p)
	}
}

// Len returns the number of pieces.
func (p *Pieces) Len() int { return len(p.spans) }

// Piece returns piece i. It is not empty and is valid until the next Cut.
func (p *Pieces) Piece(i int) []byte { return p.text[p.spans[i].from:p.spans[i].to] }

// Bytes returns approximately how much memory p holds.
func (p *Pieces) Bytes() int { return cap(p.text) + 16*(cap(p.spans)+cap(p.next)) }

// A PreTokenizer splits pieces into smaller ones. A Sequence is a []PreTokenizer without a type of its
// own.
type PreTokenizer interface {
	preTokenize(p *Pieces)
}

// Parse reads a pre-tokenizer of a tokenizer.json and returns its steps. raw is null for none. path is
// its location, for errors, and depth the number of Sequences around it.
func Parse(path string, raw []byte, depth int) ([]PreTokenizer, error) {
	o, err := jsonobject.ReadTyped(path, raw, depth)
	if o == nil {
		return nil, err
	}
	c := propertySplitter{unicode: codepoint.Load()}
	var other PreTokenizer // instead of c
	switch o.Type() {
	case "Sequence":
		var steps []PreTokenizer
		for i, raw := range o.List("pretokenizers") {
			inner, err := Parse(fmt.Sprintf("%s.pretokenizers[%d]", path, i), raw, depth+1)
			if err != nil {
				return nil, err
			}
			steps = append(steps, inner...)
		}
		return steps, o.Close()
	case "BertPreTokenizer":
		other = NewBert()
	case "Whitespace": // pieces are runs of \w, and runs of characters that are neither \w nor white space
		c.drop, c.splitAround = codepoint.Space, codepoint.Word
	case "WhitespaceSplit":
		c.drop = codepoint.Space
	case "Punctuation":
		err = c.setBehavior(path, codepoint.Punctuation, o.StringOr("behavior", "Isolated"))
	case "Digits":
		if o.Bool("individual_digits") {
			err = c.setBehavior(path, codepoint.Numeric, "Isolated")
		} else {
			err = c.setBehavior(path, codepoint.Numeric, "Contiguous")
		}
	case "ByteLevel":
		other = parseByteLevel(o)
	case "Metaspace":
		other, err = parseMetaspace(o)
	case "Split":
		other, err = parseSplit(o)
	default:
		return nil, o.UnknownType("Sequence, BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Digits, ByteLevel, Metaspace and Split")
	}
	if err == nil {
		err = o.Close()
	}
	if err != nil {
		return nil, err
	}
	if other != nil {
		return []PreTokenizer{other}, nil
	}
	return []PreTokenizer{c}, nil
}

// NewBert returns BertPreTokenizer: it splits at white space, which it drops, and makes each punctuation
// character a piece. All values that it returns are equal.
func NewBert() PreTokenizer {
	return propertySplitter{drop: codepoint.Space, splitBefore: codepoint.Punctuation, splitAfter: codepoint.Punctuation, unicode: codepoint.Load()}
}

// NewPunctuation returns a pre-tokenizer that makes each punctuation character a piece.
func NewPunctuation() PreTokenizer {
	return propertySplitter{splitBefore: codepoint.Punctuation, splitAfter: codepoint.Punctuation, unicode: codepoint.Load()}
}

// A propertySplitter splits at characters with certain properties. drop and splitAround have at most one
// property each.
type propertySplitter struct {
	drop        codepoint.Property // pieces contain no such character
	splitBefore codepoint.Property // a piece starts at such a character
	splitAfter  codepoint.Property // a piece ends after such a character
	splitAround codepoint.Property // a piece consists of such characters or contains none
	unicode     *codepoint.Tables
}

// setBehavior makes c treat characters with property p like the SplitDelimiterBehavior of the reference
// with the given name.
func (c *propertySplitter) setBehavior(path string, p codepoint.Property, behavior string) error {
	switch behavior {
	case "Removed":
		c.drop = p
	case "Isolated":
		c.splitBefore, c.splitAfter = p, p
	case "MergedWithPrevious":
		c.splitAfter = p
	case "MergedWithNext":
		c.splitBefore = p
	case "Contiguous":
		c.splitAround = p
	default:
		return fmt.Errorf("%s: member \"behavior\" is %q, which is not supported; supported are %s", path, behavior, strings.Join(behaviors, ", "))
	}
	return nil
}

// behaviors are the names of all SplitDelimiterBehaviors of the reference.
var behaviors = []string{"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"}

func (c propertySplitter) preTokenize(p *Pieces) {
	next := p.next[:0]
	differ := c.drop | c.splitAround
	for _, s := range p.spans {
		start, last := s.from, codepoint.Property(0)
		for i := s.from; i < s.to; {
			r, size := rune(p.text[i]), 1
			if r >= utf8.RuneSelf {
				r, size = utf8.DecodeRune(p.text[i:s.to])
			}
			q := c.unicode.Properties(r)
			if i > start && (q&c.splitBefore|last&c.splitAfter|(q^last)&differ) != 0 {
				if last&c.drop == 0 {
					next = append(next, span{start, i})
				}
				start = i
			}
			last = q
			i += size
		}
		if last&c.drop == 0 {
			next = append(next, span{start, s.to})
		}
	}
	p.spans, p.next = next, p.spans
}
