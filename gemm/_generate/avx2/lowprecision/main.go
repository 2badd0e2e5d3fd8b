// Command lowprecision generates the AVX2 kernels of bfloat16 and int8 products:
// avx2_lowprecision_amd64.s and its stubs in package kernel. Run it by
//
//	go generate ./gemm/...
//
// The comment of each stub names the portable function that is its reference.
package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
)

const vector = asm.YMMBytes

func main() {
	ConstraintExpr("!noasm")
	for rows := 1; rows <= 6; rows++ {
		igemmU8S8(rows)
	}
	for rows := 1; rows <= 6; rows++ {
		bf16gemm(rows)
	}
	minMax()
	quantiseActivations()
	dequantise()
	roundActivations()
	packActivations()
	columnMaxAbs()
	quantiseWeights()
	packWeights()
	Generate()
}

// igemmU8S8 generates the kernel of int8 products for n rows and 16 outputs.
// VPMADDUBSW multiplies bytes and adds pairs of products in 16 bits. That cannot
// overflow because weights have 7 bits: 2·255·63 < 2¹⁵.
func igemmU8S8(n int) {
	TEXT(fmt.Sprintf("igemm%dx16U8S8AVX2", n), NOSPLIT, "func(dst *int32, dstStride uintptr, src *int32, srcStride uintptr, a *uint32, aStride uintptr, b *uint32, k int)")
	Pragma("noescape")
	Doc(
		fmt.Sprintf("igemm%dx16U8S8AVX2 computes dst = src + A·B for %d rows and 16 columns, in int32.", n, n),
		"Strides are in bytes. B has k > 0 rows, 128 bytes apart; each word of a row holds",
		"four weights, int8 of at most 63 in magnitude. A holds four activations, uint8, in",
		"each of its k words. The reference is igemmU8S8Portable.",
	)
	a := asm.LoadRows(n)
	b := Load(Param("b"), GP64())
	k := Load(Param("k"), GP64())
	sums := loadSums(n)
	ones := YMM()
	VMOVDQU(asm.Lanes(0x00010001), ones) // 16-bit ones
	asm.Loop(k, nil, func(u int) {
		w := YMM()
		VMOVDQU(Mem{Base: b, Disp: u * asm.RowBytes}, w)
		for r := range sums {
			x, t := YMM(), YMM()
			VPBROADCASTD(a.At(r, 4*u), x)
			VPMADDUBSW(w, x, t)
			VPMADDWD(ones, t, t)
			VPADDD(t, sums[r][0], sums[r][0])
			VPMADDUBSW(Mem{Base: b, Disp: u*asm.RowBytes + vector}, x, x)
			VPMADDWD(ones, x, x)
			VPADDD(x, sums[r][1], sums[r][1])
		}
	}, func(n int) {
		a.Advance(4 * n)
		ADDQ(U32(uint32(n*asm.RowBytes)), b)
	})
	storeSums(sums)
}

// loadSums loads 16 sums of each of n rows from src.
func loadSums(n int) [][2]VecVirtual {
	src := Load(Param("src"), GP64())
	srcStride := Load(Param("srcStride"), GP64())
	sums := make([][2]VecVirtual, n)
	for r := range sums {
		for v := range sums[r] {
			sums[r][v] = YMM()
			VMOVUPS(Mem{Base: src, Disp: v * vector}, sums[r][v])
		}
		ADDQ(srcStride, src)
	}
	return sums
}

// storeSums stores the sums in dst and ends the kernel.
func storeSums(sums [][2]VecVirtual) {
	dst := Load(Param("dst"), GP64())
	dstStride := Load(Param("dstStride"), GP64())
	for r := range sums {
		for v := range sums[r] {
			VMOVUPS(sums[r][v], Mem{Base: dst, Disp: v * vector})
		}
		ADDQ(dstStride, dst)
	}
	VZEROUPPER()
	RET()
}

// bf16gemm generates the kernel of bfloat16 products for n rows and 16 outputs. It
// widens the weights to float32, because AVX2 has no bfloat16 arithmetic.
func bf16gemm(n int) {
	TEXT(fmt.Sprintf("bf16gemm%dx16AVX2", n), NOSPLIT, "func(dst *float32, dstStride uintptr, src *float32, srcStride uintptr, a *uint32, aStride uintptr, b *uint32, k int)")
	Pragma("noescape")
	Doc(
		fmt.Sprintf("bf16gemm%dx16AVX2 computes dst = src + A·B for %d rows and 16 columns. Strides are", n, n),
		"in bytes. B has k > 0 rows, 128 bytes apart; each word of a row holds the bfloat16",
		"weights of two inputs. A holds 2k activations as float32 that bfloat16 can",
		"represent. The reference is bf16gemmPortable.",
	)
	a := asm.LoadRows(n)
	b := Load(Param("b"), GP64())
	k := Load(Param("k"), GP64())
	sums := loadSums(n)
	high := YMM()
	VMOVUPS(asm.Lanes(0xffff0000), high)
	asm.Loop(k, nil, func(u int) {
		for odd := range 2 {
			var w [2]VecVirtual
			for v := range w {
				w[v] = YMM()
				m := Mem{Base: b, Disp: u*asm.RowBytes + v*vector}
				if odd == 0 {
					VMOVDQU(m, w[v])
					VPSLLD(Imm(16), w[v], w[v])
				} else {
					VPAND(m, high, w[v])
				}
			}
			for r := range sums {
				x := YMM()
				VBROADCASTSS(a.At(r, 8*u+4*odd), x)
				for v := range w {
					VFMADD231PS(w[v], x, sums[r][v])
				}
			}
		}
	}, func(n int) {
		a.Advance(8 * n)
		ADDQ(U32(uint32(n*asm.RowBytes)), b)
	})
	storeSums(sums)
}

// minMax generates the kernel that finds the range of a row of activations.
func minMax() {
	TEXT("minMaxAVX2", NOSPLIT, "func(x *float32, n int) (low, high float32)")
	Pragma("noescape")
	Doc(
		"minMaxAVX2 returns the smallest and the largest of 0 and n values, a multiple of 8",
		"above 0. high is NaN if a value is not finite. The reference is minMaxPortable.",
	)
	x := Load(Param("x"), GP64())
	n := Load(Param("n"), GP64())
	low, high, notFinite := YMM(), YMM(), YMM()
	for _, v := range []VecVirtual{low, high, notFinite} {
		VXORPS(v, v, v)
	}
	Label("loop")
	v, d := YMM(), YMM()
	VMOVUPS(Mem{Base: x}, v)
	VMINPS(v, low, low)
	VMAXPS(v, high, high)
	VSUBPS(v, v, d) // 0, or NaN if v is not finite
	VADDPS(d, notFinite, notFinite)
	ADDQ(Imm(vector), x)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	asm.Fold(low, func(a, b, c Op) { VMINPS(a, b, c) })
	asm.Fold(high, func(a, b, c Op) { VMAXPS(a, b, c) })
	asm.Fold(notFinite, func(a, b, c Op) { VADDPS(a, b, c) })
	VADDPS(notFinite, high, high)
	Store(low.AsX(), Return("low"))
	Store(high.AsX(), Return("high"))
	VZEROUPPER()
	RET()
}

// quantiseActivations generates the kernel that rounds activations to uint8.
func quantiseActivations() {
	TEXT("quantiseActivationsAVX2", NOSPLIT, "func(dst *uint32, x *float32, n int, inverse float32, zero int32)")
	Pragma("noescape")
	Doc(
		"quantiseActivationsAVX2 stores x·inverse + zero in dst, rounded to integers from 0",
		"to 255, four in a word, for n values, a multiple of 32 above 0. The reference is",
		"quantiseActivationsPortable.",
	)
	dst := Load(Param("dst"), GP64())
	x := Load(Param("x"), GP64())
	n := Load(Param("n"), GP64())
	inverse, zero := asm.Broadcast("inverse"), asm.Broadcast("zero")
	// VPACKSSDW and VPACKUSWB work in each 128-bit half; order undoes that.
	order := YMM()
	VMOVDQU(asm.Table("pack_order", 8, 4, func(i int) Constant {
		return U32([]uint32{0, 4, 1, 5, 2, 6, 3, 7}[i])
	}), order)
	Label("loop")
	var v [4]VecVirtual
	for i := range v {
		v[i] = YMM()
		VMULPS(Mem{Base: x, Disp: i * vector}, inverse, v[i])
		VCVTPS2DQ(v[i], v[i])
		VPADDD(zero, v[i], v[i])
	}
	VPACKSSDW(v[1], v[0], v[0])
	VPACKSSDW(v[3], v[2], v[2])
	VPACKUSWB(v[2], v[0], v[0])
	VPERMD(v[0], order, v[0])
	VMOVDQU(v[0], Mem{Base: dst})
	ADDQ(U32(4*vector), x)
	ADDQ(Imm(vector), dst)
	SUBQ(Imm(32), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// dequantise generates the kernel that turns integer sums into results.
func dequantise() {
	TEXT("dequantiseAVX2", NOSPLIT, "func(dst *float32, sums *int32, totals *int32, steps *float32, bias *float32, zero int32, scale float32)")
	Pragma("noescape")
	Doc(
		"dequantiseAVX2 stores (sums - zero·totals)·scale·steps + bias in dst, 32 values.",
		"The reference is dequantisePortable.",
	)
	dst := Load(Param("dst"), GP64())
	sums := Load(Param("sums"), GP64())
	totals := Load(Param("totals"), GP64())
	steps := Load(Param("steps"), GP64())
	bias := Load(Param("bias"), GP64())
	zero, scale := asm.Broadcast("zero"), asm.Broadcast("scale")
	for i := range 4 {
		at := func(p Register) Mem { return Mem{Base: p, Disp: i * vector} }
		s, t := YMM(), YMM()
		VPMULLD(at(totals), zero, t)
		VMOVDQU(at(sums), s)
		VPSUBD(t, s, s)
		VCVTDQ2PS(s, s)
		VMULPS(scale, s, s)
		VMULPS(at(steps), s, s)
		VADDPS(at(bias), s, s)
		VMOVUPS(s, at(dst))
	}
	VZEROUPPER()
	RET()
}

// nearest rounds each float32 to the nearest bfloat16, ties to even. The result is
// in the upper half of the lane; the lower half holds arbitrary bits. NaN stays
// NaN.
func nearest(x VecVirtual) VecVirtual {
	odd, nan := YMM(), YMM()
	VCMPPS(Imm(3), x, x, nan) // unordered
	VPSRLD(Imm(16), x, odd)
	VPAND(asm.Lanes(1), odd, odd)
	VPADDD(asm.Lanes(0x7fff), odd, odd)
	VPADDD(odd, x, odd)
	VBLENDVPS(nan, asm.Lanes(0x7fc00000), odd, odd)
	return odd
}

// roundActivations generates the kernel that rounds activations to bfloat16 and
// keeps them as float32.
func roundActivations() {
	TEXT("roundActivationsAVX2", NOSPLIT, "func(dst *uint32, x *float32, n int)")
	Pragma("noescape")
	Doc(
		"roundActivationsAVX2 stores n values, a multiple of 8 above 0, in dst as float32",
		"rounded to bfloat16. The reference is roundActivationsPortable.",
	)
	dst := Load(Param("dst"), GP64())
	x := Load(Param("x"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	v := YMM()
	VMOVUPS(Mem{Base: x}, v)
	v = nearest(v)
	VPAND(asm.Lanes(0xffff0000), v, v)
	VMOVUPS(v, Mem{Base: dst})
	ADDQ(Imm(vector), x)
	ADDQ(Imm(vector), dst)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// packActivations generates the kernel that rounds activations to bfloat16 and
// packs them.
func packActivations() {
	TEXT("packActivationsAVX2", NOSPLIT, "func(dst *uint32, x *float32, n int)")
	Pragma("noescape")
	Doc(
		"packActivationsAVX2 stores n values, a multiple of 16 above 0, in dst as bfloat16,",
		"two in a word. The reference is packActivationsPortable.",
	)
	dst := Load(Param("dst"), GP64())
	x := Load(Param("x"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	var v [2]VecVirtual
	for i := range v {
		v[i] = YMM()
		VMOVUPS(Mem{Base: x, Disp: i * vector}, v[i])
		v[i] = nearest(v[i])
		VPSRLD(Imm(16), v[i], v[i])
	}
	VPACKUSDW(v[1], v[0], v[0])
	VPERMQ(Imm(0xD8), v[0], v[0])
	VMOVDQU(v[0], Mem{Base: dst})
	ADDQ(U32(2*vector), x)
	ADDQ(Imm(vector), dst)
	SUBQ(Imm(16), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// columnMaxAbs generates the kernel that finds the largest weight of each output.
func columnMaxAbs() {
	TEXT("columnMaxAbsAVX2", NOSPLIT, "func(dst *float32, rows *float32, n int)")
	Pragma("noescape")
	Doc(
		"columnMaxAbsAVX2 stores the largest magnitude of each of the 32 columns of n > 0",
		"panel rows in dst, or NaN where a value is not finite. The reference is",
		"columnMaxAbsPortable.",
	)
	dst := Load(Param("dst"), GP64())
	rows := Load(Param("rows"), GP64())
	n := Load(Param("n"), GP64())
	magnitude := YMM()
	VMOVUPS(asm.Lanes(math.MaxInt32), magnitude)
	var maximum, notFinite [4]VecVirtual
	for i := range maximum {
		maximum[i], notFinite[i] = YMM(), YMM()
		VXORPS(maximum[i], maximum[i], maximum[i])
		VXORPS(notFinite[i], notFinite[i], notFinite[i])
	}
	Label("loop")
	for i := range maximum {
		v, d := YMM(), YMM()
		VANDPS(Mem{Base: rows, Disp: i * vector}, magnitude, v)
		VMAXPS(v, maximum[i], maximum[i])
		VSUBPS(v, v, d) // 0, or NaN if v is not finite
		VADDPS(d, notFinite[i], notFinite[i])
	}
	ADDQ(U32(asm.RowBytes), rows)
	DECQ(n)
	JNZ(LabelRef("loop"))
	for i := range maximum {
		VADDPS(notFinite[i], maximum[i], maximum[i])
		VMOVUPS(maximum[i], Mem{Base: dst, Disp: i * vector})
	}
	VZEROUPPER()
	RET()
}

// quantiseWeights generates the kernel that rounds panel rows of weights to int8.
func quantiseWeights() {
	TEXT("quantiseWeightsAVX2", NOSPLIT, "func(dst *uint32, totals *int32, rows *float32, inverses *float32, n int)")
	Pragma("noescape")
	Doc(
		"quantiseWeightsAVX2 turns 4n > 0 panel rows into n word rows of int8: each weight",
		"times the inverse of its column, rounded. It adds the integers of each column to",
		"totals. The reference is quantiseWeightsPortable.",
	)
	dst := Load(Param("dst"), GP64())
	totals := Load(Param("totals"), GP64())
	rows := Load(Param("rows"), GP64())
	inverses := Load(Param("inverses"), GP64())
	n := Load(Param("n"), GP64())
	var sums [4]VecVirtual
	for i := range sums {
		sums[i] = YMM()
		VMOVDQU(Mem{Base: totals, Disp: i * vector}, sums[i])
	}
	low := YMM()
	VMOVDQU(asm.Lanes(0xff), low)
	Label("loop")
	for i := range sums {
		inverse, word := YMM(), YMM()
		VMOVUPS(Mem{Base: inverses, Disp: i * vector}, inverse)
		for j := range 4 {
			v := YMM()
			VMULPS(Mem{Base: rows, Disp: j*asm.RowBytes + i*vector}, inverse, v)
			VCVTPS2DQ(v, v)
			VPADDD(v, sums[i], sums[i])
			if j < 3 {
				VPAND(low, v, v)
			}
			if j == 0 {
				VMOVDQU(v, word)
				continue
			}
			VPSLLD(Imm(uint64(8*j)), v, v)
			VPOR(v, word, word)
		}
		VMOVDQU(word, Mem{Base: dst, Disp: i * vector})
	}
	ADDQ(U32(4*asm.RowBytes), rows)
	ADDQ(U32(asm.RowBytes), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	for i := range sums {
		VMOVDQU(sums[i], Mem{Base: totals, Disp: i * vector})
	}
	VZEROUPPER()
	RET()
}

// packWeights generates the kernel that rounds panel rows of weights to bfloat16.
func packWeights() {
	TEXT("packWeightsAVX2", NOSPLIT, "func(dst *uint32, rows *float32, n int)")
	Pragma("noescape")
	Doc(
		"packWeightsAVX2 turns 2n > 0 panel rows into n word rows of bfloat16. The reference",
		"is packWeightsPortable.",
	)
	dst := Load(Param("dst"), GP64())
	rows := Load(Param("rows"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	for i := range 4 {
		even, odd := YMM(), YMM()
		VMOVUPS(Mem{Base: rows, Disp: i * vector}, even)
		VMOVUPS(Mem{Base: rows, Disp: asm.RowBytes + i*vector}, odd)
		even, odd = nearest(even), nearest(odd)
		VPSRLD(Imm(16), even, even)
		VPBLENDW(Imm(0xAA), odd, even, even)
		VMOVDQU(even, Mem{Base: dst, Disp: i * vector})
	}
	ADDQ(U32(2*asm.RowBytes), rows)
	ADDQ(U32(asm.RowBytes), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
