// Package normalizer holds the stage of a tokenizer that rewrites text: case, accents, white space and
// Unicode normal forms.
package normalizer

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"kenserve/internal/settings"
	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/pattern"
)

// A Normalizer rewrites text before it is split into pieces. A Sequence is a []Normalizer without a type
// of its own.
type Normalizer interface {
	// Normalize appends the normal form of src, which is valid UTF-8, to dst and returns the result. It
	// does not write to src. dst and src do not overlap.
	normalize(s *Scratch, dst, src []byte) ([]byte, error)
}

// ErrGrowth is wrapped by the error for a text that normalizers make many times longer. A Replace with a
// long content can do that.
var ErrGrowth = errors.New("the text grows too much")

// growthLimit is the maximum length, in bytes, of the normal form of a text of n bytes. Unicode's own
// normal forms are at most eleven times as long as the text.
func growthLimit(n int) int { return 1<<16 + 64*n }

// Scratch holds the buffers of normalizers between texts.
type Scratch struct {
	normal []byte // normalizers write to normal and spare in turn
	spare  []byte
	runes  []codepoint.ClassedRune // a decomposed section of the text
	marks  []codepoint.ClassedRune // for codepoint.SortMarks
}

// Bytes returns approximately how much memory s holds.
func (s *Scratch) Bytes() int {
	return cap(s.normal) + cap(s.spare) + 8*(cap(s.runes)+cap(s.marks))
}

// Normalize applies steps to text, one after another. The result is text itself or uses a buffer of s.
func (s *Scratch) Normalize(steps []Normalizer, text []byte) ([]byte, error) {
	length, limit := len(text), growthLimit(len(text))
	for _, step := range steps {
		out, err := step.normalize(s, s.normal[:0], text)
		if err != nil {
			return nil, err
		}
		if len(out) > limit {
			return nil, fmt.Errorf("normalize: %w: %d bytes become %d; at most %d are supported", ErrGrowth, length, len(out), limit)
		}
		text = out
		s.normal, s.spare = s.spare, out
	}
	return text, nil
}

// Types are the normalizers of the reference, with their settings.
var Types = []jsonobject.Type{
	{Name: "Sequence", Settings: settings.Table{settings.Used("normalizers")}},
	{Name: "BertNormalizer", Settings: settings.Table{settings.Used("clean_text"), settings.Used("handle_chinese_chars"), settings.Used("strip_accents"), settings.Used("lowercase")}},
	{Name: "NFC"}, {Name: "NFD"}, {Name: "NFKC"}, {Name: "NFKD"},
	{Name: "Lowercase"},
	{Name: "StripAccents"},
	{Name: "Strip", Settings: settings.Table{settings.Used("strip_left"), settings.Used("strip_right")}},
	{Name: "Prepend", Settings: settings.Table{settings.Used("prepend")}},
	{Name: "Replace", Settings: settings.Table{settings.Used("pattern"), settings.Used("content")}},
	{Name: "Precompiled", Settings: settings.Table{settings.Used("precompiled_charsmap")}},
	{Name: "Nmt"},
	{Name: "ByteLevel"},
}

// Parse reads a normalizer of a tokenizer.json and returns its steps. v is null or missing for none.
func Parse(v jsonobject.Value) ([]Normalizer, error) {
	o, err := v.Typed(Types)
	if o == nil || err != nil {
		return nil, err
	}
	unicode := codepoint.Load()
	var n Normalizer
	switch o.Type() {
	case "Sequence":
		var steps []Normalizer
		for _, element := range o.Values("normalizers") {
			inner, err := Parse(element)
			if err != nil {
				return nil, err
			}
			steps = append(steps, inner...)
		}
		return steps, o.Close()
	case "BertNormalizer":
		n = NewBert(BertOptions{
			CleanText:    o.Bool("clean_text"),
			ChineseChars: o.Bool("handle_chinese_chars"),
			StripAccents: o.OptionalBool("strip_accents"),
			Lowercase:    o.Bool("lowercase"),
		})
	case "NFC", "NFD", "NFKC", "NFKD":
		n = normalForm{compatible: o.Type()[2] == 'K', compose: strings.HasSuffix(o.Type(), "C"), unicode: unicode}
	case "Lowercase":
		n = NewLowercase()
	case "StripAccents":
		n = stripAccents{unicode}
	case "Strip":
		n = NewStrip(o.Bool("strip_left"), o.Bool("strip_right"))
	case "Prepend":
		n = prepend(o.String("prepend"))
	case "Replace":
		n, err = parseReplace(o)
	case "Precompiled":
		n, err = parsePrecompiled(o)
	case "Nmt":
		n = nmt{}
	case "ByteLevel":
		n = byteLevel{}
	}
	if err == nil {
		err = o.Close()
	}
	if err != nil {
		return nil, err
	}
	return []Normalizer{n}, nil
}

// lowercase is the normalizer Lowercase. It looks at one code point at a time.
type lowercase struct{ unicode *codepoint.Tables }

// NewLowercase returns Lowercase.
func NewLowercase() Normalizer { return lowercase{codepoint.Load()} }

func (n lowercase) normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		dst = n.unicode.AppendLower(dst, r, n.unicode.Properties(r))
		i += size
	}
	return dst, nil
}

// stripAccents is the normalizer StripAccents: it drops marks. It has an effect only after NFD or NFKD.
type stripAccents struct{ unicode *codepoint.Tables }

func (n stripAccents) normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		if n.unicode.Properties(r)&codepoint.Mark == 0 {
			dst = append(dst, src[i:i+size]...)
		}
		i += size
	}
	return dst, nil
}

// strip is the normalizer Strip: it drops white space at the ends of the text.
type strip struct {
	left, right bool
	unicode     *codepoint.Tables
}

// NewStrip returns Strip for the start of the text, its end, or both.
func NewStrip(left, right bool) Normalizer { return strip{left, right, codepoint.Load()} }

func (n strip) normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	if n.left {
		src = src[n.unicode.LeadingSpace(src):]
	}
	if n.right {
		src = src[:len(src)-n.unicode.TrailingSpace(src)]
	}
	return append(dst, src...), nil
}

// prepend is the normalizer Prepend: it puts a string before every text that is not empty.
type prepend string

func (n prepend) normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	if len(src) == 0 {
		return dst, nil
	}
	return append(append(dst, n...), src...), nil
}

// replace is the normalizer Replace: it replaces each match of a pattern by content, from left to right.
type replace struct {
	find    *pattern.Pattern
	content string
}

// NewReplace returns Replace.
func NewReplace(find *pattern.Pattern, content string) Normalizer { return replace{find, content} }

func parseReplace(o *jsonobject.Object) (Normalizer, error) {
	find, err := pattern.Parse(o)
	if err != nil {
		return nil, err
	}
	return NewReplace(find, o.String("content")), nil
}

func (n replace) normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	limit := len(dst) + growthLimit(len(src))
	done := 0 // the text before it is in dst
	n.find.Each(src, func(from, to int) bool {
		dst = append(append(dst, src[done:from]...), n.content...)
		done = to
		return len(dst) <= limit
	})
	if len(dst) > limit {
		return nil, fmt.Errorf("normalize: Replace: %w: %d bytes become more than %d", ErrGrowth, len(src), growthLimit(len(src)))
	}
	return append(dst, src[done:]...), nil
}
