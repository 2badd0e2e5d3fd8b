package model

// Scratch holds the buffers of a model between pieces.
type Scratch struct {
	Out *IDs // receives the ids

	ids     []int32    // tokens of a word, until the whole word is known to be in the vocabulary; positions of a path
	word    []byte     // a character with its prefix and suffix
	symbols []symbol   // the tokens of a piece while they merge
	merges  mergeQueue // merges that may be possible next
	paths   []bestPath // best path to each byte offset in a piece
}

// Bytes returns approximately how much memory s holds.
func (s *Scratch) Bytes() int {
	return 4*cap(s.ids) + cap(s.word) + 20*cap(s.symbols) + 16*(cap(s.merges)+cap(s.paths))
}

// IDs collects the ids of a text. With a limit it keeps only the ids that a truncation to the limit may
// need, so that memory does not grow with the text.
type IDs struct {
	ids   []int32
	limit int  // number of ids to keep; negative: all
	last  bool // keep the last ids, not the first
	Total int  // number of ids that were added
}

// Bytes returns approximately how much memory k holds.
func (k *IDs) Bytes() int { return 4 * cap(k.ids) }

// Reset removes all ids. From now on k keeps the first limit ids, or the last if last is true, or all ids
// if limit is negative.
func (k *IDs) Reset(limit int, last bool) {
	*k = IDs{ids: k.ids[:0], limit: limit, last: last}
}

// Add appends an id.
func (k *IDs) Add(id int32) {
	k.Total++
	if k.limit < 0 || len(k.ids) < k.limit {
		k.ids = append(k.ids, id)
	} else if k.last && k.limit > 0 {
		k.addLast(id)
	}
}

// addLast drops the first half of the ids when there are twice as many as needed. So the cost of an id is
// constant on average.
func (k *IDs) addLast(id int32) {
	if len(k.ids) >= 2*k.limit {
		copy(k.ids, k.ids[len(k.ids)-k.limit:])
		k.ids = k.ids[:k.limit]
	}
	k.ids = append(k.ids, id)
}

// Cut returns the n ids that remain after a truncation to n, or all ids if there are fewer. n is at most
// the limit.
func (k *IDs) Cut(n int) []int32 {
	if n >= k.Total {
		return k.ids
	}
	if k.last {
		return k.ids[len(k.ids)-n:]
	}
	return k.ids[:n]
}
