package addedtoken

import (
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
)

// An addedScan walks over a text that is split at added tokens.
type Scan struct {
	tokens     *Set
	text       []byte
	searchFrom int // where the search for the next token starts
	consumed   int // where the last token, with the white space it took along, ends

	pending    bool // a token was found; the text before it was returned, it was not
	pendingID  int32
	pendingEnd int // where taken will be

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
	if c.pending {
		c.pending, c.consumed = false, c.pendingEnd
		return nil, c.pendingID, true
	}
	for c.searchFrom < len(c.text) {
		start, end, k := c.tokens.find(c.text, c.searchFrom)
		if k < 0 {
			break
		}
		c.searchFrom = end
		t := &c.tokens.tokens[k]
		if t.SingleWord && (c.wordBefore(start) || c.wordAfter(end)) {
			continue
		}
		if t.LStrip {
			// Only white space that no token took yet counts.
			if c.consumed < start {
				start -= c.tokens.unicode.TrailingSpace(c.text[c.consumed:start])
			} else {
				start = c.consumed
			}
		}
		if t.RStrip {
			end = c.spaceEnd(end)
		}
		from := c.consumed
		if from < start {
			c.pending, c.pendingID, c.pendingEnd = true, t.ID, end
			return c.text[from:start], -1, true
		}
		c.consumed = end
		return nil, t.ID, true
	}
	c.searchFrom = len(c.text)
	if from := c.consumed; from < len(c.text) {
		c.consumed = len(c.text)
		return c.text[from:], -1, true
	}
	return nil, -1, false
}

// wordBefore reports whether a \w character stands before at.
func (c *Scan) wordBefore(at int) bool {
	r, size := utf8.DecodeLastRune(c.text[:at])
	return size > 0 && c.tokens.unicode.Properties(r)&codepoint.Word != 0
}

// wordAfter reports whether a \w character stands at at.
func (c *Scan) wordAfter(at int) bool {
	r, size := utf8.DecodeRune(c.text[at:])
	return size > 0 && c.tokens.unicode.Properties(r)&codepoint.Word != 0
}

// spaceEnd returns where the white space that starts at at ends.
func (c *Scan) spaceEnd(at int) int {
	if c.spaces.from <= at && at < c.spaces.to {
		return c.spaces.to
	}
	c.spaces.from, c.spaces.to = at, at+c.tokens.unicode.LeadingSpace(c.text[at:])
	return c.spaces.to
}
