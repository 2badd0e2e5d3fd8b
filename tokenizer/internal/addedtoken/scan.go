package addedtoken

import (
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
)

// An addedScan walks over a text that is split at added tokens.
type Scan struct {
	tokens *Set
	text   []byte
	search int // where the search for the next token starts
	taken  int // where the last token, with the white space it took along, ends

	found bool // a token was found; the text before it was returned, it was not
	id    int32
	end   int // where taken will be

	spaces struct{ from, to int } // white space that an rstrip ended in, so as not to walk over it again and again
}

// scan returns a scan of text, which is split at the tokens of a.
func (a *Set) Scan(text []byte) Scan { return Scan{tokens: a, text: text} }

// next returns the next part of the text: an added token's id, or a part without added tokens and
// -1. Parts are not empty. At the end it returns false.
//
// Tokens do not overlap, but the white space that one takes along may contain another, which is
// returned as well: the reference looks for tokens first and for white space then.
func (c *Scan) Next() (part []byte, id int32, ok bool) {
	if c.found {
		c.found, c.taken = false, c.end
		return nil, c.id, true
	}
	for c.search < len(c.text) {
		start, end, k := c.tokens.find(c.text, c.search)
		if k < 0 {
			break
		}
		c.search = end
		t := &c.tokens.tokens[k]
		if t.SingleWord && (c.wordEnds(start) || c.wordStarts(end)) {
			continue
		}
		if t.LStrip {
			// Only white space that no token took yet counts.
			if c.taken < start {
				start -= c.tokens.unicode.TrailingSpace(c.text[c.taken:start])
			} else {
				start = c.taken
			}
		}
		if t.RStrip {
			end = c.spacesEnd(end)
		}
		from := c.taken
		if from < start {
			c.found, c.id, c.end = true, t.ID, end
			return c.text[from:start], -1, true
		}
		c.taken = end
		return nil, t.ID, true
	}
	c.search = len(c.text)
	if from := c.taken; from < len(c.text) {
		c.taken = len(c.text)
		return c.text[from:], -1, true
	}
	return nil, -1, false
}

// wordEnds reports whether a \w character stands before at.
func (c *Scan) wordEnds(at int) bool {
	r, size := utf8.DecodeLastRune(c.text[:at])
	return size > 0 && c.tokens.unicode.Properties(r)&codepoint.Word != 0
}

// wordStarts reports whether a \w character stands at at.
func (c *Scan) wordStarts(at int) bool {
	r, size := utf8.DecodeRune(c.text[at:])
	return size > 0 && c.tokens.unicode.Properties(r)&codepoint.Word != 0
}

// spacesEnd returns where the white space that starts at at ends.
func (c *Scan) spacesEnd(at int) int {
	if c.spaces.from <= at && at < c.spaces.to {
		return c.spaces.to
	}
	c.spaces.from, c.spaces.to = at, at+c.tokens.unicode.LeadingSpace(c.text[at:])
	return c.spaces.to
}
