package tokenizer

import (
	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/pretokenizer"
)

// scratch holds the buffers of one Encode. A tokenizer keeps a few in a pool.
type scratch struct {
	text   []byte                  // the text with invalid UTF-8 replaced
	word   []byte                  // the word that the fast path reads
	runes  []codepoint.ClassedRune // the decomposition that the fast path looks at
	normal normalizer.Scratch
	pieces pretokenizer.Pieces
	model  model.Scratch // model.Out is first or second, whichever is being written

	first, second model.IDs // ids of the text and of its pair
}

// retainedBytes is the size up to which a scratch goes back to the pool.
const retainedBytes = 1 << 20

// bytes returns approximately how much memory s holds.
func (s *scratch) bytes() int {
	return cap(s.text) + s.normal.Bytes() + cap(s.word) + s.pieces.Bytes() +
		8*cap(s.runes) + s.model.Bytes() + s.first.Bytes() + s.second.Bytes()
}
