package parallel

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Each calls work with every number from 0 to n − 1, on as many goroutines as there
// are cores, and returns the error with the lowest number. It is for work without a
// pool, of a millisecond or so. Like a loop, it panics if work panics; a fault in
// mapped memory is such a panic.
func Each(n int, work func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	share := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			errs[i] = work(i)
		}
	}
	var panicked atomic.Pointer[any]
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) - 1 {
		others.Go(func() {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			defer func() {
				if reason := recover(); reason != nil {
					panicked.CompareAndSwap(nil, &reason)
				}
			}()
			share()
		})
	}
	func() {
		defer others.Wait() // also if share panics: work may use what the caller owns
		share()
	}()
	if reason := panicked.Load(); reason != nil {
		panic(*reason)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
