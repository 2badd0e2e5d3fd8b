package runtime

import (
	"testing"
	"time"
)

// Whatever the memory and the base, the parts together are what the base leaves.
func TestDivide(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		memory, base          int64 // MiB
		minRequests, minTasks int64 // MiB
	}{
		{400, 90, 32, 110},
		{1024, 90, 90, 600},
		{4096, 90, 400, 3000},
		{5325, 150, 512, 4000}, // 10,000 tasks of 0.4 MiB
		{65536, 500, 512, 60000},
		{240, 90, 1, 1},
	} {
		s := divide(c.memory*mib, c.base*mib)
		left := c.memory*mib - c.base*mib - programBytes - heapBytes
		garbage := left - s.requests - s.tasks
		if s.requests < c.minRequests*mib || s.tasks < c.minTasks*mib || garbage < s.requests/2 {
			t.Errorf("%d MiB, base %d MiB: requests %d, tasks %d, garbage %d MiB", c.memory, c.base, s.requests/mib, s.tasks/mib, garbage/mib)
		}
	}
	if s := divide(100*mib, 90*mib); s.tasks > 0 {
		t.Errorf("too little memory leaves %d bytes for tasks", s.tasks)
	}
}

// Before a large allocation without room, the garbage is collected, once.
func TestHeapRoom(t *testing.T) {
	held, collected := int64(0), 0
	limit := int64(0)
	h := &heapRoom{total: 100 << 20, limit: func(n int64) { limit = n }, held: func() int64 { return held }, collect: func() { collected++; held /= 2 }}
	check := func(what string, want int) {
		t.Helper()
		if collected != want {
			t.Errorf("%s: collected %d times, want %d", what, collected, want)
		}
	}
	held = 50 << 20
	end := h.begin(40 << 20)
	check("with room", 0)
	h.begin(largeBytes - 1)()
	check("little", 0)
	end2 := h.begin(20 << 20)
	check("beside one that is not finished", 1)
	end()
	end2()
	held = 50 << 20
	h.begin(50 << 20)()
	check("after both have finished", 1)
	held = 99 << 20
	h.begin(50 << 20)()
	check("without room", 2)
	// Memory outside of the heap lowers its limit.
	held = 40 << 20
	h.take(50 << 20)
	check("outside, with room", 2)
	h.begin(20 << 20)()
	check("beside what is outside", 3)
	held = 60 << 20
	h.take(10 << 20)
	check("outside, without room", 4)
	if limit != 40<<20 {
		t.Errorf("the heap's limit is %d MiB", limit>>20)
	}
	h.give(60 << 20)
	if limit != 100<<20 {
		t.Errorf("at the end the heap's limit is %d MiB", limit>>20)
	}
	none := (*heapRoom)(nil)
	none.begin(1 << 30)()
	none.take(1)
	none.give(1)
}

// The collector is behind when the heap, with what is outside, is above its limit by half
// of the slack.
func TestBehind(t *testing.T) {
	held := int64(0)
	h := &heapRoom{total: 100, slack: 20, limit: func(int64) {}, held: func() int64 { return held }}
	h.take(10)
	for _, c := range []struct {
		held int64
		want bool
	}{{70, false}, {80, false}, {81, true}, {10, false}} {
		held = c.held
		h.checked = time.Time{}
		if got := h.behind(); got != c.want {
			t.Errorf("with %d bytes: %t", c.held, got)
		}
	}
}
