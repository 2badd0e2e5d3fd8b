// Package elementary generates exponentials and error functions of AVX2 vectors, the parts
// that the kernels of activations and of their gradients share.
package elementary

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
	"kenserve/gemm/_generate/coefficient"
)

// Lanes returns eight lanes of the value, in memory.
func Lanes(value float64) Mem { return asm.Lanes(math.Float32bits(float32(value))) }

// horner returns the polynomial c[0] + c[1]·t + c[2]·t² + …
func horner(t VecVirtual, c ...float64) VecVirtual {
	p := YMM()
	VMOVUPS(Lanes(c[len(c)-1]), p)
	for i := len(c) - 2; i >= 0; i-- {
		VFMADD213PS(Lanes(c[i]), t, p)
	}
	return p
}

// clamp limits x to [-limit, limit] and keeps NaN: MINPS and MAXPS return their
// second source if either is NaN.
func clamp(x VecVirtual, limit float64) {
	l := YMM()
	VMOVUPS(Lanes(limit), l)
	VMINPS(x, l, x)
	VMOVUPS(Lanes(-limit), l)
	VMAXPS(x, l, x)
}

// rational clamps x to the function's limit and returns x·P(x²)/Q(x²) clamped to
// [-1, 1]. It overwrites x.
func rational(x VecVirtual, f coefficient.Rational) VecVirtual {
	clamp(x, f.Limit)
	t := YMM()
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

// Exp returns e to the power of each x, and 0 where x is below -87. It
// overwrites its arguments. It interleaves several vectors because one alone is a
// long chain of instructions, each of which waits for the one before.
func Exp(x ...VecVirtual) []VecVirtual {
	keep, n, p, r2 := Vectors(len(x)), Vectors(len(x)), Vectors(len(x)), Vectors(len(x))
	each := func(f func(i int)) {
		for i := range x {
			f(i)
		}
	}
	// Predicate 5 is "not less than", so that NaN is kept.
	each(func(i int) { VCMPPS(Imm(5), Lanes(-87), x[i], keep[i]) })
	each(func(i int) { VMULPS(Lanes(math.Log2E), x[i], n[i]) })
	each(func(i int) { VROUNDPS(Imm(0), n[i], n[i]) })
	each(func(i int) { VFNMADD231PS(Lanes(0.693359375), n[i], x[i]) })
	each(func(i int) { VFNMADD231PS(Lanes(-2.12194440e-4), n[i], x[i]) })
	c := []float64{0.4999999403953552, 0.1666651964187622, 0.04166839271783829, 0.008368780836462975, 0.0013814467238262296}
	each(func(i int) { VMOVUPS(Lanes(c[4]), p[i]) })
	for j := 3; j >= 0; j-- {
		each(func(i int) { VFMADD213PS(Lanes(c[j]), x[i], p[i]) })
	}
	each(func(i int) { VMULPS(x[i], x[i], r2[i]) })
	each(func(i int) { VFMADD213PS(x[i], r2[i], p[i]) }) // r + r²·P
	each(func(i int) { VADDPS(Lanes(1), p[i], p[i]) })
	each(func(i int) { VCVTPS2DQ(n[i], n[i]) })
	each(func(i int) { VPADDD(asm.Lanes(127), n[i], n[i]) })
	each(func(i int) { VPSLLD(Imm(23), n[i], n[i]) })
	each(func(i int) { VMULPS(n[i], p[i], p[i]) })
	each(func(i int) { VANDPS(keep[i], p[i], p[i]) })
	return p
}

// Vectors returns n new vectors.
func Vectors(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = YMM()
	}
	return v
}
