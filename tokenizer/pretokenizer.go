package tokenizer

import (
	"fmt"
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
)

// pieces are parts of a text, in order. A pre-tokenizer cuts them further.
type pieces struct {
	// text is what the spans count in. What is there stays: a pre-tokenizer that rewrites a
	// piece appends the new text and points the piece there.
	text  []byte
	spans []span
	next  []span // where a pre-tokenizer collects; it then swaps spans and next
}

// A span is text[from:to]; it is never empty.
type span struct{ from, to int }

// A preTokenizer cuts pieces into smaller ones. A Sequence is a []preTokenizer; it has no type of
// its own.
type preTokenizer interface {
	preTokenize(p *pieces)
}

// parsePreTokenizer reads a pre_tokenizer section, null for none, as the steps it consists of.
func parsePreTokenizer(at string, raw []byte, depth int) ([]preTokenizer, error) {
	o, err := jsonobject.ReadTyped(at, raw, depth)
	if o == nil {
		return nil, err
	}
	c := cutter{unicode: codepoint.Load()}
	var other preTokenizer // instead of c
	switch o.Type() {
	case "Sequence":
		var steps []preTokenizer
		for i, raw := range o.List("pretokenizers") {
			inner, err := parsePreTokenizer(fmt.Sprintf("%s.pretokenizers[%d]", at, i), raw, depth+1)
			if err != nil {
				return nil, err
			}
			steps = append(steps, inner...)
		}
		return steps, o.Close()
	case "BertPreTokenizer":
		c = bertCutter(c.unicode)
	case "Whitespace": // runs of \w and of what is neither \w nor white space
		c.drop, c.apart = codepoint.Space, codepoint.Word
	case "WhitespaceSplit":
		c.drop = codepoint.Space
	case "Punctuation":
		err = c.behave(at, codepoint.Punctuation, o.StringOr("behavior", "Isolated"))
	case "Digits":
		if o.Bool("individual_digits") {
			err = c.behave(at, codepoint.Numeric, "Isolated")
		} else {
			err = c.behave(at, codepoint.Numeric, "Contiguous")
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
		return []preTokenizer{other}, nil
	}
	return []preTokenizer{c}, nil
}

// bertCutter is BertPreTokenizer: words end at white space, which goes, and every punctuation
// character is a piece of its own.
func bertCutter(t *codepoint.Tables) cutter {
	return cutter{drop: codepoint.Space, before: codepoint.Punctuation, after: codepoint.Punctuation, unicode: t}
}

// A cutter cuts at characters that have certain properties. Drop and apart are at most one property
// each.
type cutter struct {
	drop    codepoint.Property // such characters are in no piece
	before  codepoint.Property // a piece starts at such a character
	after   codepoint.Property // a piece ends after such a character
	apart   codepoint.Property // a piece has either only such characters or none
	unicode *codepoint.Tables
}

// behave sets the cutter to treat characters with property p as the reference's
// SplitDelimiterBehavior of that name says.
func (c *cutter) behave(at string, p codepoint.Property, behavior string) error {
	switch behavior {
	case "Removed":
		c.drop = p
	case "Isolated":
		c.before, c.after = p, p
	case "MergedWithPrevious":
		c.after = p
	case "MergedWithNext":
		c.before = p
	case "Contiguous":
		c.apart = p
	default:
		return fmt.Errorf("%s: unknown behavior %q", at, behavior)
	}
	return nil
}

func (c cutter) preTokenize(p *pieces) {
	next := p.next[:0]
	differ := c.drop | c.apart
	for _, s := range p.spans {
		start, last := s.from, codepoint.Property(0)
		for i := s.from; i < s.to; {
			r, size := rune(p.text[i]), 1
			if r >= utf8.RuneSelf {
				r, size = utf8.DecodeRune(p.text[i:s.to])
			}
			q := c.unicode.Properties(r)
			if i > start && (q&c.before|last&c.after|(q^last)&differ) != 0 {
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
