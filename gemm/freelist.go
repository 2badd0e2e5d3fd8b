package gemm

import "sync"

// A freeList holds values that calls use again, so that they allocate nothing.
// There are as many as were ever in use at once; a buffer among them is as large
// as the largest it was used for.
type freeList[T any] struct {
	mu   sync.Mutex
	free []*T
}

func (l *freeList[T]) take() *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := len(l.free) - 1; last >= 0 {
		b := l.free[last]
		l.free = l.free[:last]
		return b
	}
	return new(T)
}

func (l *freeList[T]) release(b *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, b)
}
