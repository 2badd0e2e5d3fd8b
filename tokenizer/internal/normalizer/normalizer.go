package normalizer

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/pattern"
)

// A normalizer rewrites text before it is cut into pieces. A Sequence is a []normalizer; it has no
// type of its own.
type Normalizer interface {
	// normalize appends the normal form of src, which is UTF-8, to dst and returns it. dst and
	// src do not overlap; src is not written to.
	Normalize(s *Scratch, dst, src []byte) ([]byte, error)
}

// ErrGrowth is wrapped by the error of a text that the normalizers make many times longer than it
// was, as a Replace with a long content can.
var ErrGrowth = errors.New("text grows out of proportion")

// growthLimit is how long a normalizer may make a text of n bytes. The worst that Unicode's own
// normal forms do is eleven times.
func growthLimit(n int) int { return 1<<16 + 64*n }

// normalScratch holds the buffers of normalizers, so that a text needs no new ones.
type Scratch struct {
	normal []byte // the normalizers write to one of these two in turn
	spare  []byte
	runes  []codepoint.ClassedRune // what normal forms work on
	marks  []codepoint.ClassedRune // for codepoint.SortMarks
}

// bytes returns about how much memory s holds.
func (s *Scratch) Bytes() int {
	return cap(s.normal) + cap(s.spare) + 8*(cap(s.runes)+cap(s.marks))
}

// normalize runs the normalizers over text one after another. The result is text itself or lies in
// one of s's buffers.
func (s *Scratch) Normalize(steps []Normalizer, text []byte) ([]byte, error) {
	limit := growthLimit(len(text))
	for _, step := range steps {
		out, err := step.Normalize(s, s.normal[:0], text)
		if err != nil {
			return nil, err
		}
		if len(out) > limit {
			return nil, fmt.Errorf("normalizer: from at most %d bytes to %d: %w", limit, len(out), ErrGrowth)
		}
		text = out
		s.normal, s.spare = s.spare, out
	}
	return text, nil
}

// parseNormalizer reads a normalizer section, null for none, as the steps it consists of.
func Parse(at string, raw []byte, depth int) ([]Normalizer, error) {
	o, err := jsonobject.ReadTyped(at, raw, depth)
	if o == nil {
		return nil, err
	}
	unicode := codepoint.Load()
	var n Normalizer
	switch o.Type() {
	case "Sequence":
		var steps []Normalizer
		for i, raw := range o.List("normalizers") {
			inner, err := Parse(fmt.Sprintf("%s.normalizers[%d]", at, i), raw, depth+1)
			if err != nil {
				return nil, err
			}
			steps = append(steps, inner...)
		}
		return steps, o.Close()
	case "BertNormalizer":
		n, err = NewBert(BertOptions{
			CleanText:    o.Bool("clean_text"),
			ChineseChars: o.Bool("handle_chinese_chars"),
			StripAccents: o.OptionalBool("strip_accents"),
			Lowercase:    o.Bool("lowercase"),
		}), nil
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
	default:
		return nil, o.UnknownType()
	}
	if err == nil {
		err = o.Close()
	}
	if err != nil {
		return nil, err
	}
	return []Normalizer{n}, nil
}

// lowercase is Lowercase: lower case, without context.
type lowercase struct{ unicode *codepoint.Tables }

func NewLowercase() Normalizer { return lowercase{codepoint.Load()} }

func (n lowercase) Normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		dst = n.unicode.AppendLower(dst, r, n.unicode.Properties(r))
		i += size
	}
	return dst, nil
}

// stripAccents is StripAccents: it drops marks, so it does something only after NFD or NFKD.
type stripAccents struct{ unicode *codepoint.Tables }

func (n stripAccents) Normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		if n.unicode.Properties(r)&codepoint.Mark == 0 {
			dst = append(dst, src[i:i+size]...)
		}
		i += size
	}
	return dst, nil
}

// strip is Strip: it drops white space at the ends of the text.
type strip struct {
	left, right bool
	unicode     *codepoint.Tables
}

func NewStrip(left, right bool) Normalizer { return strip{left, right, codepoint.Load()} }

func (n strip) Normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	if n.left {
		src = src[n.unicode.LeadingSpace(src):]
	}
	if n.right {
		src = src[:len(src)-n.unicode.TrailingSpace(src)]
	}
	return append(dst, src...), nil
}

// prepend is Prepend: a string before every text that is not empty.
type prepend string

func (n prepend) Normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	if len(src) == 0 {
		return dst, nil
	}
	return append(append(dst, n...), src...), nil
}

// replace is Replace: content in place of every match of a pattern, from left to right.
type replace struct {
	find    pattern.Finder
	content string
}

func NewReplace(find pattern.Finder, content string) Normalizer { return replace{find, content} }

func parseReplace(o *jsonobject.Object) (Normalizer, error) {
	find, err := pattern.Parse(o)
	if err != nil {
		return nil, err
	}
	return NewReplace(find, o.String("content")), nil
}

func (n replace) Normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	limit := len(dst) + growthLimit(len(src))
	for len(dst) <= limit {
		from, to := n.find(src)
		if from < 0 {
			return append(dst, src...), nil
		}
		dst = append(append(dst, src[:from]...), n.content...)
		src = src[to:]
	}
	return nil, fmt.Errorf("normalizer Replace: %w", ErrGrowth)
}
