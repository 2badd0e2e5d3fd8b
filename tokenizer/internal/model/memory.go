package model

import "unsafe"

// Bytes implements Model.
func (m *WordPiece) Bytes() int64 { return m.Tokens.Bytes() }

// Bytes implements Model. An entry of a Go map takes about a byte beside its key and value, and a map is
// two thirds full on average.
func (m *BPE) Bytes() int64 {
	entry := int64(unsafe.Sizeof(pair{})+unsafe.Sizeof(merge{})) + 1
	return m.tokens.Bytes() + int64(len(m.merges))*entry*3/2 + 4*int64(len(m.selfTokens))
}

// Bytes implements Model.
func (m *Unigram) Bytes() int64 { return m.tokens.Bytes() + 8*int64(len(m.scores)) }

// Bytes implements Model.
func (m *wordLevel) Bytes() int64 { return m.tokens.Bytes() }
