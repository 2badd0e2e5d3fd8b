package dashboard

import (
	"math/bits"
	"sync"
	"time"

	"kenserve/server/internal/core"
)

// windowSpan is the length of the window in seconds, with the current one.
const windowSpan = 120

// latencyWindow counts the classification requests of each of the last windowSpan
// seconds. It is a ring: a second overwrites the one windowSpan before it.
type latencyWindow struct {
	mu      sync.Mutex
	seconds [windowSpan]secondCount
}

// secondCount counts the requests answered within one second.
type secondCount struct {
	unix                            int64
	requests, errors, texts, tokens int
	latency                         [latencyBuckets]uint32
}

// Latencies are counted in four buckets for each power of two of microseconds.
// Bucket b holds latencies from latencyFloor(b) up to latencyFloor(b+1), which is 14
// to 25% larger. The last one begins at 235 s and has no upper end.
const latencyBuckets = 4 * 26

// latencyBucket is the bucket of a latency.
func latencyBucket(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 4))
	octave := bits.Len64(us) - 1 // ≥ 2
	return min(4*(octave-2)+int(us>>(octave-2)&3), latencyBuckets-1)
}

// latencyFloor is the smallest latency of bucket b.
func latencyFloor(b int) time.Duration {
	return time.Duration(4+b%4) << (b / 4) * time.Microsecond
}

// add counts a request that took so long and was answered now.
func (w *latencyWindow) add(now time.Time, took time.Duration, state *core.RequestState) {
	unix := now.Unix()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.seconds[uint64(unix)%windowSpan]
	if s.unix != unix {
		*s = secondCount{unix: unix}
	}
	s.requests++
	if state.Problem != nil {
		s.errors++
		return
	}
	s.texts += state.Texts
	s.tokens += state.Tokens
	s.latency[latencyBucket(took)]++
}

// second is the wire type of a second. The latencies are those of requests without
// an error, null if there is none.
type second struct {
	Unix     int64    `json:"second"`
	Requests int      `json:"requests"`
	Errors   int      `json:"errors"`
	Texts    int      `json:"texts"`
	Tokens   int      `json:"tokens"`
	P50      *float64 `json:"p50_ms"`
	P99      *float64 `json:"p99_ms"`
}

// list returns the seconds with requests, oldest first, without the current one,
// which is not complete.
func (w *latencyWindow) list(now time.Time) []second {
	out := []second{}
	w.mu.Lock()
	defer w.mu.Unlock()
	for unix := now.Unix() - windowSpan + 1; unix < now.Unix(); unix++ {
		s := &w.seconds[uint64(unix)%windowSpan]
		if s.unix != unix {
			continue
		}
		out = append(out, second{
			Unix: unix, Requests: s.requests, Errors: s.errors, Texts: s.texts, Tokens: s.tokens,
			P50: s.quantile(.5), P99: s.quantile(.99),
		})
	}
	return out
}

// quantile estimates a quantile of the latencies in milliseconds, as if those in a
// bucket were evenly spread. It is nil if there is no request.
func (s *secondCount) quantile(q float64) *float64 {
	total := 0
	for _, n := range s.latency {
		total += int(n)
	}
	rank := q * float64(total)
	for b, n := range s.latency {
		if n > 0 && rank <= float64(n) {
			low, high := latencyFloor(b), latencyFloor(b+1)
			ms := (float64(low) + float64(high-low)*rank/float64(n)) / float64(time.Millisecond)
			return &ms
		}
		rank -= float64(n)
	}
	return nil
}
