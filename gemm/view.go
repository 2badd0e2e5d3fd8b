package gemm

import "kenserve/gemm/kernel"

// View is a row-major matrix of float32 inside a larger buffer: the activations of a
// product.
type View = kernel.View

// Stride returns the distance between rows, in values, that suits a buffer of
// activations with the given number of columns: a multiple of 16 values, one cache
// line, but not a multiple of 4096 bytes, at which all rows would compete for the same
// few sets of the caches.
func Stride(cols int) int {
	s := (cols + 15) &^ 15
	if s%1024 == 0 {
		s += 16
	}
	return s
}
