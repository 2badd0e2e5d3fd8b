package parallel

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
)

func TestEach(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 1000} {
		var calls atomic.Int64
		seen := make([]atomic.Bool, n)
		if err := Each(n, func(i int) error {
			calls.Add(1)
			seen[i].Store(true)
			return nil
		}); err != nil || calls.Load() != int64(n) {
			t.Errorf("n = %d: %d calls, error %v", n, calls.Load(), err)
		}
		for i := range seen {
			if !seen[i].Load() {
				t.Errorf("n = %d: no call with %d", n, i)
			}
		}
	}
}

func TestEachReturnsTheFirstError(t *testing.T) {
	err := Each(100, func(i int) error {
		if i%7 == 3 {
			return fmt.Errorf("error %d", i)
		}
		return nil
	})
	if err == nil || err.Error() != "error 3" {
		t.Errorf("error %v, want that of 3", err)
	}
}

func TestEachPanicsInItsCaller(t *testing.T) {
	reason := errors.New("a reason")
	for n := range 8 {
		func() {
			defer func() {
				if got := recover(); got != reason {
					t.Errorf("panic %v, want %v", got, reason)
				}
			}()
			_ = Each(8, func(i int) error {
				if i == n {
					panic(reason)
				}
				return nil
			})
			t.Errorf("no panic of %d", n)
		}()
	}
}
