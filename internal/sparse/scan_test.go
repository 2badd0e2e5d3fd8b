package sparse

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// TestScans puts the values that are looked for at every place of slices of all
// lengths up to a few blocks, among values that come close to them.
func TestScans(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	float32s := []uint32{0, 0x7f7fffff, 0xff7fffff, 0x80000000, 0x007fffff, 0x3f800000}
	bfloat16s := []uint16{0, 0x7f7f, 0xff7f, 0x8000, 0x007f, 0x3f80}
	int8s := []int8{0, -127, 127, 1, -1}
	int4s := []byte{0x00, 0x97, 0x79, 0xff, 0x11}
	for n := range 75 {
		f, b, i8, i4 := make([]float32, n), make([]uint16, n), make([]int8, n), make([]byte, n)
		for i := range n {
			f[i] = math.Float32frombits(float32s[r.IntN(len(float32s))])
			b[i], i8[i], i4[i] = bfloat16s[r.IntN(len(bfloat16s))], int8s[r.IntN(len(int8s))], int4s[r.IntN(len(int4s))]
		}
		if HasNotFinite(f) || hasNotFinite16(b) || hasMinimum8(i8) || hasMinimum4(i4) {
			t.Fatalf("%d usual values: something was found", n)
		}
		for i := range n {
			for _, special := range []uint32{0x7f800000, 0xff800000, 0x7fc00000, 0xffffffff, 0x7f800001} {
				old := f[i]
				if f[i] = math.Float32frombits(special); !HasNotFinite(f) {
					t.Fatalf("%#x at %d of %d float32s is not found", special, i, n)
				}
				f[i] = old
				oldB := b[i]
				if b[i] = uint16(special>>16) | uint16(special&1); !hasNotFinite16(b) {
					t.Fatalf("%#x at %d of %d bfloat16s is not found", b[i], i, n)
				}
				b[i] = oldB
			}
			old := i8[i]
			if i8[i] = -128; !hasMinimum8(i8) {
				t.Fatalf("-128 at %d of %d is not found", i, n)
			}
			i8[i] = old
			for _, special := range []byte{0x80, 0x08, 0x88, 0x8f, 0xf8} {
				old := i4[i]
				if i4[i] = special; !hasMinimum4(i4) {
					t.Fatalf("%#x at %d of %d is not found", special, i, n)
				}
				i4[i] = old
			}
		}
		want := 0
		for _, x := range i4 {
			want += bits.OnesCount8(x)
		}
		if got := onesCount(i4); got != want {
			t.Fatalf("%d bytes have %d ones, want %d", n, got, want)
		}
	}
}
