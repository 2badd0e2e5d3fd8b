// Command narrow writes the assembly of the products of narrow weights:
// narrow_amd64.s and the stubs that declare it. It is run by go generate in
// package gemm. Each kernel's comment names the portable Go function that is
// its reference.
package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	vector   = 32  // bytes of an AVX2 register
	lineSize = 128 // bytes of a panel's line, and of a row of sums
)

func main() {
	ConstraintExpr("!noasm")
	for rows := 1; rows <= 6; rows++ {
		dots(rows)
	}
	for rows := 1; rows <= 6; rows++ {
		accumulate(rows)
	}
	span()
	quantise()
	dequantise()
	round()
	pair()
	largest()
	narrowInt8()
	narrowBFloat16()
	Generate()
}

// constant returns a vector of the same 32 bits eight times, in memory.
func constant(name string, bits uint32) Mem {
	m, ok := constants[name]
	if !ok {
		m = GLOBL("narrow_"+name, RODATA|NOPTR)
		for i := range 8 {
			DATA(4*i, U32(bits))
		}
		constants[name] = m
	}
	return m
}

var constants = map[string]Mem{}

// rows addresses rows of A: 0 to 2 from one register, 3 to 5 from another.
type rows struct{ a0, a3, stride GPVirtual }

func loadRows(n int) rows {
	r := rows{a0: Load(Param("a"), GP64()).(GPVirtual), stride: Load(Param("aStride"), GP64()).(GPVirtual)}
	if n > 3 {
		r.a3 = GP64()
		LEAQ(Mem{Base: r.a0, Index: r.stride, Scale: 2}, r.a3)
		ADDQ(r.stride, r.a3)
	}
	return r
}

func (r rows) at(i, disp int) Mem {
	base := r.a0
	if i >= 3 {
		base, i = r.a3, i-3
	}
	m := Mem{Base: base, Disp: disp}
	if i > 0 {
		m.Index, m.Scale = r.stride, uint8(i)
	}
	return m
}

func (r rows) advance(bytes int) {
	ADDQ(U32(uint32(bytes)), r.a0)
	if r.a3 != nil {
		ADDQ(U32(uint32(bytes)), r.a3)
	}
}

// loop runs step k times, four at a time as long as it can.
func loop(k Register, step func(u int), advance func(n int)) {
	const unroll = 4
	SUBQ(Imm(unroll), k)
	JL(LabelRef("rest"))
	Label("unrolled")
	for u := range unroll {
		step(u)
	}
	advance(unroll)
	SUBQ(Imm(unroll), k)
	JGE(LabelRef("unrolled"))
	Label("rest")
	ADDQ(Imm(unroll), k)
	JZ(LabelRef("done"))
	Label("one")
	step(0)
	advance(1)
	DECQ(k)
	JNZ(LabelRef("one"))
	Label("done")
}

// dots writes the kernel of int8 products: some rows by 16 outputs. Four
// inputs at a time are multiplied in bytes and added in pairs to 16 bits, which
// holds them because weights have 7 bits: 2·255·63 < 2¹⁵.
func dots(n int) {
	TEXT(fmt.Sprintf("dots%dx16", n), NOSPLIT, "func(dst *int32, dstStride uintptr, src *int32, srcStride uintptr, a *uint32, aStride uintptr, b *uint32, k int)")
	Pragma("noescape")
	Doc(
		fmt.Sprintf("dots%dx16 stores src + A·B in dst, %d by 16 int32. Strides are the bytes between", n, n),
		"rows. B's k > 0 lines are 128 bytes apart and hold 16 times four int8 of 7 bits,",
		"A's rows four uint8 for each line. The reference is dotsPortable.",
	)
	a := loadRows(n)
	b := Load(Param("b"), GP64())
	k := Load(Param("k"), GP64())
	sums := loadSums(n)
	ones := YMM()
	VMOVDQU(constant("ones16", 0x00010001), ones)
	loop(k, func(u int) {
		w := YMM()
		VMOVDQU(Mem{Base: b, Disp: u * lineSize}, w)
		for r := range sums {
			x, t := YMM(), YMM()
			VPBROADCASTD(a.at(r, 4*u), x)
			VPMADDUBSW(w, x, t)
			VPMADDWD(ones, t, t)
			VPADDD(t, sums[r][0], sums[r][0])
			VPMADDUBSW(Mem{Base: b, Disp: u*lineSize + vector}, x, x)
			VPMADDWD(ones, x, x)
			VPADDD(x, sums[r][1], sums[r][1])
		}
	}, func(n int) {
		a.advance(4 * n)
		ADDQ(U32(uint32(n*lineSize)), b)
	})
	storeSums(sums)
}

// loadSums reads 16 values of each of n rows, srcStride bytes apart.
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

// storeSums writes them, dstStride bytes apart, and returns.
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

// accumulate writes the kernel of bfloat16 products: some rows by 16 outputs,
// the weights widened on the way.
func accumulate(n int) {
	TEXT(fmt.Sprintf("widened%dx16", n), NOSPLIT, "func(dst *float32, dstStride uintptr, src *float32, srcStride uintptr, a *uint32, aStride uintptr, b *uint32, k int)")
	Pragma("noescape")
	Doc(
		fmt.Sprintf("widened%dx16 stores src + A·B in dst, %d by 16. Strides are the bytes between rows.", n, n),
		"B's k > 0 lines are 128 bytes apart and hold two inputs' weights, bfloat16, for",
		"each of 16 outputs; A holds the same inputs as float32. The reference is",
		"widenedPortable.",
	)
	a := loadRows(n)
	b := Load(Param("b"), GP64())
	k := Load(Param("k"), GP64())
	sums := loadSums(n)
	high := YMM()
	VMOVUPS(constant("high16", 0xffff0000), high)
	loop(k, func(u int) {
		for odd := range 2 {
			var w [2]VecVirtual
			for v := range w {
				w[v] = YMM()
				m := Mem{Base: b, Disp: u*lineSize + v*vector}
				if odd == 0 {
					VMOVDQU(m, w[v])
					VPSLLD(Imm(16), w[v], w[v])
				} else {
					VPAND(m, high, w[v])
				}
			}
			for r := range sums {
				x := YMM()
				VBROADCASTSS(a.at(r, 8*u+4*odd), x)
				for v := range w {
					VFMADD231PS(w[v], x, sums[r][v])
				}
			}
		}
	}, func(n int) {
		a.advance(8 * n)
		ADDQ(U32(uint32(n*lineSize)), b)
	})
	storeSums(sums)
}

// fold reduces a vector to a value in all its places.
func fold(x VecVirtual, op func(a, b, c Op)) {
	y := YMM()
	VPERM2F128(Imm(0x01), x, x, y)
	op(y, x, x)
	VSHUFPS(Imm(0x4E), x, x, y)
	op(y, x, x)
	VSHUFPS(Imm(0xB1), x, x, y)
	op(y, x, x)
}

// span writes the kernel that finds what a row of activations spans.
func span() {
	TEXT("spanRow", NOSPLIT, "func(x *float32, n int) (low, high float32)")
	Pragma("noescape")
	Doc(
		"spanRow returns the smallest and the largest of zero and n values, a multiple of",
		"8 above 0. High is NaN if a value is not finite. The reference is spanPortable.",
	)
	x := Load(Param("x"), GP64())
	n := Load(Param("n"), GP64())
	low, high, wrong := YMM(), YMM(), YMM()
	for _, v := range []VecVirtual{low, high, wrong} {
		VXORPS(v, v, v)
	}
	Label("loop")
	v, d := YMM(), YMM()
	VMOVUPS(Mem{Base: x}, v)
	VMINPS(v, low, low)
	VMAXPS(v, high, high)
	VSUBPS(v, v, d) // 0, or NaN
	VADDPS(d, wrong, wrong)
	ADDQ(Imm(vector), x)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	fold(low, func(a, b, c Op) { VMINPS(a, b, c) })
	fold(high, func(a, b, c Op) { VMAXPS(a, b, c) })
	fold(wrong, func(a, b, c Op) { VADDPS(a, b, c) })
	VADDPS(wrong, high, high)
	Store(low.AsX(), Return("low"))
	Store(high.AsX(), Return("high"))
	VZEROUPPER()
	RET()
}

// broadcast loads a parameter of 32 bits into all places of a vector.
func broadcast(name string) VecVirtual {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	v := YMM()
	VBROADCASTSS(p.Addr, v)
	return v
}

// quantise writes the kernel that turns activations into bytes.
func quantise() {
	TEXT("quantiseRow", NOSPLIT, "func(dst *uint32, x *float32, n int, inverse float32, zero int32)")
	Pragma("noescape")
	Doc(
		"quantiseRow stores x·inverse + zero in dst, rounded to integers from 0 to 255, four",
		"a word, for n values, a multiple of 32 above 0. The reference is",
		"quantisePortable.",
	)
	dst := Load(Param("dst"), GP64())
	x := Load(Param("x"), GP64())
	n := Load(Param("n"), GP64())
	inverse, zero := broadcast("inverse"), broadcast("zero")
	order := YMM()
	table := GLOBL("narrow_order", RODATA|NOPTR)
	for i, v := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
		DATA(4*i, U32(v))
	}
	VMOVDQU(table, order)
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

// dequantise writes the kernel that turns integer sums into results.
func dequantise() {
	TEXT("dequantiseRow", NOSPLIT, "func(dst *float32, sums *int32, totals *int32, steps *float32, bias *float32, zero int32, scale float32)")
	Pragma("noescape")
	Doc(
		"dequantiseRow stores (sums - zero·totals)·scale·steps + bias in dst, 32 values. The",
		"reference is dequantisePortable.",
	)
	dst := Load(Param("dst"), GP64())
	sums := Load(Param("sums"), GP64())
	totals := Load(Param("totals"), GP64())
	steps := Load(Param("steps"), GP64())
	bias := Load(Param("bias"), GP64())
	zero, scale := broadcast("zero"), broadcast("scale")
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

// nearest rounds a float32 to the nearest bfloat16, ties to even, and leaves it
// in the upper half of its word, over a lower half that is not cleared. NaN
// stays NaN.
func nearest(x VecVirtual) VecVirtual {
	odd, nan := YMM(), YMM()
	VCMPPS(Imm(3), x, x, nan) // unordered
	VPSRLD(Imm(16), x, odd)
	VPAND(constant("one", 1), odd, odd)
	VPADDD(constant("half", 0x7fff), odd, odd)
	VPADDD(odd, x, odd)
	VBLENDVPS(nan, constant("nan", 0x7fc00000), odd, odd)
	return odd
}

// round writes the kernel that rounds activations to bfloat16.
func round() {
	TEXT("roundRow", NOSPLIT, "func(dst *uint32, x *float32, n int)")
	Pragma("noescape")
	Doc(
		"roundRow stores n values, a multiple of 8 above 0, in dst as float32 rounded to",
		"bfloat16. The reference is roundPortable.",
	)
	dst := Load(Param("dst"), GP64())
	x := Load(Param("x"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	v := YMM()
	VMOVUPS(Mem{Base: x}, v)
	v = nearest(v)
	VPAND(constant("high16", 0xffff0000), v, v)
	VMOVUPS(v, Mem{Base: dst})
	ADDQ(Imm(vector), x)
	ADDQ(Imm(vector), dst)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// pair writes the kernel that rounds activations to bfloat16 and packs them.
func pair() {
	TEXT("pairRow", NOSPLIT, "func(dst *uint32, x *float32, n int)")
	Pragma("noescape")
	Doc(
		"pairRow stores n values, a multiple of 16 above 0, in dst as bfloat16, two a word.",
		"The reference is pairPortable.",
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

// largest writes the kernel that finds the largest magnitude of each output.
func largest() {
	TEXT("largestLines", NOSPLIT, "func(dst *float32, lines *float32, n int)")
	Pragma("noescape")
	Doc(
		"largestLines stores the largest magnitude of each of the 32 columns of n > 0",
		"lines in dst, NaN where a value is not finite. The reference is",
		"largestPortable.",
	)
	dst := Load(Param("dst"), GP64())
	lines := Load(Param("lines"), GP64())
	n := Load(Param("n"), GP64())
	magnitude := YMM()
	VMOVUPS(constant("magnitude", math.MaxInt32), magnitude)
	var top, wrong [4]VecVirtual
	for i := range top {
		top[i], wrong[i] = YMM(), YMM()
		VXORPS(top[i], top[i], top[i])
		VXORPS(wrong[i], wrong[i], wrong[i])
	}
	Label("loop")
	for i := range top {
		v, d := YMM(), YMM()
		VANDPS(Mem{Base: lines, Disp: i * vector}, magnitude, v)
		VMAXPS(v, top[i], top[i])
		VSUBPS(v, v, d) // 0, or NaN
		VADDPS(d, wrong[i], wrong[i])
	}
	ADDQ(U32(lineSize), lines)
	DECQ(n)
	JNZ(LabelRef("loop"))
	for i := range top {
		VADDPS(wrong[i], top[i], top[i])
		VMOVUPS(top[i], Mem{Base: dst, Disp: i * vector})
	}
	VZEROUPPER()
	RET()
}

// narrowInt8 writes the kernel that turns lines of weights into bytes.
func narrowInt8() {
	TEXT("narrowInt8Lines", NOSPLIT, "func(dst *uint32, totals *int32, lines *float32, inverses *float32, n int)")
	Pragma("noescape")
	Doc(
		"narrowInt8Lines turns four times n > 0 lines into n of int8, weight·inverse rounded,",
		"and adds each column's integers to totals. The reference is",
		"narrowInt8Portable.",
	)
	dst := Load(Param("dst"), GP64())
	totals := Load(Param("totals"), GP64())
	lines := Load(Param("lines"), GP64())
	inverses := Load(Param("inverses"), GP64())
	n := Load(Param("n"), GP64())
	var sums [4]VecVirtual
	for i := range sums {
		sums[i] = YMM()
		VMOVDQU(Mem{Base: totals, Disp: i * vector}, sums[i])
	}
	low := YMM()
	VMOVDQU(constant("low8", 0xff), low)
	Label("loop")
	for i := range sums {
		inverse, word := YMM(), YMM()
		VMOVUPS(Mem{Base: inverses, Disp: i * vector}, inverse)
		for j := range 4 {
			v := YMM()
			VMULPS(Mem{Base: lines, Disp: j*lineSize + i*vector}, inverse, v)
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
	ADDQ(U32(4*lineSize), lines)
	ADDQ(U32(lineSize), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	for i := range sums {
		VMOVDQU(sums[i], Mem{Base: totals, Disp: i * vector})
	}
	VZEROUPPER()
	RET()
}

// narrowBFloat16 writes the kernel that turns lines of weights into bfloat16.
func narrowBFloat16() {
	TEXT("narrowBFloat16Lines", NOSPLIT, "func(dst *uint32, lines *float32, n int)")
	Pragma("noescape")
	Doc(
		"narrowBFloat16Lines turns twice n > 0 lines into n of bfloat16. The reference is",
		"narrowBFloat16Portable.",
	)
	dst := Load(Param("dst"), GP64())
	lines := Load(Param("lines"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	for i := range 4 {
		even, odd := YMM(), YMM()
		VMOVUPS(Mem{Base: lines, Disp: i * vector}, even)
		VMOVUPS(Mem{Base: lines, Disp: lineSize + i*vector}, odd)
		even, odd = nearest(even), nearest(odd)
		VPSRLD(Imm(16), even, even)
		VPBLENDW(Imm(0xAA), odd, even, even)
		VMOVDQU(even, Mem{Base: dst, Disp: i * vector})
	}
	ADDQ(U32(2*lineSize), lines)
	ADDQ(U32(lineSize), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
