// Command nn generates the AVX-512 kernels of element-wise functions, and of what is
// element-wise in int8 products: avx512_nn_amd64.s and its stubs in package kernel. Run it by
//
//	go generate ./gemm/...
//
// The comment of each stub names the portable function that is its reference. The
// values that do not fill a vector are loaded and stored under a mask, so that they
// go through the same instructions as all others: the result of a value does not
// depend on its place.
package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
	"kenserve/gemm/_generate/avx512/elementary"
)

const (
	vector = asm.ZMMBytes
)

func main() {
	ConstraintExpr("!noasm")
	activation("gelu", "their GELU", gelu)
	activation("geluTanh", "the tanh approximation of their GELU", geluTanh)
	activation("tanh", "their tanh", elementary.Tanh)
	expSum()
	scale()
	layerNorm()
	dequantise()
	Generate()
}

// halfTimesOnePlus returns x/2 · (1 + y). It overwrites both.
func halfTimesOnePlus(x, y VecVirtual) VecVirtual {
	VMULPS_BCST(elementary.Scalar(0.5), x, x)
	VFMADD213PS(x, x, y)
	return y
}

func gelu(x VecVirtual) VecVirtual {
	z := ZMM()
	VMULPS_BCST(elementary.Scalar(0.70710678118654752440), x, z)
	return halfTimesOnePlus(x, elementary.Erf(z))
}

func geluTanh(x VecVirtual) VecVirtual {
	z := ZMM()
	VMULPS(x, x, z)
	VMULPS(x, z, z)
	c := elementary.All(0.044715)
	VFMADD213PS(x, c, z)
	VMULPS_BCST(elementary.Scalar(0.79788456080286535588), z, z)
	return halfTimesOnePlus(x, elementary.Tanh(z))
}

// activation generates the kernel that applies f to every value of some rows.
func activation(name, result string, f func(x VecVirtual) VecVirtual) {
	TEXT(name+"AVX512", NOSPLIT, "func(x *float32, n int, rows int, stride uintptr)")
	Pragma("noescape")
	Doc(
		name+"AVX512 replaces n values of each row, which are stride bytes apart, by",
		result+". There is at least one row. The reference is "+name+"Portable.",
	)
	s := elementary.NewSlice("x")
	rows, stride := Load(Param("rows"), GP64()), Load(Param("stride"), GP64())
	Label("row")
	s.Each("vectors", 1, func(int) {
		x := ZMM()
		VMOVUPS(s.At(0), x)
		VMOVUPS(f(x), s.At(0))
	}, func() {
		x := ZMM()
		VMOVUPS_Z(s.At(0), s.Tail, x)
		VMOVUPS(f(x), s.Tail, s.At(0))
	}, nil)
	ADDQ(stride, s.Start)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// expSum generates the kernel for the numerators of softmax, in two passes.
func expSum() {
	TEXT("expSumAVX512", NOSPLIT, "func(x *float32, n int) (sum float32)")
	Pragma("noescape")
	Doc(
		"expSumAVX512 replaces n > 0 values by exp(x - max) and returns their sum.",
		"The reference is expSumPortable.",
	)
	s := elementary.NewSlice("x")
	const several = 4
	largest := elementary.Vectors(several)
	for _, v := range largest {
		VBROADCASTSS(elementary.Scalar(math.Inf(-1)), v)
	}
	s.Each("max", several, func(n int) {
		for j := range n {
			VMAXPS(s.At(j), largest[j], largest[j])
		}
	}, func() {
		v := elementary.All(math.Inf(-1))
		VMOVUPS(s.At(0), s.Tail, v)
		VMAXPS(v, largest[0], largest[0])
	}, nil)
	elementary.FoldAll(largest, elementary.Maximum)

	// exp(x - max) is 2 to the power of t = x·log₂e - max·log₂e. The rounding of
	// max·log₂e is the same factor in all values, so that softmax has not got it.
	offset := largest[0]
	VMULPS_BCST(elementary.Scalar(math.Log2E), offset, offset)
	log2E := elementary.All(math.Log2E)
	sums := elementary.Vectors(several)
	for _, v := range sums {
		VXORPS(v, v, v)
	}
	power := func(x []VecVirtual) {
		for _, v := range x {
			VFMSUB213PS(offset, log2E, v)
		}
		elementary.Power(x...)
	}
	s.Each("exp", several, func(n int) {
		x := elementary.Vectors(n)
		for j := range x {
			VMOVUPS(s.At(j), x[j])
		}
		power(x)
		for j := range x {
			VADDPS(x[j], sums[j], sums[j])
			VMOVUPS(x[j], s.At(j))
		}
	}, func() {
		x := elementary.Vectors(1)
		VMOVUPS_Z(s.At(0), s.Tail, x[0])
		power(x)
		VMOVAPS_Z(x[0], s.Tail, x[0])
		VADDPS(x[0], sums[0], sums[0])
		VMOVUPS(x[0], s.Tail, s.At(0))
	}, nil)
	elementary.FoldAll(sums, elementary.Add)
	Store(sums[0].AsX(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// scale generates the kernel that multiplies values by a factor.
func scale() {
	TEXT("scaleAVX512", NOSPLIT, "func(x *float32, n int, factor float32)")
	Pragma("noescape")
	Doc("scaleAVX512 multiplies n values by factor. The reference is scalePortable.")
	s := elementary.NewSlice("x")
	f := ZMM()
	m, err := Param("factor").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(m.Addr, f)
	s.Each("vectors", 2, func(n int) {
		for j, v := range elementary.Vectors(n) {
			VMULPS(s.At(j), f, v)
			VMOVUPS(v, s.At(j))
		}
	}, func() {
		v := ZMM()
		VMOVUPS_Z(s.At(0), s.Tail, v)
		VMULPS(f, v, v)
		VMOVUPS(v, s.Tail, s.At(0))
	}, nil)
	VZEROUPPER()
	RET()
}

// layerNorm generates the kernel of layer norm, in three passes over the values.
func layerNorm() {
	TEXT("layerNormAVX512", NOSPLIT, "func(x, gamma, beta *float32, n int, eps float32)")
	Pragma("noescape")
	Doc("layerNormAVX512 normalises n > 0 values. The reference is layerNormPortable.")
	s := elementary.NewSlice("x")
	gamma := Load(Param("gamma"), GP64())
	beta := Load(Param("beta"), GP64())
	const several = 4
	count := ZMM()
	VCVTSI2SSQ(s.N, count.AsX(), count.AsX())
	VBROADCASTSS(count.AsX(), count)
	zero := func(v []VecVirtual) []VecVirtual {
		for _, x := range v {
			VXORPS(x, x, x)
		}
		return v
	}

	means := zero(elementary.Vectors(several))
	s.Each("mean", several, func(n int) {
		for j := range n {
			VADDPS(s.At(j), means[j], means[j])
		}
	}, func() {
		v := ZMM()
		VMOVUPS_Z(s.At(0), s.Tail, v)
		VADDPS(v, means[0], means[0])
	}, nil)
	elementary.FoldAll(means, elementary.Add)
	mean := means[0]
	VDIVPS(count, mean, mean)

	squares := zero(elementary.Vectors(several))
	s.Each("deviation", several, func(n int) {
		d := elementary.Vectors(n)
		for j := range d {
			VMOVUPS(s.At(j), d[j])
			VSUBPS(mean, d[j], d[j])
			VFMADD231PS(d[j], d[j], squares[j])
		}
	}, func() {
		d := ZMM()
		VMOVUPS_Z(s.At(0), s.Tail, d)
		VSUBPS_Z(mean, d, s.Tail, d)
		VFMADD231PS(d, d, squares[0])
	}, nil)
	elementary.FoldAll(squares, elementary.Add)
	factor := squares[0]
	VDIVPS(count, factor, factor)
	e := ZMM()
	m, err := Param("eps").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(m.Addr, e)
	VADDPS(e, factor, factor)
	VSQRTPS(factor, factor)
	one := elementary.All(1)
	VDIVPS(factor, one, factor)

	s.Each("scale", 2, func(n int) {
		d := elementary.Vectors(n)
		for j := range d {
			VMOVUPS(s.At(j), d[j])
			VSUBPS(mean, d[j], d[j])
			VMULPS(factor, d[j], d[j])
			g := ZMM()
			VMOVUPS(Mem{Base: gamma, Disp: j * vector}, g)
			VFMADD213PS(Mem{Base: beta, Disp: j * vector}, g, d[j])
			VMOVUPS(d[j], s.At(j))
		}
	}, func() {
		d, g, b := ZMM(), ZMM(), ZMM()
		VMOVUPS_Z(s.At(0), s.Tail, d)
		VSUBPS(mean, d, d)
		VMULPS(factor, d, d)
		VMOVUPS_Z(Mem{Base: gamma}, s.Tail, g)
		VMOVUPS_Z(Mem{Base: beta}, s.Tail, b)
		VFMADD213PS(b, g, d)
		VMOVUPS(d, s.Tail, s.At(0))
	}, func(n int) {
		ADDQ(U32(n*vector), gamma)
		ADDQ(U32(n*vector), beta)
	})
	VZEROUPPER()
	RET()
}

// dequantise generates the kernel that turns integer sums into results.
func dequantise() {
	TEXT("dequantiseAVX512", NOSPLIT, "func(dst *float32, dstStride uintptr, init *float32, initStride uintptr, sums *int32, totals *int32, steps *float32, zeros *int32, scales *float32, rows int)")
	Pragma("noescape")
	Doc(
		"dequantiseAVX512 stores (sums - zero·totals)·scale·steps + init in dst, 32 values of",
		"each row. Strides are in bytes; zeros and scales have one value a row, of which there",
		"is at least one. The reference is dequantisePortable.",
	)
	dst, dstStride := Load(Param("dst"), GP64()), Load(Param("dstStride"), GP64())
	init, initStride := Load(Param("init"), GP64()), Load(Param("initStride"), GP64())
	sums, rows := Load(Param("sums"), GP64()), Load(Param("rows"), GP64())
	zeros, scales := Load(Param("zeros"), GP64()), Load(Param("scales"), GP64())
	totals, steps := Load(Param("totals"), GP64()), Load(Param("steps"), GP64())
	total, step := elementary.Vectors(2), elementary.Vectors(2)
	for j := range 2 {
		VMOVDQU32(Mem{Base: totals, Disp: j * vector}, total[j])
		VMOVUPS(Mem{Base: steps, Disp: j * vector}, step[j])
	}
	Label("row")
	zero, scale := ZMM(), ZMM()
	VPBROADCASTD(Mem{Base: zeros}, zero)
	VBROADCASTSS(Mem{Base: scales}, scale)
	for j := range 2 {
		s, t := ZMM(), ZMM()
		VPMULLD(total[j], zero, t)
		VMOVDQU32(Mem{Base: sums, Disp: j * vector}, s)
		VPSUBD(t, s, s)
		VCVTDQ2PS(s, s)
		VMULPS(scale, s, s)
		VMULPS(step[j], s, s)
		VADDPS(Mem{Base: init, Disp: j * vector}, s, s)
		VMOVUPS(s, Mem{Base: dst, Disp: j * vector})
	}
	ADDQ(dstStride, dst)
	ADDQ(initStride, init)
	ADDQ(U32(asm.RowBytes), sums)
	ADDQ(Imm(4), zeros)
	ADDQ(Imm(4), scales)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}
