//go:build !soak

package inject

// Fail returns the error with which an operation fails now; nil: it goes on.
func Fail(Op) error { return nil }
