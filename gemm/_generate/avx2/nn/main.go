// Command nn generates the AVX2 kernels of element-wise functions:
// avx2_nn_amd64.s and its stubs in package kernel. Run it by
//
//	go generate ./gemm/...
//
// The comment of each stub names the portable function that is its reference.
package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
	"kenserve/gemm/_generate/avx2/elementary"
	"kenserve/gemm/_generate/coefficient"
)

const vector = asm.YMMBytes

func main() {
	ConstraintExpr("!noasm")
	activation("gelu", "their GELU", gelu)
	activation("geluTanh", "the tanh approximation of their GELU", geluTanh)
	activation("tanh", "their tanh", elementary.Tanh)
	expSum()
	scale()
	layerNorm()
	Generate()
}

// exp returns exp(x - max), where offset is max·log₂e, as 2 to the power of t = x·log₂e -
// offset; and 0 where t is below -126. It overwrites its arguments. The rounding of
// offset is the same factor in all values, so that softmax has not got it. exp
// interleaves several vectors because one alone is a long chain of instructions, each of
// which waits for the one before.
func exp(offset VecVirtual, x ...VecVirtual) []VecVirtual {
	keep, n, p := elementary.Vectors(len(x)), elementary.Vectors(len(x)), elementary.Vectors(len(x))
	each := func(f func(i int)) {
		for i := range x {
			f(i)
		}
	}
	log2E := YMM()
	VMOVUPS(elementary.Lanes(math.Log2E), log2E)
	each(func(i int) { VFMSUB213PS(offset, log2E, x[i]) })
	// Predicate 5 is "not less than", so that NaN is kept.
	each(func(i int) { VCMPPS(Imm(5), elementary.Lanes(-126), x[i], keep[i]) })
	each(func(i int) { VROUNDPS(Imm(0), x[i], n[i]) })
	each(func(i int) { VSUBPS(n[i], x[i], x[i]) })
	c := coefficient.Power
	each(func(i int) { VMOVUPS(elementary.Lanes(c[5]), p[i]) })
	for j := 4; j >= 0; j-- {
		each(func(i int) { VFMADD213PS(elementary.Lanes(c[j]), x[i], p[i]) })
	}
	// n is added to the exponent of the polynomial, which is about 1.
	each(func(i int) { VCVTPS2DQ(n[i], n[i]) })
	each(func(i int) { VPSLLD(Imm(23), n[i], n[i]) })
	each(func(i int) { VPADDD(n[i], p[i], p[i]) })
	each(func(i int) { VANDPS(keep[i], p[i], p[i]) })
	return p
}

// halfTimesOnePlus returns x/2 · (1 + y). It overwrites both.
func halfTimesOnePlus(x, y VecVirtual) VecVirtual {
	VMULPS(elementary.Lanes(0.5), x, x)
	VFMADD213PS(x, x, y)
	return y
}

func gelu(x VecVirtual) VecVirtual {
	z := YMM()
	VMULPS(elementary.Lanes(0.70710678118654752440), x, z)
	return halfTimesOnePlus(x, elementary.Erf(z))
}

func geluTanh(x VecVirtual) VecVirtual {
	z, c := YMM(), YMM()
	VMULPS(x, x, z)
	VMULPS(x, z, z)
	VMOVUPS(elementary.Lanes(0.044715), c)
	VFMADD213PS(x, c, z)
	VMULPS(elementary.Lanes(0.79788456080286535588), z, z)
	return halfTimesOnePlus(x, elementary.Tanh(z))
}

// activation generates the kernel that applies f to every value of a slice.
func activation(name, result string, f func(x VecVirtual) VecVirtual) {
	TEXT(name+"AVX2", NOSPLIT, "func(x *float32, n int)")
	Pragma("noescape")
	Doc(name+"AVX2 replaces n values, a multiple of 8 above 0, by "+result+".", "The reference is "+name+"Portable.")
	p := Load(Param("x"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	x := YMM()
	VMOVUPS(Mem{Base: p}, x)
	VMOVUPS(f(x), Mem{Base: p})
	ADDQ(Imm(vector), p)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// tailMask returns a vector whose first n lanes have all bits set, 0 < n < 8. For
// n = 0 all lanes are clear.
func tailMask(n Register) VecVirtual {
	table := asm.Table("tail_masks", 16, 4, func(i int) Constant {
		if i < 8 {
			return U32(math.MaxUint32)
		}
		return U32(0)
	})
	at, i, mask := GP64(), GP64(), YMM()
	LEAQ(table, at)
	MOVQ(U32(8), i)
	SUBQ(n, i)
	VMOVUPS(Mem{Base: at, Index: i, Scale: 4}, mask)
	return mask
}

// expSum generates the kernel for the numerators of softmax, in two passes.
func expSum() {
	TEXT("expSumAVX2", NOSPLIT, "func(x *float32, n int) (sum float32)")
	Pragma("noescape")
	Doc(
		"expSumAVX2 replaces n > 0 values by exp(x - max) and returns their sum.",
		"The reference is expSumPortable.",
	)
	x := Load(Param("x"), GP64())
	n := Load(Param("n"), GP64())
	full, rest, p, i := GP64(), GP64(), GP64(), GP64()
	MOVQ(n, full)
	SHRQ(Imm(3), full)
	MOVQ(n, rest)
	ANDQ(Imm(7), rest)
	mask := tailMask(rest)

	// each runs body over the whole vectors, first several at a time and then one
	// at a time, and runs last for the remaining values, if there are any.
	const several = 2
	each := func(label string, body func(n int), last func()) {
		MOVQ(x, p)
		MOVQ(full, i)
		SUBQ(Imm(several), i)
		JL(LabelRef(label + "_few"))
		Label(label)
		body(several)
		ADDQ(Imm(several*vector), p)
		SUBQ(Imm(several), i)
		JGE(LabelRef(label))
		Label(label + "_few")
		ADDQ(Imm(several), i)
		JZ(LabelRef(label + "_rest"))
		Label(label + "_one")
		body(1)
		ADDQ(Imm(vector), p)
		DECQ(i)
		JNZ(LabelRef(label + "_one"))
		Label(label + "_rest")
		TESTQ(rest, rest)
		JZ(LabelRef(label + "_done"))
		last()
		Label(label + "_done")
	}

	// The largest value.
	maximum := YMM()
	VMOVUPS(elementary.Lanes(math.Inf(-1)), maximum)
	each("max", func(n int) {
		for j := range n {
			VMAXPS(Mem{Base: p, Disp: j * vector}, maximum, maximum)
		}
	}, func() {
		v, none := YMM(), YMM()
		VMASKMOVPS(Mem{Base: p}, mask, v)
		VMOVUPS(elementary.Lanes(math.Inf(-1)), none)
		VBLENDVPS(mask, v, none, v)
		VMAXPS(v, maximum, maximum)
	})
	asm.Fold(maximum, func(a, b, c Op) { VMAXPS(a, b, c) })

	VMULPS(elementary.Lanes(math.Log2E), maximum, maximum)
	sum := YMM()
	VXORPS(sum, sum, sum)
	each("exp", func(n int) {
		v := elementary.Vectors(n)
		for j := range v {
			VMOVUPS(Mem{Base: p, Disp: j * vector}, v[j])
		}
		for j, e := range exp(maximum, v...) {
			VADDPS(e, sum, sum)
			VMOVUPS(e, Mem{Base: p, Disp: j * vector})
		}
	}, func() {
		v := YMM()
		VMASKMOVPS(Mem{Base: p}, mask, v)
		e := exp(maximum, v)[0]
		VANDPS(mask, e, e)
		VADDPS(e, sum, sum)
		VMASKMOVPS(e, mask, Mem{Base: p})
	})
	asm.Fold(sum, func(a, b, c Op) { VADDPS(a, b, c) })

	Store(sum.AsX(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// scale generates the kernel that multiplies values by a factor.
func scale() {
	TEXT("scaleAVX2", NOSPLIT, "func(x *float32, n int, factor float32)")
	Pragma("noescape")
	Doc("scaleAVX2 multiplies n values, a multiple of 8 above 0, by factor. The reference is", "scalePortable.")
	p := Load(Param("x"), GP64())
	n := Load(Param("n"), GP64())
	factor := asm.Broadcast("factor")
	Label("loop")
	v := YMM()
	VMULPS(Mem{Base: p}, factor, v)
	VMOVUPS(v, Mem{Base: p})
	ADDQ(Imm(vector), p)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// layerNorm generates the kernel of layer norm, in three passes over the values.
func layerNorm() {
	TEXT("layerNormAVX2", NOSPLIT, "func(x, gamma, beta *float32, n int, eps float32)")
	Pragma("noescape")
	Doc("layerNormAVX2 normalises n values, a multiple of 8 above 0. The reference is", "layerNormPortable.")
	x := Load(Param("x"), GP64())
	gamma := Load(Param("gamma"), GP64())
	beta := Load(Param("beta"), GP64())
	n := Load(Param("n"), GP64())
	eps := Load(Param("eps"), XMM())
	p, i := GP64(), GP64()
	each := func(label string, body func()) {
		MOVQ(x, p)
		MOVQ(n, i)
		Label(label)
		body()
		ADDQ(Imm(vector), p)
		SUBQ(Imm(8), i)
		JNZ(LabelRef(label))
	}
	add := func(a, b, c Op) { VADDPS(a, b, c) }
	count := YMM()
	VCVTSI2SSQ(n, count.AsX(), count.AsX())
	VBROADCASTSS(count.AsX(), count)

	mean := YMM()
	VXORPS(mean, mean, mean)
	each("mean", func() { VADDPS(Mem{Base: p}, mean, mean) })
	asm.Fold(mean, add)
	VDIVPS(count, mean, mean)

	scale := YMM()
	VXORPS(scale, scale, scale)
	each("deviation", func() {
		d := YMM()
		VMOVUPS(Mem{Base: p}, d)
		VSUBPS(mean, d, d)
		VFMADD231PS(d, d, scale)
	})
	asm.Fold(scale, add)
	VDIVPS(count, scale, scale)
	e := YMM()
	VBROADCASTSS(eps, e)
	VADDPS(e, scale, scale)
	VSQRTPS(scale, scale)
	one := YMM()
	VMOVUPS(elementary.Lanes(1), one)
	VDIVPS(scale, one, scale)

	each("scale", func() {
		d := YMM()
		VMOVUPS(Mem{Base: p}, d)
		VSUBPS(mean, d, d)
		VMULPS(scale, d, d)
		g := YMM()
		VMOVUPS(Mem{Base: gamma}, g)
		VFMADD213PS(Mem{Base: beta}, g, d)
		VMOVUPS(d, Mem{Base: p})
		ADDQ(Imm(vector), gamma)
		ADDQ(Imm(vector), beta)
	})
	VZEROUPPER()
	RET()
}
