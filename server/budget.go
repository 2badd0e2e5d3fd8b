package server

import "sync/atomic"

// budget bounds the bytes of the request bodies that are in memory at a time.
type budget struct {
	limit int64
	used  atomic.Int64
}

// take reserves n bytes, if there are so many left.
func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) > b.limit {
		b.give(n)
		return false
	}
	return true
}

// give returns n bytes that were taken.
func (b *budget) give(n int) { b.used.Add(-int64(n)) }
