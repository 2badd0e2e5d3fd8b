package dashboard

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
)

// Every latency is in the bucket with its bounds.
func TestLatencyBuckets(t *testing.T) {
	for b := range latencyBuckets - 1 {
		low, high := latencyFloor(b), latencyFloor(b+1)
		if latencyBucket(low) != b || latencyBucket(high-time.Microsecond) != b || float64(high) > 1.25*float64(low) {
			t.Errorf("bucket %d from %s to %s holds %d and %d", b, low, high, latencyBucket(low), latencyBucket(high-time.Microsecond))
		}
	}
	for _, d := range []time.Duration{-time.Hour, 0, time.Nanosecond} {
		if latencyBucket(d) != 0 {
			t.Errorf("%s is in bucket %d", d, latencyBucket(d))
		}
	}
	if b := latencyBucket(math.MaxInt64); b != latencyBuckets-1 || latencyFloor(b) < time.Minute {
		t.Errorf("the longest is in bucket %d of %d, from %s", b, latencyBuckets, latencyFloor(b))
	}
}

// The window agrees with a list of all requests, quantiles up to the width of a
// bucket.
func TestLatencyWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type request struct {
			unix   int64
			took   time.Duration
			failed bool
		}
		var all []request
		var window latencyWindow
		unix := int64(1764000000)
		for range rapid.IntRange(0, 200).Draw(t, "requests") {
			unix += rapid.SampledFrom([]int64{0, 0, 0, 1, 1, 2, 50, 119, 120, 121, 500}).Draw(t, "pause")
			q := request{unix, time.Duration(rapid.Int64Range(4, 1e7).Draw(t, "µs")) * time.Microsecond, rapid.IntRange(0, 9).Draw(t, "failed") == 0}
			all = append(all, q)
			state := &core.RequestState{Texts: 2, Tokens: 9}
			if q.failed {
				state.Problem = problem.Internal(nil, "")
			}
			window.add(time.Unix(q.unix, 0), q.took, state)
		}
		now := unix + rapid.Int64Range(0, 200).Draw(t, "later")
		list := window.list(time.Unix(now, 0))
		for u := now - windowSpan + 1; u < now; u++ {
			var took []float64
			want := second{Unix: u}
			for _, q := range all {
				if q.unix != u {
					continue
				}
				want.Requests++
				if q.failed {
					want.Errors++
					continue
				}
				want.Texts, want.Tokens = want.Texts+2, want.Tokens+9
				took = append(took, float64(q.took)/1e6)
			}
			if want.Requests == 0 {
				continue
			}
			if len(list) == 0 || list[0].Unix != u {
				t.Fatalf("second %d is not listed", u)
			}
			got := list[0]
			list = list[1:]
			slices.Sort(took)
			for _, c := range []struct {
				got *float64
				q   float64
			}{{got.P50, .5}, {got.P99, .99}} {
				if (c.got == nil) != (len(took) == 0) {
					t.Fatalf("second %d: quantile %v of %d latencies", u, c.got, len(took))
				}
				if c.got == nil {
					continue
				}
				exact := took[max(int(math.Ceil(c.q*float64(len(took))))-1, 0)]
				if *c.got < exact/1.26 || *c.got > exact*1.26 {
					t.Fatalf("second %d: quantile %g is %g ms of %v", u, c.q, *c.got, took)
				}
			}
			got.P50, got.P99 = nil, nil
			if got != want {
				t.Fatalf("second %d: %+v, want %+v", u, got, want)
			}
		}
		if len(list) > 0 {
			t.Fatalf("listed without requests: %+v", list)
		}
	})
}
