package httpbody

import (
	"io"
	"net/http"
	"sync"

	"kenserve/server/internal/problem"
)

// Buffers is the memory that a handler works in. Handlers take it from a pool, so
// that the next request uses it again.
type Buffers struct {
	Out   []byte  // for the answer
	Order []int32 // for ranking labels

	body   []byte // as received, decoded
	budget *Budget
	taken  int // bytes of the body that count against budget
}

var pool = sync.Pool{New: func() any { return new(Buffers) }}

// NewBuffers takes Buffers from the pool. The body that they read counts against
// budget, if it is not nil. Call Release when nothing refers to them any more.
func NewBuffers(budget *Budget) *Buffers {
	b := pool.Get().(*Buffers)
	b.budget = budget
	return b
}

// maxPooledBytes bounds each buffer in the pool, so that one large request does
// not hold its memory permanently.
const maxPooledBytes = 256 << 10

// Release returns the bytes of the body to the budget, and b to the pool.
func (b *Buffers) Release() {
	if cap(b.body) > maxPooledBytes {
		b.body = nil
	}
	if cap(b.Out) > maxPooledBytes {
		b.Out = nil
	}
	if b.budget != nil {
		b.budget.Give(b.taken)
	}
	b.budget, b.taken = nil, 0
	pool.Put(b)
}

// Read reads a body of at most limit bytes, as sent and as decoded. The texts of
// the request are parts of the string that it returns, the only copy of the body.
// Memory grows with the bytes that have arrived, not with the announced length: a
// slow client cannot reserve memory for bytes that it does not send.
//
// The error is a *[problem.Problem].
func (b *Buffers) Read(r *http.Request, limit int) (string, error) {
	stream, err := Open(r, limit)
	if err != nil {
		return "", err
	}
	body := b.body[:0]
	defer func() { b.body = body }()
	for {
		if len(body) == cap(body) {
			grown := make([]byte, len(body), min(max(2*len(body), 4<<10), limit+1))
			copy(grown, body)
			body = grown
		}
		n, err := stream.Read(body[len(body):min(cap(body), limit+1)])
		body = body[:len(body)+n]
		if stream.tooLarge() {
			return "", stream.Problem()
		}
		if b.budget != nil {
			if !b.budget.Take(n) {
				return "", problem.Overloaded("too many bytes of requests are in memory, try again later")
			}
			b.taken += n
		}
		switch {
		case err == io.EOF:
			return string(body), nil
		case err != nil:
			return "", stream.Problem()
		}
	}
}
