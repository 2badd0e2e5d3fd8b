package addedtoken

import (
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
)

// A Scan goes through a text that is split at added tokens.
type Scan struct {
	tokens     *Set
	text       []byte
	searchFrom int // start of the search for the next token
	consumed   int // end of the last token, including white space of its match

	pending    bool // a token was found, and only the text before it was returned yet
	pendingID  int32
	pendingEnd int // the next value of consumed

	spaces struct{ from, to int } // white space after the last RStrip token: avoids a repeated walk over it
}

// Scan returns a scan of text, split at the tokens of a.
func (a *Set) Scan(text []byte) Scan { return Scan{tokens: a, text: text} }

// Next returns the next part of the text: the id of an added token, or a part without added tokens and
// -1. A part is not empty. At the end, ok is false.
//
// Tokens do not overlap. But the white space of a match may contain another token, which Next returns,
// too: the reference searches for tokens first and for white space after that.
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
		if t.Special && c.tokens.skipSpecial || t.SingleWord && (c.wordBefore(start) || c.wordAfter(end)) {
			continue
		}
		if t.LStrip {
			// Only white space that is not part of an earlier match counts.
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

// wordBefore reports whether a \w character is directly before offset at.
func (c *Scan) wordBefore(at int) bool {
	r, size := utf8.DecodeLastRune(c.text[:at])
	return size > 0 && c.tokens.unicode.Properties(r)&codepoint.Word != 0
}

// wordAfter reports whether a \w character is at offset at.
func (c *Scan) wordAfter(at int) bool {
	r, size := utf8.DecodeRune(c.text[at:])
	return size > 0 && c.tokens.unicode.Properties(r)&codepoint.Word != 0
}

// spaceEnd returns the end of the white space that starts at offset at.
func (c *Scan) spaceEnd(at int) int {
	if c.spaces.from <= at && at < c.spaces.to {
		return c.spaces.to
	}
	c.spaces.from, c.spaces.to = at, at+c.tokens.unicode.LeadingSpace(c.text[at:])
	return c.spaces.to
}
