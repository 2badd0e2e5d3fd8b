package ken

import "math/bits"

// remaining is the set of values that are not taken yet. A bitmap has one bit for
// each value, and a summary has one bit for each word of the bitmap that is not
// zero. In nearly all rows two or three instructions find the nearest remaining
// value; the worst case scans 1/4096 of the row.
type remaining struct {
	words   []uint64 // bit i%64 of word i/64: value i remains
	summary []uint64 // bit w%64 of word w/64: words[w] is not zero
}

// reset makes the set {0, …, n-1}.
func (r *remaining) reset(n int) {
	words := maskWords(n)
	if words > cap(r.words) {
		r.words = make([]uint64, words)
		r.summary = make([]uint64, maskWords(words))
	}
	r.words, r.summary = r.words[:words], r.summary[:maskWords(words)]
	clear(r.words)
	clear(r.summary)
	setFirst(r.words, n)
	setFirst(r.summary, words)
}

// remove takes element i out of the set.
func (r *remaining) remove(i int) {
	word := i >> 6
	r.words[word] &^= 1 << (i & 63)
	if r.words[word] == 0 {
		r.summary[word>>6] &^= 1 << (word & 63)
	}
}

// atOrAbove returns the lowest element at or above i, or -1; 0 ≤ i ≤ n.
func (r *remaining) atOrAbove(i int) int {
	word := i >> 6
	if word >= len(r.words) {
		return -1
	}
	if w := r.words[word] >> (i & 63); w != 0 {
		return i + bits.TrailingZeros64(w)
	}
	word++
	s := word >> 6
	if s >= len(r.summary) {
		return -1
	}
	w := r.summary[s] >> (word & 63) << (word & 63)
	for w == 0 {
		if s++; s == len(r.summary) {
			return -1
		}
		w = r.summary[s]
	}
	word = s<<6 + bits.TrailingZeros64(w)
	return word<<6 + bits.TrailingZeros64(r.words[word])
}

// below returns the highest element below i, or -1; 0 ≤ i ≤ n.
func (r *remaining) below(i int) int {
	if i == 0 {
		return -1
	}
	i--
	word := i >> 6
	if w := r.words[word] << (63 - i&63); w != 0 {
		return i - bits.LeadingZeros64(w)
	}
	s := word >> 6
	w := r.summary[s] & (1<<(word&63) - 1)
	for w == 0 {
		if s--; s < 0 {
			return -1
		}
		w = r.summary[s]
	}
	word = s<<6 + bits.Len64(w) - 1
	return word<<6 + bits.Len64(r.words[word]) - 1
}
