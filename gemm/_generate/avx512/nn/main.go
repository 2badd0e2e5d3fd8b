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
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
)

const (
	vector = asm.ZMMBytes
	lanes  = vector / 4
)

func main() {
	ConstraintExpr("!noasm")
	activation("gelu", "their GELU", gelu)
	activation("geluTanh", "the tanh approximation of their GELU", geluTanh)
	activation("tanh", "their tanh", tanh)
	expSum()
	scale()
	layerNorm()
	dequantise()
	Generate()
}

// constant returns a value in memory, to be broadcast.
func constant(value float64) Mem {
	bits := math.Float32bits(float32(value))
	return asm.Table(fmt.Sprintf("one_%08x", bits), 1, 4, func(int) Constant { return U32(bits) })
}

// all returns a vector with the value in all lanes.
func all(value float64) VecVirtual {
	v := ZMM()
	VBROADCASTSS(constant(value), v)
	return v
}

// slice is the memory that a kernel goes through, vector by vector.
type slice struct {
	start, n Register // n is the number of values
	tail     Register // mask of the values that do not fill a vector
	full     Register // number of whole vectors
	p, i     GPVirtual
}

func newSlice(pointer string) *slice {
	s := &slice{start: Load(Param(pointer), GP64()), n: Load(Param("n"), GP64()), p: GP64(), i: GP64()}
	full, rest, mask := GP64(), GP64(), GP64()
	MOVQ(s.n, full)
	SHRQ(Imm(4), full)
	MOVQ(s.n, rest)
	ANDQ(Imm(lanes-1), rest)
	MOVQ(U32(1), mask)
	SHLXQ(rest, mask, mask)
	DECQ(mask)
	tail := K()
	KMOVW(mask.As32(), tail)
	s.full, s.tail = full, tail
	return s
}

// each runs body for all vectors, several at a time as long as there are enough, and
// last for the values that do not fill one, if there are any. The bodies find the
// values at p. advance moves further pointers by a number of vectors.
func (s *slice) each(label string, several int, body func(n int), last func(), advance func(n int)) {
	MOVQ(s.start, s.p)
	MOVQ(s.full, s.i)
	step := func(n int) {
		body(n)
		ADDQ(U32(n*vector), s.p)
		if advance != nil {
			advance(n)
		}
	}
	SUBQ(Imm(uint64(several)), s.i)
	JL(LabelRef(label + "_few"))
	Label(label)
	step(several)
	SUBQ(Imm(uint64(several)), s.i)
	JGE(LabelRef(label))
	Label(label + "_few")
	ADDQ(Imm(uint64(several)), s.i)
	JZ(LabelRef(label + "_rest"))
	Label(label + "_one")
	step(1)
	DECQ(s.i)
	JNZ(LabelRef(label + "_one"))
	Label(label + "_rest")
	KTESTW(s.tail, s.tail)
	JZ(LabelRef(label + "_done"))
	last()
	Label(label + "_done")
}

// at returns the operand of vector j from p.
func (s *slice) at(j int) Mem { return Mem{Base: s.p, Disp: j * vector} }

func vectors(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = ZMM()
	}
	return v
}

// fold reduces the lanes of a vector by op. Afterwards every lane has the result.
func fold(x VecVirtual, op func(a, b, c Op)) {
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

// foldAll reduces all vectors to the first.
func foldAll(v []VecVirtual, op func(a, b, c Op)) {
	for _, x := range v[1:] {
		op(x, v[0], v[0])
	}
	fold(v[0], op)
}

func add(a, b, c Op)     { VADDPS(a, b, c) }
func maximum(a, b, c Op) { VMAXPS(a, b, c) }

// horner returns the polynomial c[0] + c[1]·t + c[2]·t² + …
func horner(t VecVirtual, c ...float64) VecVirtual {
	p := all(c[len(c)-1])
	for i := len(c) - 2; i >= 0; i-- {
		VFMADD213PS_BCST(constant(c[i]), t, p)
	}
	return p
}

// clamp limits x to [-limit, limit] and keeps NaN: MINPS and MAXPS return their
// second source if either is NaN.
func clamp(x VecVirtual, limit float64) {
	VMINPS(x, all(limit), x)
	VMAXPS(x, all(-limit), x)
}

// rational clamps x to [-limit, limit] and returns x·P(x²)/Q(x²) clamped to
// [-1, 1]. It overwrites x.
func rational(x VecVirtual, limit float64, p, q []float64) VecVirtual {
	clamp(x, limit)
	t := ZMM()
	VMULPS(x, x, t)
	num, den := horner(t, p...), horner(t, q...)
	VMULPS(x, num, num)
	VDIVPS(den, num, num)
	clamp(num, 1)
	return num
}

// The coefficients of erf and tanh are those of elementary.go in package kernel.

func erf(x VecVirtual) VecVirtual {
	return rational(x, 4,
		[]float64{1.1283791065216064, 0.19354543089866638, 0.0531018003821373, 0.0038833622820675373, 0.00028456668951548636, 1.986784127439023e-06},
		[]float64{1, 0.5048577189445496, 0.1153501570224762, 0.015207286924123764, 0.0011855763150379062, 3.742023545783013e-05})
}

func tanh(x VecVirtual) VecVirtual {
	return rational(x, 9,
		[]float64{1, 0.13381026685237885, 0.0034955900628119707, 2.060911174339708e-05, 1.3354699568424167e-08},
		[]float64{1, 0.4671434164047241, 0.02587698958814144, 0.00032856379402801394, 7.776574761919619e-07})
}

// halfTimesOnePlus returns x/2 · (1 + y). It overwrites both.
func halfTimesOnePlus(x, y VecVirtual) VecVirtual {
	VMULPS_BCST(constant(0.5), x, x)
	VFMADD213PS(x, x, y)
	return y
}

func gelu(x VecVirtual) VecVirtual {
	z := ZMM()
	VMULPS_BCST(constant(0.70710678118654752440), x, z)
	return halfTimesOnePlus(x, erf(z))
}

func geluTanh(x VecVirtual) VecVirtual {
	z := ZMM()
	VMULPS(x, x, z)
	VMULPS(x, z, z)
	c := all(0.044715)
	VFMADD213PS(x, c, z)
	VMULPS_BCST(constant(0.79788456080286535588), z, z)
	return halfTimesOnePlus(x, tanh(z))
}

// activation generates the kernel that applies f to every value of some rows.
func activation(name, result string, f func(x VecVirtual) VecVirtual) {
	TEXT(name+"AVX512", NOSPLIT, "func(x *float32, n int, rows int, stride uintptr)")
	Pragma("noescape")
	Doc(
		name+"AVX512 replaces n values of each row, which are stride bytes apart, by",
		result+". There is at least one row. The reference is "+name+"Portable.",
	)
	s := newSlice("x")
	rows, stride := Load(Param("rows"), GP64()), Load(Param("stride"), GP64())
	Label("row")
	s.each("vectors", 1, func(int) {
		x := ZMM()
		VMOVUPS(s.at(0), x)
		VMOVUPS(f(x), s.at(0))
	}, func() {
		x := ZMM()
		VMOVUPS_Z(s.at(0), s.tail, x)
		VMOVUPS(f(x), s.tail, s.at(0))
	}, nil)
	ADDQ(stride, s.start)
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
	s := newSlice("x")
	const several = 4
	largest := vectors(several)
	for _, v := range largest {
		VBROADCASTSS(constant(math.Inf(-1)), v)
	}
	s.each("max", several, func(n int) {
		for j := range n {
			VMAXPS(s.at(j), largest[j], largest[j])
		}
	}, func() {
		v := all(math.Inf(-1))
		VMOVUPS(s.at(0), s.tail, v)
		VMAXPS(v, largest[0], largest[0])
	}, nil)
	foldAll(largest, maximum)

	// exp(x - max) is 2 to the power of t = x·log₂e - max·log₂e. The rounding of
	// max·log₂e is the same factor in all values, so that softmax has not got it.
	offset := largest[0]
	VMULPS_BCST(constant(math.Log2E), offset, offset)
	log2E := all(math.Log2E)
	sums := vectors(several)
	for _, v := range sums {
		VXORPS(v, v, v)
	}
	coefficients := []float64{1, 0.6931470036506653, 0.24022240936756134, 0.0555073507130146, 0.009671619161963463, 0.0013264591107144952}
	power := func(x []VecVirtual) {
		n, p, k := vectors(len(x)), vectors(len(x)), make([]OpmaskVirtual, len(x))
		each := func(f func(j int)) {
			for j := range x {
				f(j)
			}
		}
		each(func(j int) { VFMSUB213PS(offset, log2E, x[j]) })
		// Below 2⁻¹²⁶ the result is 0: subnormal numbers are slow. Predicate 5 is "not
		// less than", so that NaN is kept.
		each(func(j int) { k[j] = K(); VCMPPS_BCST(Imm(5), constant(-126), x[j], k[j]) })
		each(func(j int) { VRNDSCALEPS(Imm(0), x[j], n[j]) })
		each(func(j int) { VSUBPS(n[j], x[j], x[j]) })
		each(func(j int) { VBROADCASTSS(constant(coefficients[5]), p[j]) })
		for c := 4; c >= 0; c-- {
			each(func(j int) { VFMADD213PS_BCST(constant(coefficients[c]), x[j], p[j]) })
		}
		each(func(j int) { VSCALEFPS_Z(n[j], p[j], k[j], x[j]) })
	}
	s.each("exp", several, func(n int) {
		x := vectors(n)
		for j := range x {
			VMOVUPS(s.at(j), x[j])
		}
		power(x)
		for j := range x {
			VADDPS(x[j], sums[j], sums[j])
			VMOVUPS(x[j], s.at(j))
		}
	}, func() {
		x := vectors(1)
		VMOVUPS_Z(s.at(0), s.tail, x[0])
		power(x)
		VMOVAPS_Z(x[0], s.tail, x[0])
		VADDPS(x[0], sums[0], sums[0])
		VMOVUPS(x[0], s.tail, s.at(0))
	}, nil)
	foldAll(sums, add)
	Store(sums[0].AsX(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// scale generates the kernel that multiplies values by a factor.
func scale() {
	TEXT("scaleAVX512", NOSPLIT, "func(x *float32, n int, factor float32)")
	Pragma("noescape")
	Doc("scaleAVX512 multiplies n values by factor. The reference is scalePortable.")
	s := newSlice("x")
	f := ZMM()
	m, err := Param("factor").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(m.Addr, f)
	s.each("vectors", 2, func(n int) {
		for j, v := range vectors(n) {
			VMULPS(s.at(j), f, v)
			VMOVUPS(v, s.at(j))
		}
	}, func() {
		v := ZMM()
		VMOVUPS_Z(s.at(0), s.tail, v)
		VMULPS(f, v, v)
		VMOVUPS(v, s.tail, s.at(0))
	}, nil)
	VZEROUPPER()
	RET()
}

// layerNorm generates the kernel of layer norm, in three passes over the values.
func layerNorm() {
	TEXT("layerNormAVX512", NOSPLIT, "func(x, gamma, beta *float32, n int, eps float32)")
	Pragma("noescape")
	Doc("layerNormAVX512 normalises n > 0 values. The reference is layerNormPortable.")
	s := newSlice("x")
	gamma := Load(Param("gamma"), GP64())
	beta := Load(Param("beta"), GP64())
	const several = 4
	count := ZMM()
	VCVTSI2SSQ(s.n, count.AsX(), count.AsX())
	VBROADCASTSS(count.AsX(), count)
	zero := func(v []VecVirtual) []VecVirtual {
		for _, x := range v {
			VXORPS(x, x, x)
		}
		return v
	}

	means := zero(vectors(several))
	s.each("mean", several, func(n int) {
		for j := range n {
			VADDPS(s.at(j), means[j], means[j])
		}
	}, func() {
		v := ZMM()
		VMOVUPS_Z(s.at(0), s.tail, v)
		VADDPS(v, means[0], means[0])
	}, nil)
	foldAll(means, add)
	mean := means[0]
	VDIVPS(count, mean, mean)

	squares := zero(vectors(several))
	s.each("deviation", several, func(n int) {
		d := vectors(n)
		for j := range d {
			VMOVUPS(s.at(j), d[j])
			VSUBPS(mean, d[j], d[j])
			VFMADD231PS(d[j], d[j], squares[j])
		}
	}, func() {
		d := ZMM()
		VMOVUPS_Z(s.at(0), s.tail, d)
		VSUBPS_Z(mean, d, s.tail, d)
		VFMADD231PS(d, d, squares[0])
	}, nil)
	foldAll(squares, add)
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
	one := all(1)
	VDIVPS(factor, one, factor)

	s.each("scale", 2, func(n int) {
		d := vectors(n)
		for j := range d {
			VMOVUPS(s.at(j), d[j])
			VSUBPS(mean, d[j], d[j])
			VMULPS(factor, d[j], d[j])
			g := ZMM()
			VMOVUPS(Mem{Base: gamma, Disp: j * vector}, g)
			VFMADD213PS(Mem{Base: beta, Disp: j * vector}, g, d[j])
			VMOVUPS(d[j], s.at(j))
		}
	}, func() {
		d, g, b := ZMM(), ZMM(), ZMM()
		VMOVUPS_Z(s.at(0), s.tail, d)
		VSUBPS(mean, d, d)
		VMULPS(factor, d, d)
		VMOVUPS_Z(Mem{Base: gamma}, s.tail, g)
		VMOVUPS_Z(Mem{Base: beta}, s.tail, b)
		VFMADD213PS(b, g, d)
		VMOVUPS(d, s.tail, s.at(0))
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
	total, step := vectors(2), vectors(2)
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
