//go:build soak

package inject

import "sync/atomic"

var hook atomic.Pointer[func(Op) error]

// Set makes operations fail as f says; nil: none fails.
func Set(f func(Op) error) { hook.Store(&f) }

// Fail returns the error with which an operation fails now; nil: it goes on.
func Fail(op Op) error {
	if f := hook.Load(); f != nil && *f != nil {
		return (*f)(op)
	}
	return nil
}
