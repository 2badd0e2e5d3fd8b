package httpbody

import (
	"io"
	"net/http"
	"runtime"
	"sync"

	"kenserve/internal/memory"
	"kenserve/server/internal/problem"
)

// Buffers is the memory that a handler works in. Handlers take it from a pool, so
// that the next request uses it again.
type Buffers struct {
	Out   []byte  // for the answer
	Order []int32 // for ranking labels

	body []byte // as received, decoded
	turn bool   // see EndTurn
}

var pool = sync.Pool{New: func() any { return new(Buffers) }}

// NewBuffers takes Buffers from the pool. Call Release when nothing refers to them
// any more.
func NewBuffers() *Buffers { return pool.Get().(*Buffers) }

// maxPooledBytes bounds each buffer in the pool, so that one large request does
// not hold its memory permanently.
const maxPooledBytes = 64 << 10

// turns bounds the large bodies that are parsed at a time. Without it the goroutines of
// many large requests, all ready to run, would each get their turn before the one of a
// small request.
var turns = make(chan struct{}, runtime.GOMAXPROCS(0))

// EndTurn lets the next large body be parsed. Call it when the body that Read returned
// is parsed.
func (b *Buffers) EndTurn() {
	if b.turn {
		b.turn = false
		<-turns
	}
}

// Release returns b to the pool.
func (b *Buffers) Release() {
	b.EndTurn()
	if cap(b.body) > maxPooledBytes {
		b.body = nil
	}
	if cap(b.Out) > maxPooledBytes {
		b.Out = nil
	}
	pool.Put(b)
}

const (
	// copies is how many bytes beside each byte of a body are charged: for the unused
	// part of its buffer while it grows, for the string that parsers read, and for what
	// they make of it, such as texts without their escapes.
	copies = 2
	// decoderBytes is what a decoder of gzip or deflate takes.
	decoderBytes = 48 << 10
)

// Read reads a body of at most limit bytes, as sent and as decoded. The texts of
// the request are parts of the string that it returns, which the caller parses at once
// and then calls EndTurn. Memory grows with the bytes
// that have arrived, not with the announced length: a slow client cannot reserve
// memory for bytes that it does not send. It is charged to the loan of the request's
// context before it is allocated.
//
// The error is a *[problem.Problem].
func (b *Buffers) Read(r *http.Request, limit int) (string, error) {
	stream, err := Open(r, limit)
	if err != nil {
		return "", err
	}
	loan := memory.LoanOf(r.Context())
	if stream.encoded {
		if err := loan.Take(memory.Copies, decoderBytes); err != nil {
			return "", problem.Memory(err)
		}
		defer loan.Give(memory.Copies, decoderBytes)
	}
	body := b.body[:0]
	defer func() {
		if b.body = body; cap(body) > maxPooledBytes {
			b.body = nil // the string is the body from now on
		}
	}()
	for {
		if len(body) == cap(body) {
			body = grow(body, stream.Size(), limit)
		}
		end := min(cap(body), limit+1)
		// The buffer's free part is charged as the copies of the bytes before it.
		n, err := stream.Read(body[len(body):end])
		body = body[:len(body)+n]
		if stream.tooLarge() {
			return "", stream.Problem()
		}
		if err := loan.Take(memory.Bodies, int64(n)); err != nil {
			return "", problem.Memory(err)
		}
		if err := loan.Take(memory.Copies, copies*int64(n)); err != nil {
			return "", problem.Memory(err)
		}
		switch {
		case err == io.EOF:
			if len(body) > maxPooledBytes {
				select {
				case turns <- struct{}{}:
					b.turn = true
				case <-r.Context().Done():
					return "", transferProblem(r, r.Context().Err())
				}
			}
			return string(body), nil
		case err != nil:
			return "", stream.Problem()
		}
	}
}

// grow returns a larger buffer with the same bytes: twice as large, but not larger
// than a body of size bytes needs, if size is not negative, nor than limit allows.
func grow(body []byte, size int64, limit int) []byte {
	n := min(max(2*len(body), 4<<10), limit+1)
	if size >= int64(len(body)) {
		n = min(n, max(int(size)+1, len(body)+1)) // one more, to see the end
	}
	grown := make([]byte, len(body), n)
	copy(grown, body)
	return grown
}
