package gemm

import "sync"

// freeList keeps values that calls use again, so that the steady state allocates
// nothing. It grows to the number of values that were ever in use at once, and a
// buffer in a value to the largest size that it was used for.
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

// release takes a value back. nil is ignored.
func (l *freeList[T]) release(b *T) {
	if b == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, b)
}
