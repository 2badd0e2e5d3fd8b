package httpbody

import "sync/atomic"

// Budget bounds the bytes of the request bodies that are in memory at a time.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int) *Budget { return &Budget{limit: int64(limit)} }

// Used is how many bytes are taken.
func (b *Budget) Used() int { return int(b.used.Load()) }

// Take reserves n bytes, if there are so many left.
func (b *Budget) Take(n int) bool {
	if b.used.Add(int64(n)) > b.limit {
		b.Give(n)
		return false
	}
	return true
}

// Give returns n bytes that were taken.
func (b *Budget) Give(n int) { b.used.Add(-int64(n)) }
