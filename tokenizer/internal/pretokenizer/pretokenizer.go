// Package pretokenizer holds the stage of a tokenizer that splits text into pieces, mostly words and
// punctuation.
package pretokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"kenserve/internal/settings"
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
type span struct {
	from, to int
	// head is the number of bytes at its start that come from the first character of the whole text, before
	// normalization. Only Metaspace looks at it, see [NeedsHead].
	head int
}

// part returns the piece that is the bytes from:to of s.
func (s span) part(from, to int) span {
	return span{s.from + from, s.from + to, max(s.head-from, 0)}
}

// Cut copies text and splits it into pieces by steps, one after another. head is the number of bytes at the
// start of text that come from the first character of the whole text, before normalization and before added
// tokens were taken out. It does not matter unless [NeedsHead].
func (p *Pieces) Cut(steps []PreTokenizer, text []byte, head int) {
	p.text = append(p.text[:0], text...)
	p.spans = p.spans[:0]
	if len(text) > 0 {
		p.spans = append(p.spans, span{0, len(text), head})
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
func (p *Pieces) Bytes() int { return cap(p.text) + 24*(cap(p.spans)+cap(p.next)) }

// A PreTokenizer splits pieces into smaller ones. A Sequence is a []PreTokenizer without a type of its
// own.
type PreTokenizer interface {
	preTokenize(p *Pieces)
}

var behaviorSetting = settings.Used("behavior")

// Types are the pre-tokenizers of the reference, with their settings.
var Types = []jsonobject.Type{
	{Name: "Sequence", Settings: settings.Table{settings.Used("pretokenizers")}},
	{Name: "BertPreTokenizer"},
	{Name: "Whitespace"},
	{Name: "WhitespaceSplit"},
	{Name: "Punctuation", Settings: settings.Table{behaviorSetting}},
	{Name: "Digits", Settings: settings.Table{settings.Used("individual_digits")}},
	{Name: "ByteLevel", Settings: append(settings.Table{settings.Used("add_prefix_space"), settings.Used("use_regex")},
		settings.Harmless("it changes offsets of tokens, not ids", "trim_offsets")...)},
	{Name: "Metaspace", Settings: settings.Table{settings.Used("replacement"), settings.Used("prepend_scheme"), settings.Used("add_prefix_space"), settings.Used("str_rep"), settings.Used("split")}},
	{Name: "Split", Settings: settings.Table{settings.Used("pattern"), behaviorSetting, settings.Used("invert")}},
	{Name: "CharDelimiterSplit", Settings: settings.Table{settings.Used("delimiter")}},
	{Name: "UnicodeScripts"},
	{Name: "FixedLength", Settings: settings.Table{settings.Used("length")}},
}

// Parse reads a pre-tokenizer of a tokenizer.json and returns its steps. v is null or missing for none.
func Parse(v jsonobject.Value) ([]PreTokenizer, error) {
	o, err := v.Typed(Types)
	if o == nil || err != nil {
		return nil, err
	}
	c := propertySplitter{unicode: codepoint.Load()}
	var other PreTokenizer // instead of c
	switch o.Type() {
	case "Sequence":
		var steps []PreTokenizer
		for _, element := range o.Values("pretokenizers") {
			inner, err := Parse(element)
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
		err = c.setBehavior(o.Path(), codepoint.Punctuation, o.StringOr("behavior", "Isolated"))
	case "Digits":
		if o.Bool("individual_digits") {
			err = c.setBehavior(o.Path(), codepoint.Numeric, "Isolated")
		} else {
			err = c.setBehavior(o.Path(), codepoint.Numeric, "Contiguous")
		}
	case "ByteLevel":
		other = parseByteLevel(o)
	case "Metaspace":
		other, err = parseMetaspace(o)
	case "Split":
		other, err = parseSplit(o)
	case "CharDelimiterSplit":
		other = delimiter(character(o, "delimiter"))
	case "UnicodeScripts":
		other = scripts{c.unicode}
	case "FixedLength":
		other, err = parseFixedLength(o)
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

// character reads a member that is a string of one character.
func character(o *jsonobject.Object, name string) string {
	s := o.String(name)
	if utf8.RuneCountInString(s) != 1 {
		o.Fail(name, "is not one character", nil)
	}
	return s
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
					next = append(next, s.part(start-s.from, i-s.from))
				}
				start = i
			}
			last = q
			i += size
		}
		if last&c.drop == 0 {
			next = append(next, s.part(start-s.from, s.to-s.from))
		}
	}
	p.spans, p.next = next, p.spans
}
