// Package elementary generates the parts that AVX-512 kernels of element-wise functions and of
// their gradients share: a walk over values with a mask for those that do not fill a vector,
// powers, and error functions.
package elementary

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
	"kenserve/gemm/_generate/coefficient"
)

// Scalar returns a value in memory, to be broadcast.
func Scalar(value float64) Mem {
	bits := math.Float32bits(float32(value))
	return asm.Table(fmt.Sprintf("one_%08x", bits), 1, 4, func(int) Constant { return U32(bits) })
}

// All returns a vector with the value in all lanes.
func All(value float64) VecVirtual {
	v := ZMM()
	VBROADCASTSS(Scalar(value), v)
	return v
}

// Vectors returns n new vectors.
func Vectors(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = ZMM()
	}
	return v
}

// Fold reduces the lanes of a vector by op. Afterwards every lane has the result.
func Fold(x VecVirtual, op func(a, b, c Op)) {
	y := ZMM()
	for _, shuffle := range []uint64{0x4E, 0xB1} { // halves, then quarters
		VSHUFF64X2(Imm(shuffle), x, x, y)
		op(y, x, x)
	}
	for _, shuffle := range []uint64{0x4E, 0xB1} {
		VSHUFPS(Imm(shuffle), x, x, y)
		op(y, x, x)
	}
}

// FoldAll reduces all vectors to the first.
func FoldAll(v []VecVirtual, op func(a, b, c Op)) {
	for _, x := range v[1:] {
		op(x, v[0], v[0])
	}
	Fold(v[0], op)
}

// Add adds a to b, for Fold.
func Add(a, b, c Op) { VADDPS(a, b, c) }

// Maximum keeps the larger of a and b, for Fold.
func Maximum(a, b, c Op) { VMAXPS(a, b, c) }

// horner returns the polynomial c[0] + c[1]·t + c[2]·t² + …
func horner(t VecVirtual, c ...float64) VecVirtual {
	p := All(c[len(c)-1])
	for i := len(c) - 2; i >= 0; i-- {
		VFMADD213PS_BCST(Scalar(c[i]), t, p)
	}
	return p
}

// clamp limits x to [-limit, limit] and keeps NaN: MINPS and MAXPS return their
// second source if either is NaN.
func clamp(x VecVirtual, limit float64) {
	VMINPS(x, All(limit), x)
	VMAXPS(x, All(-limit), x)
}

// rational clamps x to the function's limit and returns x·P(x²)/Q(x²) clamped to
// [-1, 1]. It overwrites x.
func rational(x VecVirtual, f coefficient.Rational) VecVirtual {
	clamp(x, f.Limit)
	t := ZMM()
	VMULPS(x, x, t)
	num, den := horner(t, f.P...), horner(t, f.Q...)
	VMULPS(x, num, num)
	VDIVPS(den, num, num)
	clamp(num, 1)
	return num
}

// Erf returns the error function of x. It overwrites x.
func Erf(x VecVirtual) VecVirtual { return rational(x, coefficient.Erf) }

// Tanh returns the hyperbolic tangent of x. It overwrites x.
func Tanh(x VecVirtual) VecVirtual { return rational(x, coefficient.Tanh) }

// Power replaces each x, in several vectors at a time, by 2 to the power of x. Below 2⁻¹²⁶ the
// result is 0: subnormal numbers are slow. NaN is kept.
func Power(x ...VecVirtual) {
	c := coefficient.Power
	n, p, k := Vectors(len(x)), Vectors(len(x)), make([]OpmaskVirtual, len(x))
	each := func(f func(j int)) {
		for j := range x {
			f(j)
		}
	}
	// Predicate 5 is "not less than", so that NaN is kept.
	each(func(j int) { k[j] = K(); VCMPPS_BCST(Imm(5), Scalar(-126), x[j], k[j]) })
	each(func(j int) { VRNDSCALEPS(Imm(0), x[j], n[j]) })
	each(func(j int) { VSUBPS(n[j], x[j], x[j]) })
	each(func(j int) { VBROADCASTSS(Scalar(c[5]), p[j]) })
	for i := 4; i >= 0; i-- {
		each(func(j int) { VFMADD213PS_BCST(Scalar(c[i]), x[j], p[j]) })
	}
	each(func(j int) { VSCALEFPS_Z(n[j], p[j], k[j], x[j]) })
}
