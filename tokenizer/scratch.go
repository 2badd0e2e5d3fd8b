package tokenizer

import (
	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/pretokenizer"
)

// scratch is what one Encode needs besides its result. A tokenizer keeps a few to use again.
type scratch struct {
	text   []byte // the text, where it had to be mended
	normal normalizer.Scratch
	runes  []codepoint.ClassedRune // the fast path's decomposition
	pieces pretokenizer.Pieces
	word   []byte // the fast path's word
	model  model.Scratch

	first, second model.IDs // ids of the text and of its pair; model.out is the one being written
}

// retainedBytes is how large a scratch may be to be kept for another text.
const retainedBytes = 1 << 20

// bytes returns about how much memory s holds.
func (s *scratch) bytes() int {
	return cap(s.text) + s.normal.Bytes() + cap(s.word) + s.pieces.Bytes() +
		8*cap(s.runes) + s.model.Bytes() + s.first.Bytes() + s.second.Bytes()
}
