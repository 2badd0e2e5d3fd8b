package tokenizer

import (
	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/pretokenizer"

	"kenserve/tokenizer/internal/normalizer"
)

// scratch is what one Encode needs besides its result. A tokenizer keeps a few to use again.
type scratch struct {
	text   []byte // the text, where it had to be mended
	normal normalizer.Scratch
	runes  []codepoint.ClassedRune // the fast path's decomposition
	pieces pretokenizer.Pieces
	word   []byte  // the fast path's word
	ids    []int32 // a word's tokens, until all of it is known to have some

	symbols []symbol   // a piece's tokens as they merge
	merges  mergeQueue // what could merge next
	paths   []bestPath // the best path to every place in a piece

	first, second kept  // ids of the text and of its pair
	out           *kept // which of the two is being written
}

// retainedBytes is how large a scratch may be to be kept for another text.
const retainedBytes = 1 << 20

// bytes returns about how much memory s holds.
func (s *scratch) bytes() int {
	return cap(s.text) + s.normal.Bytes() + cap(s.word) + s.pieces.Bytes() +
		8*cap(s.runes) +
		20*cap(s.symbols) + 16*(cap(s.merges)+cap(s.paths)) +
		4*(cap(s.ids)+cap(s.first.ids)+cap(s.second.ids))
}

// kept collects the ids of a text. Under a limit it keeps only those that a truncation can leave,
// however many there are.
type kept struct {
	ids   []int32
	limit int  // how many ids to keep; negative: all
	last  bool // keep the last ones instead of the first
	total int  // how many ids there were
}

func (k *kept) reset(limit int, last bool) {
	*k = kept{ids: k.ids[:0], limit: limit, last: last}
}

func (k *kept) add(id int32) {
	k.total++
	if k.limit < 0 || len(k.ids) < k.limit {
		k.ids = append(k.ids, id)
	} else if k.last && k.limit > 0 {
		k.addLast(id)
	}
}

// addLast makes room by forgetting the first half of the ids whenever they are twice as many as
// must be kept.
func (k *kept) addLast(id int32) {
	if len(k.ids) >= 2*k.limit {
		copy(k.ids, k.ids[len(k.ids)-k.limit:])
		k.ids = k.ids[:k.limit]
	}
	k.ids = append(k.ids, id)
}

// cut returns the n ids that a truncation to n leaves; n is at most the limit.
func (k *kept) cut(n int) []int32 {
	if n >= k.total {
		return k.ids
	}
	if k.last {
		return k.ids[len(k.ids)-n:]
	}
	return k.ids[:n]
}
