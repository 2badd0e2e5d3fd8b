package grad

import "testing"

// BenchmarkDropout measures the choice of elements in rows of 384 columns.
func BenchmarkDropout(b *testing.B) {
	d := dropout{threshold: 6554, scale: 1.1}
	x := make([]float32, 384)
	b.SetBytes(int64(4 * len(x)))
	for i := 0; b.Loop(); i++ {
		d.row(x, i, i, 0)
	}
}
