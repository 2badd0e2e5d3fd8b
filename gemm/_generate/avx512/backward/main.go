// Command backward generates the AVX-512 kernels of training that are element-wise or sums
// over a row: gradients of activations, of layer norm and of softmax: avx512_backward_amd64.s
// and its stubs in package kernel. Run it by
//
//	go generate ./gemm/...
//
// The comment of each stub names the portable function that is its reference. The values that
// do not fill a vector are loaded and stored under a mask: the result of a value does not
// depend on its place.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
	"kenserve/gemm/_generate/avx512/elementary"
)

const vector = asm.ZMMBytes

func main() {
	ConstraintExpr("!noasm")
	activation("geluBackward", gelu)
	activation("geluTanhBackward", geluTanh)
	activation("tanhBackward", tanh)
	softmax()
	layerNorm()
	Generate()
}

// activation generates the kernel that multiplies gradients by the derivatives f of an
// activation. f gets several vectors, because one alone is a long chain of instructions, and
// may overwrite them.
func activation(name string, f func(x []VecVirtual) []VecVirtual) {
	TEXT(name+"AVX512", NOSPLIT, "func(dy, x *float32, n int)")
	Pragma("noescape")
	Doc(name+"AVX512 multiplies n values of dy by derivatives at x. The reference is", name+"Portable.")
	s := elementary.NewSlice("x")
	dy := Load(Param("dy"), GP64())
	s.Each("vectors", 2, func(n int) {
		x := elementary.Vectors(n)
		for j := range x {
			VMOVUPS(s.At(j), x[j])
		}
		for j, d := range f(x) {
			VMULPS(Mem{Base: dy, Disp: j * vector}, d, d)
			VMOVUPS(d, Mem{Base: dy, Disp: j * vector})
		}
	}, func() {
		x, g := elementary.Vectors(1), ZMM()
		VMOVUPS_Z(s.At(0), s.Tail, x[0])
		d := f(x)[0]
		VMOVUPS_Z(Mem{Base: dy}, s.Tail, g)
		VMULPS(g, d, d)
		VMOVUPS(d, s.Tail, Mem{Base: dy})
	}, func(n int) { ADDQ(U32(n*vector), dy) })
	VZEROUPPER()
	RET()
}

// gelu returns Φ(x) + x·φ(x).
func gelu(x []VecVirtual) []VecVirtual {
	density := elementary.Vectors(len(x))
	for j, v := range x {
		VMULPS(v, v, density[j])
		VMULPS_BCST(elementary.Scalar(-0.72134752044448170368), density[j], density[j]) // -log₂e/2
	}
	elementary.Power(density...)
	half := elementary.All(0.5)
	for j, v := range x {
		VMULPS_BCST(elementary.Scalar(0.39894228040143267794), density[j], density[j])
		VMULPS(v, density[j], density[j])
		VMULPS_BCST(elementary.Scalar(0.70710678118654752440), v, v)
		cdf := elementary.Erf(v)
		VFMADD213PS(half, half, cdf)
		VADDPS(cdf, density[j], density[j])
	}
	return density
}

// geluTanh returns (1 + t)/2 + x/2·(1 - t²)·u' with t = tanh(u).
func geluTanh(x []VecVirtual) []VecVirtual {
	const root2OverPi = 0.79788456080286535588
	d := elementary.Vectors(len(x))
	for j, v := range x {
		square, u, slope := ZMM(), ZMM(), elementary.All(0.134145*root2OverPi)
		VMULPS(v, v, square)
		VFMADD213PS_BCST(elementary.Scalar(root2OverPi), square, slope)
		VMULPS_BCST(elementary.Scalar(0.044715), square, u)
		VFMADD213PS(v, v, u) // x + 0.044715·x³
		VMULPS_BCST(elementary.Scalar(root2OverPi), u, u)
		t := elementary.Tanh(u)
		VBROADCASTSS(elementary.Scalar(1), d[j])
		VFNMADD231PS(t, t, d[j])
		VMULPS(v, d[j], d[j])
		VMULPS(slope, d[j], d[j])
		VADDPS(t, d[j], d[j])
		half := elementary.All(0.5)
		VFMADD213PS(half, half, d[j]) // (1 + t + x·(1 - t²)·u')/2
	}
	return d
}

// tanh returns 1 - t² with t = tanh(x).
func tanh(x []VecVirtual) []VecVirtual {
	d := elementary.Vectors(len(x))
	for j, v := range x {
		t := elementary.Tanh(v)
		VBROADCASTSS(elementary.Scalar(1), d[j])
		VFNMADD231PS(t, t, d[j])
	}
	return d
}

// broadcast loads a 32-bit parameter into all lanes of a vector.
func broadcast(name string) VecVirtual {
	m, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	v := ZMM()
	VBROADCASTSS(m.Addr, v)
	return v
}

// zero returns a vector of zeros.
func zero() VecVirtual {
	v := ZMM()
	VXORPS(v, v, v)
	return v
}

// softmax generates the kernel of softmax's gradient, in two passes over the values.
func softmax() {
	TEXT("softmaxBackwardAVX512", NOSPLIT, "func(dp, p *float32, n int, scale float32)")
	Pragma("noescape")
	Doc("softmaxBackwardAVX512 replaces n > 0 values of dp by scale·p·(dp - Σ p·dp). The reference is",
		"softmaxBackwardPortable.")
	s := elementary.NewSlice("dp")
	start := Load(Param("p"), GP64())
	scale := broadcast("scale")
	p := GP64()
	advance := func(n int) { ADDQ(U32(n*vector), p) }
	sum := zero()
	MOVQ(start, p)
	s.Each("sum", 1, func(int) {
		d := ZMM()
		VMOVUPS(s.At(0), d)
		VFMADD231PS(Mem{Base: p}, d, sum)
	}, func() {
		d, v := ZMM(), ZMM()
		VMOVUPS_Z(s.At(0), s.Tail, d)
		VMOVUPS_Z(Mem{Base: p}, s.Tail, v)
		VFMADD231PS(v, d, sum)
	}, advance)
	elementary.Fold(sum, elementary.Add)
	MOVQ(start, p)
	s.Each("gradient", 1, func(int) {
		d := ZMM()
		VMOVUPS(s.At(0), d)
		VSUBPS(sum, d, d)
		VMULPS(Mem{Base: p}, d, d)
		VMULPS(scale, d, d)
		VMOVUPS(d, s.At(0))
	}, func() {
		d, v := ZMM(), ZMM()
		VMOVUPS_Z(s.At(0), s.Tail, d)
		VMOVUPS_Z(Mem{Base: p}, s.Tail, v)
		VSUBPS(sum, d, d)
		VMULPS(v, d, d)
		VMULPS(scale, d, d)
		VMOVUPS(d, s.Tail, s.At(0))
	}, advance)
	VZEROUPPER()
	RET()
}

// layerNorm generates the kernel of layer norm's gradient, in three passes over the values.
func layerNorm() {
	TEXT("layerNormBackwardAVX512", NOSPLIT, "func(dx, dy, x, gamma, stats *float32, n int, eps float32, add uint32)")
	Pragma("noescape")
	Doc("layerNormBackwardAVX512 computes the gradient of n > 0 values, and adds it to dx if add has",
		"all bits set, or stores it if add is 0. stats receives the mean and the inverse of the",
		"deviation. The reference is layerNormBackwardPortable.")
	s := elementary.NewSlice("x")
	dx := Load(Param("dx"), GP64())
	dyStart, gammaStart := Load(Param("dy"), GP64()), Load(Param("gamma"), GP64())
	dy, gamma := GP64(), GP64()
	keep := broadcast("add")
	count := ZMM()
	VCVTSI2SSQ(s.N, count.AsX(), count.AsX())
	VBROADCASTSS(count.AsX(), count)
	rewind := func() {
		MOVQ(dyStart, dy)
		MOVQ(gammaStart, gamma)
	}
	advance := func(n int) {
		ADDQ(U32(n*vector), dy)
		ADDQ(U32(n*vector), gamma)
	}

	means := []VecVirtual{zero(), zero()}
	s.Each("mean", len(means), func(n int) {
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

	// The variance, and the sums of g and g·(x - mean).
	var inverses, sums, products []VecVirtual
	for range 2 {
		inverses, sums, products = append(inverses, zero()), append(sums, zero()), append(products, zero())
	}
	accumulate := func(j int, d, g VecVirtual) {
		VFMADD231PS(d, d, inverses[j])
		VADDPS(g, sums[j], sums[j])
		VFMADD231PS(d, g, products[j])
	}
	rewind()
	s.Each("sums", len(sums), func(n int) {
		for j := range n {
			d, g := ZMM(), ZMM()
			VMOVUPS(s.At(j), d)
			VSUBPS(mean, d, d)
			VMOVUPS(Mem{Base: dy, Disp: j * vector}, g)
			VMULPS(Mem{Base: gamma, Disp: j * vector}, g, g)
			accumulate(j, d, g)
		}
	}, func() {
		d, g, v := ZMM(), ZMM(), ZMM()
		VMOVUPS_Z(s.At(0), s.Tail, d)
		VSUBPS_Z(mean, d, s.Tail, d)
		VMOVUPS_Z(Mem{Base: dy}, s.Tail, g)
		VMOVUPS_Z(Mem{Base: gamma}, s.Tail, v)
		VMULPS(v, g, g)
		accumulate(0, d, g)
	}, advance)
	for _, v := range [][]VecVirtual{inverses, sums, products} {
		elementary.FoldAll(v, elementary.Add)
		VDIVPS(count, v[0], v[0])
	}
	inverse, sumG, sumGX := inverses[0], sums[0], products[0]
	VADDPS(broadcast("eps"), inverse, inverse)
	VSQRTPS(inverse, inverse)
	unit := elementary.All(1)
	VDIVPS(inverse, unit, inverse)
	stats := Load(Param("stats"), GP64())
	VMOVSS(mean.AsX(), Mem{Base: stats})
	VMOVSS(inverse.AsX(), Mem{Base: stats, Disp: 4})
	VMULPS(inverse, sumGX, sumGX)

	gradient := func(d, g VecVirtual) {
		VSUBPS(mean, d, d)
		VMULPS(inverse, d, d)
		VSUBPS(sumG, g, g)
		VFNMADD231PS(d, sumGX, g)
		VMULPS(inverse, g, g)
	}
	rewind()
	s.Each("gradient", 1, func(int) {
		d, g, before := ZMM(), ZMM(), ZMM()
		VMOVUPS(s.At(0), d)
		VMOVUPS(Mem{Base: dy}, g)
		VMULPS(Mem{Base: gamma}, g, g)
		gradient(d, g)
		VANDPS(Mem{Base: dx}, keep, before)
		VADDPS(before, g, g)
		VMOVUPS(g, Mem{Base: dx})
	}, func() {
		d, g, v, before := ZMM(), ZMM(), ZMM(), ZMM()
		VMOVUPS_Z(s.At(0), s.Tail, d)
		VMOVUPS_Z(Mem{Base: dy}, s.Tail, g)
		VMOVUPS_Z(Mem{Base: gamma}, s.Tail, v)
		VMULPS(v, g, g)
		gradient(d, g)
		VMOVUPS_Z(Mem{Base: dx}, s.Tail, before)
		VANDPS(before, keep, before)
		VADDPS(before, g, g)
		VMOVUPS(g, s.Tail, Mem{Base: dx})
	}, func(n int) {
		advance(n)
		ADDQ(U32(n*vector), dx)
	})
	VZEROUPPER()
	RET()
}
