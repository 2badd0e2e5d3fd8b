package pretokenizer

import (
	"fmt"
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
)

// pieces are parts of a text, in order. A pre-tokenizer cuts them further.
type Pieces struct {
	// text is what the spans count in. What is there stays: a pre-tokenizer that rewrites a
	// piece appends the new text and points the piece there.
	text  []byte
	spans []span
	next  []span // where a pre-tokenizer collects; it then swaps spans and next
}

// A span is text[from:to]; it is never empty.
type span struct{ from, to int }

// cut copies text and cuts it into pieces by steps, one after another.
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

// len returns the number of pieces.
func (p *Pieces) Len() int { return len(p.spans) }

// piece returns piece i, which is not empty. It is valid until the next cut.
func (p *Pieces) Piece(i int) []byte { return p.text[p.spans[i].from:p.spans[i].to] }

// bytes returns about how much memory p holds.
func (p *Pieces) Bytes() int { return cap(p.text) + 16*(cap(p.spans)+cap(p.next)) }

// A preTokenizer cuts pieces into smaller ones. A Sequence is a []preTokenizer; it has no type of
// its own.
type PreTokenizer interface {
	preTokenize(p *Pieces)
}

// parsePreTokenizer reads a pre_tokenizer section, null for none, as the steps it consists of.
func Parse(at string, raw []byte, depth int) ([]PreTokenizer, error) {
	o, err := jsonobject.ReadTyped(at, raw, depth)
	if o == nil {
		return nil, err
	}
	c := propertySplitter{unicode: codepoint.Load()}
	var other PreTokenizer // instead of c
	switch o.Type() {
	case "Sequence":
		var steps []PreTokenizer
		for i, raw := range o.List("pretokenizers") {
			inner, err := Parse(fmt.Sprintf("%s.pretokenizers[%d]", at, i), raw, depth+1)
			if err != nil {
				return nil, err
			}
			steps = append(steps, inner...)
		}
		return steps, o.Close()
	case "BertPreTokenizer":
		other = NewBert()
	case "Whitespace": // runs of \w and of what is neither \w nor white space
		c.drop, c.splitAround = codepoint.Space, codepoint.Word
	case "WhitespaceSplit":
		c.drop = codepoint.Space
	case "Punctuation":
		err = c.setBehavior(at, codepoint.Punctuation, o.StringOr("behavior", "Isolated"))
	case "Digits":
		if o.Bool("individual_digits") {
			err = c.setBehavior(at, codepoint.Numeric, "Isolated")
		} else {
			err = c.setBehavior(at, codepoint.Numeric, "Contiguous")
		}
	case "ByteLevel":
		other = parseByteLevel(o)
	case "Metaspace":
		other, err = parseMetaspace(o)
	case "Split":
		other, err = parseSplit(o)
	default:
		return nil, o.UnknownType()
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

// newBert returns BertPreTokenizer: words end at white space, which goes, and every punctuation
// character is a piece of its own. All values that it returns are equal.
func NewBert() PreTokenizer {
	return propertySplitter{drop: codepoint.Space, splitBefore: codepoint.Punctuation, splitAfter: codepoint.Punctuation, unicode: codepoint.Load()}
}

// newPunctuation returns a pre-tokenizer for which every punctuation character is a piece of its own.
func NewPunctuation() PreTokenizer {
	return propertySplitter{splitBefore: codepoint.Punctuation, splitAfter: codepoint.Punctuation, unicode: codepoint.Load()}
}

// A propertySplitter cuts at characters that have certain properties. Drop and apart are at most one property
// each.
type propertySplitter struct {
	drop        codepoint.Property // such characters are in no piece
	splitBefore codepoint.Property // a piece starts at such a character
	splitAfter  codepoint.Property // a piece ends after such a character
	splitAround codepoint.Property // a piece has either only such characters or none
	unicode     *codepoint.Tables
}

// behave sets the propertySplitter to treat characters with property p as the reference's
// SplitDelimiterBehavior of that name says.
func (c *propertySplitter) setBehavior(at string, p codepoint.Property, behavior string) error {
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
		return fmt.Errorf("%s: unknown behavior %q", at, behavior)
	}
	return nil
}

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
