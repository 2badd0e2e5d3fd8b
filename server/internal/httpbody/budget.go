package httpbody

import "sync/atomic"

// Budget bounds the bytes of all request bodies that are in memory. Its methods
// may be called from any goroutine.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int) *Budget { return &Budget{limit: int64(limit)} }

// Used is the number of bytes taken.
func (b *Budget) Used() int { return int(b.used.Load()) }

// Take takes n bytes. It returns false, and takes none, if less than n are left.
func (b *Budget) Take(n int) bool {
	if b.used.Add(int64(n)) > b.limit {
		b.Give(n)
		return false
	}
	return true
}

// Give returns n bytes that were taken.
func (b *Budget) Give(n int) { b.used.Add(-int64(n)) }
