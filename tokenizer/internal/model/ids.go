package model

// modelScratch holds the buffers of models, so that a piece needs no new ones.
type Scratch struct {
	Out *IDs // collects the ids

	ids     []int32    // a word's tokens, until all of it is known to have some
	word    []byte     // a character with its prefix and suffix
	symbols []symbol   // a piece's tokens as they merge
	merges  mergeQueue // what could merge next
	paths   []bestPath // the best path to every place in a piece
}

// bytes returns about how much memory s holds.
func (s *Scratch) Bytes() int {
	return 4*cap(s.ids) + cap(s.word) + 20*cap(s.symbols) + 16*(cap(s.merges)+cap(s.paths))
}

// kept collects the ids of a text. Under a limit it keeps only those that a truncation can leave,
// however many there are.
type IDs struct {
	ids   []int32
	limit int  // how many ids to keep; negative: all
	last  bool // keep the last ones instead of the first
	Total int  // how many ids there were
}

// bytes returns about how much memory k holds.
func (k *IDs) Bytes() int { return 4 * cap(k.ids) }

func (k *IDs) Reset(limit int, last bool) {
	*k = IDs{ids: k.ids[:0], limit: limit, last: last}
}

func (k *IDs) Add(id int32) {
	k.Total++
	if k.limit < 0 || len(k.ids) < k.limit {
		k.ids = append(k.ids, id)
	} else if k.last && k.limit > 0 {
		k.addLast(id)
	}
}

// addLast makes room by forgetting the first half of the ids whenever they are twice as many as
// must be kept.
func (k *IDs) addLast(id int32) {
	if len(k.ids) >= 2*k.limit {
		copy(k.ids, k.ids[len(k.ids)-k.limit:])
		k.ids = k.ids[:k.limit]
	}
	k.ids = append(k.ids, id)
}

// cut returns the n ids that a truncation to n leaves; n is at most the limit.
func (k *IDs) Cut(n int) []int32 {
	if n >= k.Total {
		return k.ids
	}
	if k.last {
		return k.ids[len(k.ids)-n:]
	}
	return k.ids[:n]
}
