// Command backward generates the AVX2 kernels of training: gradients of element-wise
// functions and of layer norm, sums over rows, scalar products, and AdamW's update:
// avx2_backward_amd64.s and its stubs in package kernel. Run it by
//
//	go generate ./gemm/...
//
// The comment of each stub names the portable function that is its reference.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
	"kenserve/gemm/_generate/avx2/elementary"
)

const vector = asm.YMMBytes

func main() {
	ConstraintExpr("!noasm")
	activation("geluBackward", gelu)
	activation("geluTanhBackward", geluTanh)
	activation("tanhBackward", tanh)
	layerNorm()
	layerNormParameters()
	columnSums()
	dots()
	transposeTo()
	adamW()
	Generate()
}

func add(a, b, c Op) { VADDPS(a, b, c) }

// zero returns a vector of zeros.
func zero() VecVirtual {
	v := YMM()
	VXORPS(v, v, v)
	return v
}

// one returns a vector of ones.
func one() VecVirtual {
	v := YMM()
	VMOVUPS(elementary.Lanes(1), v)
	return v
}

// activation generates the kernel that multiplies gradients by the derivatives f of an
// activation. f may overwrite its argument.
func activation(name string, f func(x VecVirtual) VecVirtual) {
	TEXT(name+"AVX2", NOSPLIT, "func(dy, x *float32, n int)")
	Pragma("noescape")
	Doc(name+"AVX2 multiplies n values of dy, a multiple of 8 above 0, by derivatives at x. The", "reference is "+name+"Portable.")
	dy := Load(Param("dy"), GP64())
	p := Load(Param("x"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	x := YMM()
	VMOVUPS(Mem{Base: p}, x)
	d := f(x)
	VMULPS(Mem{Base: dy}, d, d)
	VMOVUPS(d, Mem{Base: dy})
	ADDQ(Imm(vector), p)
	ADDQ(Imm(vector), dy)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// gelu returns Φ(x) + x·φ(x).
func gelu(x VecVirtual) VecVirtual {
	z, square := YMM(), YMM()
	VMULPS(x, x, square)
	VMULPS(elementary.Lanes(-0.5), square, square)
	density := elementary.Exp(square)[0]
	VMULPS(elementary.Lanes(0.39894228040143267794), density, density)
	VMULPS(x, density, density)
	VMULPS(elementary.Lanes(0.70710678118654752440), x, z)
	half := YMM()
	VMOVUPS(elementary.Lanes(0.5), half)
	cdf := elementary.Erf(z)
	VFMADD213PS(half, half, cdf)
	VADDPS(cdf, density, density)
	return density
}

// geluTanh returns (1 + t)/2 + x/2·(1 - t²)·u' with t = tanh(u).
func geluTanh(x VecVirtual) VecVirtual {
	const root2OverPi = 0.79788456080286535588
	square, u, slope := YMM(), YMM(), YMM()
	VMULPS(x, x, square)
	VMOVUPS(elementary.Lanes(root2OverPi), u)
	VMOVUPS(elementary.Lanes(0.134145*root2OverPi), slope)
	VFMADD213PS(u, square, slope)
	c := YMM()
	VMULPS(elementary.Lanes(0.044715), square, c)
	VFMADD213PS(x, x, c) // x + 0.044715·x³
	VMULPS(c, u, u)
	t := elementary.Tanh(u)
	rest := one()
	VFNMADD231PS(t, t, rest)
	VMULPS(x, rest, rest)
	VMULPS(slope, rest, rest)
	VADDPS(t, rest, rest)
	half := YMM()
	VMOVUPS(elementary.Lanes(0.5), half)
	VFMADD213PS(half, half, rest) // (1 + t + x·(1 - t²)·u')/2
	return rest
}

// tanh returns 1 - t² with t = tanh(x).
func tanh(x VecVirtual) VecVirtual {
	t, d := elementary.Tanh(x), one()
	VFNMADD231PS(t, t, d)
	return d
}

// layerNorm generates the kernel of layer norm's gradient, in four passes over the values.
func layerNorm() {
	TEXT("layerNormBackwardAVX2", NOSPLIT, "func(dx, dy, x, gamma, stats *float32, n int, eps float32, add uint32)")
	Pragma("noescape")
	Doc("layerNormBackwardAVX2 computes the gradient of n values, a multiple of 8 above 0, and",
		"adds it to dx if add has all bits set, or stores it if add is 0. stats receives the mean",
		"and the inverse of the deviation. The reference is layerNormBackwardPortable.")
	dx := Load(Param("dx"), GP64())
	dy := Load(Param("dy"), GP64())
	x := Load(Param("x"), GP64())
	gamma := Load(Param("gamma"), GP64())
	stats := Load(Param("stats"), GP64())
	n := Load(Param("n"), GP64())
	eps := Load(Param("eps"), XMM())
	keep := asm.Broadcast("add")
	i, bytes := GP64(), GP64()
	MOVQ(n, bytes)
	SHLQ(Imm(2), bytes)
	each := func(label string, body func()) {
		XORQ(i, i)
		Label(label)
		body()
		ADDQ(Imm(vector), i)
		CMPQ(i, bytes)
		JL(LabelRef(label))
	}
	at := func(base Register) Mem { return Mem{Base: base, Index: i, Scale: 1} }
	count := YMM()
	VCVTSI2SSQ(n, count.AsX(), count.AsX())
	VBROADCASTSS(count.AsX(), count)

	mean := zero()
	each("mean", func() { VADDPS(at(x), mean, mean) })
	asm.Fold(mean, add)
	VDIVPS(count, mean, mean)

	// The variance, and the sums of g and g·(x - mean).
	inverse, sumG, sumGX := zero(), zero(), zero()
	each("sums", func() {
		d, g := YMM(), YMM()
		VMOVUPS(at(x), d)
		VSUBPS(mean, d, d)
		VMOVUPS(at(dy), g)
		VMULPS(at(gamma), g, g)
		VFMADD231PS(d, d, inverse)
		VADDPS(g, sumG, sumG)
		VFMADD231PS(d, g, sumGX)
	})
	for _, s := range []VecVirtual{inverse, sumG, sumGX} {
		asm.Fold(s, add)
		VDIVPS(count, s, s)
	}
	e := YMM()
	VBROADCASTSS(eps, e)
	VADDPS(e, inverse, inverse)
	VSQRTPS(inverse, inverse)
	unit := one()
	VDIVPS(inverse, unit, inverse)
	VMOVSS(mean.AsX(), Mem{Base: stats})
	VMOVSS(inverse.AsX(), Mem{Base: stats, Disp: 4})
	VMULPS(inverse, sumGX, sumGX)

	each("gradient", func() {
		d, g, before := YMM(), YMM(), YMM()
		VMOVUPS(at(x), d)
		VSUBPS(mean, d, d)
		VMULPS(inverse, d, d)
		VMOVUPS(at(dy), g)
		VMULPS(at(gamma), g, g)
		VSUBPS(sumG, g, g)
		VFNMADD231PS(d, sumGX, g)
		VMULPS(inverse, g, g)
		VANDPS(at(dx), keep, before)
		VADDPS(before, g, g)
		VMOVUPS(g, at(dx))
	})
	VZEROUPPER()
	RET()
}

// block loads the 32 values at p.
func block(p Register) []VecVirtual {
	v := elementary.Vectors(4)
	for j := range v {
		VMOVUPS(Mem{Base: p, Disp: j * vector}, v[j])
	}
	return v
}

// store stores 32 values at p.
func store(v []VecVirtual, p Register) {
	for j := range v {
		VMOVUPS(v[j], Mem{Base: p, Disp: j * vector})
	}
}

// layerNormParameters generates the kernel of the gradient of layer norm's gamma.
func layerNormParameters() {
	TEXT("layerNormParameters32AVX2", NOSPLIT, "func(gamma, dy, x *float32, dyStride, xStride uintptr, stats *float32, rows int)")
	Pragma("noescape")
	Doc("layerNormParameters32AVX2 adds 32 columns of Σ dy·(x - mean)·inverse to gamma. Rows,",
		"at least one, are dyStride and xStride bytes apart; stats has a mean and an inverse for",
		"each. The reference is layerNormParametersPortable.")
	gamma := Load(Param("gamma"), GP64())
	dy := Load(Param("dy"), GP64())
	x := Load(Param("x"), GP64())
	dyStride := Load(Param("dyStride"), GP64())
	xStride := Load(Param("xStride"), GP64())
	stats := Load(Param("stats"), GP64())
	rows := Load(Param("rows"), GP64())
	sums := block(gamma)
	Label("loop")
	mean, inverse := YMM(), YMM()
	VBROADCASTSS(Mem{Base: stats}, mean)
	VBROADCASTSS(Mem{Base: stats, Disp: 4}, inverse)
	for j := range sums {
		d := YMM()
		VMOVUPS(Mem{Base: x, Disp: j * vector}, d)
		VSUBPS(mean, d, d)
		VMULPS(inverse, d, d)
		VFMADD231PS(Mem{Base: dy, Disp: j * vector}, d, sums[j])
	}
	ADDQ(Imm(8), stats)
	ADDQ(dyStride, dy)
	ADDQ(xStride, x)
	DECQ(rows)
	JNZ(LabelRef("loop"))
	store(sums, gamma)
	VZEROUPPER()
	RET()
}

// columnSums generates the kernel of sums over rows.
func columnSums() {
	TEXT("columnSums32AVX2", NOSPLIT, "func(sums, x *float32, stride uintptr, rows int)")
	Pragma("noescape")
	Doc("columnSums32AVX2 adds 32 columns of rows, at least one and stride bytes apart, to sums, in",
		"rising order. The reference is columnSumsPortable.")
	p := Load(Param("sums"), GP64())
	x := Load(Param("x"), GP64())
	stride := Load(Param("stride"), GP64())
	rows := Load(Param("rows"), GP64())
	sums := block(p)
	Label("loop")
	for j := range sums {
		VADDPS(Mem{Base: x, Disp: j * vector}, sums[j], sums[j])
	}
	ADDQ(stride, x)
	DECQ(rows)
	JNZ(LabelRef("loop"))
	store(sums, p)
	VZEROUPPER()
	RET()
}

// dots generates the kernel of four scalar products with the same vector.
func dots() {
	TEXT("dot4AVX2", NOSPLIT, "func(dst, x, y0, y1, y2, y3 *float32, n int)")
	Pragma("noescape")
	Doc("dot4AVX2 stores the scalar products of x with y0 to y3, which have n values, a multiple of",
		"16 above 0. The reference is dotPortable.")
	dst := Load(Param("dst"), GP64())
	x := Load(Param("x"), GP64())
	y := []Register{Load(Param("y0"), GP64()), Load(Param("y1"), GP64()), Load(Param("y2"), GP64()), Load(Param("y3"), GP64())}
	n := Load(Param("n"), GP64())
	i := GP64()
	XORQ(i, i)
	SHLQ(Imm(2), n)
	var sums [2][4]VecVirtual
	for u := range sums {
		for j := range sums[u] {
			sums[u][j] = zero()
		}
	}
	Label("loop")
	for u := range sums {
		v := YMM()
		VMOVUPS(Mem{Base: x, Index: i, Scale: 1, Disp: u * vector}, v)
		for j, s := range sums[u] {
			VFMADD231PS(Mem{Base: y[j], Index: i, Scale: 1, Disp: u * vector}, v, s)
		}
	}
	ADDQ(Imm(2*vector), i)
	CMPQ(i, n)
	JL(LabelRef("loop"))
	for j := range sums[0] {
		VADDPS(sums[1][j], sums[0][j], sums[0][j])
		asm.Fold(sums[0][j], add)
		VMOVSS(sums[0][j].AsX(), Mem{Base: dst, Disp: 4 * j})
	}
	VZEROUPPER()
	RET()
}

// transposeTo generates the kernel that transposes 8 rows into a matrix of any stride.
func transposeTo() {
	TEXT("transposeTo8AVX2", NOSPLIT, "func(dst, src *float32, dstStride, srcStride uintptr, k int)")
	Pragma("noescape")
	Doc("transposeTo8AVX2 writes 8 rows of src, k values long, as 8 columns of k rows of dst. Rows are",
		"srcStride and dstStride bytes apart. k is a multiple of 8 above 0. The reference is",
		"transposeToPortable.")
	dst := Load(Param("dst"), GP64())
	r0 := Load(Param("src"), GP64())
	ds := Load(Param("dstStride"), GP64())
	s := Load(Param("srcStride"), GP64())
	k := Load(Param("k"), GP64())
	s3, r4, ds3, d4 := GP64(), GP64(), GP64(), GP64()
	LEAQ(Mem{Base: s, Index: s, Scale: 2}, s3)
	LEAQ(Mem{Base: r0, Index: s, Scale: 4}, r4)
	LEAQ(Mem{Base: ds, Index: ds, Scale: 2}, ds3)
	row := func(low, high, stride, stride3 Register, i int) Mem {
		m := Mem{Base: low}
		if i >= 4 {
			m.Base = high
		}
		switch i % 4 {
		case 1, 2:
			m.Index, m.Scale = stride, uint8(i%4)
		case 3:
			m.Index, m.Scale = stride3, 1
		}
		return m
	}
	Label("loop")
	LEAQ(Mem{Base: dst, Index: ds, Scale: 4}, d4)
	in := elementary.Vectors(8)
	for i := range in {
		VMOVUPS(row(r0, r4, s, s3, i), in[i])
	}
	pairs := elementary.Vectors(8)
	for i := 0; i < 8; i += 2 {
		VUNPCKLPS(in[i+1], in[i], pairs[i])
		VUNPCKHPS(in[i+1], in[i], pairs[i+1])
	}
	quads := elementary.Vectors(8)
	for i := 0; i < 8; i += 4 {
		for j := range 2 {
			VSHUFPS(Imm(0x44), pairs[i+2+j], pairs[i+j], quads[i+2*j])
			VSHUFPS(Imm(0xEE), pairs[i+2+j], pairs[i+j], quads[i+2*j+1])
		}
	}
	for i := range 4 {
		low, high := YMM(), YMM()
		VPERM2F128(Imm(0x20), quads[i+4], quads[i], low)
		VPERM2F128(Imm(0x31), quads[i+4], quads[i], high)
		VMOVUPS(low, row(dst, d4, ds, ds3, i))
		VMOVUPS(high, row(dst, d4, ds, ds3, i+4))
	}
	ADDQ(Imm(vector), r0)
	ADDQ(Imm(vector), r4)
	LEAQ(Mem{Base: dst, Index: ds, Scale: 8}, dst)
	SUBQ(Imm(8), k)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// adamW generates the kernel of AdamW's update.
func adamW() {
	TEXT("adamWAVX2", NOSPLIT, "func(x, m, v, grad *float32, n int, c *float32)")
	Pragma("noescape")
	Doc("adamWAVX2 updates n values, a multiple of 8 above 0. c are the numbers of AdamWStep, in the",
		"order of its fields. The reference is adamWPortable.")
	x := Load(Param("x"), GP64())
	m := Load(Param("m"), GP64())
	v := Load(Param("v"), GP64())
	g := Load(Param("grad"), GP64())
	n := Load(Param("n"), GP64())
	c := Load(Param("c"), GP64())
	number := elementary.Vectors(8)
	for i := range number {
		VBROADCASTSS(Mem{Base: c, Disp: 4 * i}, number[i])
	}
	scale, keep, first, beta2, second, correction, eps, step := number[0], number[1], number[2], number[3], number[4], number[5], number[6], number[7]
	Label("loop")
	d2, mean, square := YMM(), YMM(), YMM()
	VMOVUPS(Mem{Base: g}, d2)
	VMULPS(scale, d2, d2)
	VMOVUPS(Mem{Base: m}, mean)
	d := YMM()
	VSUBPS(mean, d2, d)
	VFMADD231PS(first, d, mean)
	VMOVUPS(mean, Mem{Base: m})
	VMULPS(Mem{Base: v}, beta2, square)
	VMULPS(d2, d2, d2)
	VFMADD231PS(second, d2, square)
	VMOVUPS(square, Mem{Base: v})
	VSQRTPS(square, square)
	VDIVPS(correction, square, square)
	VADDPS(eps, square, square)
	VDIVPS(square, mean, mean)
	value := YMM()
	VMULPS(Mem{Base: x}, keep, value)
	VFNMADD231PS(step, mean, value)
	VMOVUPS(value, Mem{Base: x})
	for _, p := range []Register{x, m, v, g} {
		ADDQ(Imm(vector), p)
	}
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
