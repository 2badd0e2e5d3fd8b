package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// vector is the width of an AVX2 register in bytes.
const vector = 32

// lineSize is the size of a panel's line, and of a row of sums, in bytes.
const lineSize = 128

// accumulate writes the kernel that multiplies some rows of A with some vectors
// of B's columns. The sums stay in registers, at best
// 12 of the 16, so that two fused multiply-adds can start in each cycle. Each
// sum is one chain over k in rising order.
func accumulate(rows, vectors int) { accumulateFetching(rows, vectors, false, false) }

// accumulateFetching writes the same kernel with one more thing to do: if ahead,
// to fetch into the second-level cache what the next ones multiply with; if
// near, to fetch the lines of B that are eight further on, since a few rows wait
// for memory more than they compute.
func accumulateFetching(rows, vectors int, ahead, near bool) {
	if near {
		TEXT(fmt.Sprintf("accumulate%dx%dNear", rows, vectors*8), NOSPLIT, "func(dst *float32, dstStride uintptr, src *float32, srcStride uintptr, a *float32, aStride uintptr, b *float32, bStride uintptr, k int)")
	} else if ahead {
		TEXT(fmt.Sprintf("accumulate%dx%dAhead", rows, vectors*8), NOSPLIT, "func(dst *float32, dstStride uintptr, src *float32, srcStride uintptr, a *float32, aStride uintptr, b *float32, bStride uintptr, k int, next, step uintptr)")
	} else {
		TEXT(fmt.Sprintf("accumulate%dx%d", rows, vectors*8), NOSPLIT, "func(dst *float32, dstStride uintptr, src *float32, srcStride uintptr, a *float32, aStride uintptr, b *float32, bStride uintptr, k int)")
	}
	Pragma("noescape")
	doc := []string{
		fmt.Sprintf("accumulate%dx%d stores src + A·B in dst, %d by %d. Strides are the bytes between", rows, vectors*8, rows, vectors*8),
		"rows. The reference is accumulatePortable.",
	}
	if ahead {
		doc[0] = fmt.Sprintf("accumulate%dx%dAhead is accumulate%dx%d, and fetches a line of next every four k,", rows, vectors*8, rows, vectors*8)
		doc[1] = "step bytes after the one before. The reference is accumulatePortable."
	}
	if near {
		doc[0] = fmt.Sprintf("accumulate%dx%dNear is accumulate%dx%d, and fetches the lines of B eight further", rows, vectors*8, rows, vectors*8)
		doc[1] = "on, where they are 128 bytes apart. The reference is accumulatePortable."
	}
	Doc(doc...)
	a0 := Load(Param("a"), GP64())
	as := Load(Param("aStride"), GP64())
	b := Load(Param("b"), GP64())
	bs := Load(Param("bStride"), GP64())
	k := Load(Param("k"), GP64())

	// Rows 0 to 2 are addressed from a0, rows 3 to 5 from a3.
	a3 := GP64()
	if rows > 3 {
		LEAQ(Mem{Base: a0, Index: as, Scale: 2}, a3)
		ADDQ(as, a3)
	}
	row := func(r, k int) Mem {
		base := a0
		if r >= 3 {
			base, r = a3, r-3
		}
		m := Mem{Base: base, Disp: 4 * k}
		if r > 0 {
			m.Index, m.Scale = as, uint8(r)
		}
		return m
	}

	var next, nextStep Register
	if ahead {
		next = Load(Param("next"), GP64())
		nextStep = Load(Param("step"), GP64())
	}
	src := Load(Param("src"), GP64())
	srcStride := Load(Param("srcStride"), GP64())
	sums := make([][]VecVirtual, rows)
	for r := range sums {
		sums[r] = make([]VecVirtual, vectors)
		for v := range sums[r] {
			sums[r][v] = YMM()
			VMOVUPS(Mem{Base: src, Disp: v * vector}, sums[r][v])
		}
		ADDQ(srcStride, src)
	}

	bs3 := GP64()
	LEAQ(Mem{Base: bs, Index: bs, Scale: 2}, bs3)
	step := func(u int) {
		line := func(v int) Mem {
			m := Mem{Base: b, Disp: v * vector}
			switch u {
			case 1, 2:
				m.Index, m.Scale = bs, uint8(u)
			case 3:
				m.Index, m.Scale = bs3, 1
			}
			return m
		}
		if near {
			for v := 0; v < vectors; v += 2 {
				m := line(v)
				m.Disp += 8 * lineSize
				PREFETCHT0(m)
			}
		}
		if vectors == 2 {
			w := []VecVirtual{YMM(), YMM()}
			for v := range w {
				VMOVUPS(line(v), w[v])
			}
			for r := range rows {
				x := YMM()
				VBROADCASTSS(row(r, u), x)
				for v := range w {
					VFMADD231PS(w[v], x, sums[r][v])
				}
			}
			return
		}
		x := make([]VecVirtual, rows)
		for r := range x {
			x[r] = YMM()
			VBROADCASTSS(row(r, u), x[r])
		}
		for v := range vectors {
			w := YMM()
			VMOVUPS(line(v), w)
			for r := range x {
				VFMADD231PS(w, x[r], sums[r][v])
			}
		}
	}
	advance := func(n int) {
		ADDQ(Imm(uint64(4*n)), a0)
		if rows > 3 {
			ADDQ(Imm(uint64(4*n)), a3)
		}
		if n == 1 {
			ADDQ(bs, b)
		} else {
			LEAQ(Mem{Base: b, Index: bs, Scale: 4}, b)
		}
	}

	SUBQ(Imm(4), k)
	JL(LabelRef("rest"))
	Label("four")
	if ahead {
		PREFETCHT1(Mem{Base: next})
		ADDQ(nextStep, next)
	}
	for u := range 4 {
		step(u)
	}
	advance(4)
	SUBQ(Imm(4), k)
	JGE(LabelRef("four"))
	Label("rest")
	ADDQ(Imm(4), k)
	JZ(LabelRef("done"))
	Label("one")
	step(0)
	advance(1)
	DECQ(k)
	JNZ(LabelRef("one"))
	Label("done")
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

// transpose writes the kernel that turns eight rows of keys into eight columns
// of lines, for the scores of attention.
func transpose() {
	TEXT("transpose8", NOSPLIT, "func(dst, src *float32, stride uintptr, k int, scale float32)")
	Pragma("noescape")
	Doc(
		"transpose8 writes 8 rows of src, stride bytes apart and k long, as 8 columns of",
		"k lines of 128 bytes: dst[128·j + 4·i] = scale·src[i][j]. k is a multiple of 8.",
		"The reference is transposePortable.",
	)
	dst := Load(Param("dst"), GP64())
	r0 := Load(Param("src"), GP64())
	s := Load(Param("stride"), GP64())
	k := Load(Param("k"), GP64())
	scale := broadcast("scale")
	s3, r4 := GP64(), GP64()
	LEAQ(Mem{Base: s, Index: s, Scale: 2}, s3)
	LEAQ(Mem{Base: r0, Index: s, Scale: 4}, r4)

	Label("loop")
	in := make([]VecVirtual, 8)
	for i := range in {
		base := r0
		if i >= 4 {
			base = r4
		}
		m := Mem{Base: base}
		switch i % 4 {
		case 1, 2:
			m.Index, m.Scale = s, uint8(i%4)
		case 3:
			m.Index, m.Scale = s3, 1
		}
		in[i] = YMM()
		VMULPS(m, scale, in[i])
	}
	// Interleave pairs of rows, then pairs of pairs, then the halves.
	pairs := make([]VecVirtual, 8)
	for i := 0; i < 8; i += 2 {
		pairs[i], pairs[i+1] = YMM(), YMM()
		VUNPCKLPS(in[i+1], in[i], pairs[i])
		VUNPCKHPS(in[i+1], in[i], pairs[i+1])
	}
	quads := make([]VecVirtual, 8)
	for i := 0; i < 8; i += 4 {
		for j := range 2 {
			quads[i+2*j], quads[i+2*j+1] = YMM(), YMM()
			VSHUFPS(Imm(0x44), pairs[i+2+j], pairs[i+j], quads[i+2*j])
			VSHUFPS(Imm(0xEE), pairs[i+2+j], pairs[i+j], quads[i+2*j+1])
		}
	}
	for i := range 4 {
		low, high := YMM(), YMM()
		VPERM2F128(Imm(0x20), quads[i+4], quads[i], low)
		VPERM2F128(Imm(0x31), quads[i+4], quads[i], high)
		VMOVUPS(low, Mem{Base: dst, Disp: i * lineSize})
		VMOVUPS(high, Mem{Base: dst, Disp: (i + 4) * lineSize})
	}
	ADDQ(Imm(vector), r0)
	ADDQ(Imm(vector), r4)
	ADDQ(U32(8*lineSize), dst)
	SUBQ(Imm(8), k)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// addRow writes the kernel that adds the residual on the way to the result.
func addRow() {
	TEXT("addRow", NOSPLIT, "func(dst, x, y *float32, n int)")
	Pragma("noescape")
	Doc("addRow stores x + y in dst, n values, a multiple of 8.")
	dst := Load(Param("dst"), GP64())
	x := Load(Param("x"), GP64())
	y := Load(Param("y"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	v := YMM()
	VMOVUPS(Mem{Base: x}, v)
	VADDPS(Mem{Base: y}, v, v)
	VMOVUPS(v, Mem{Base: dst})
	for _, p := range []Register{dst, x, y} {
		ADDQ(Imm(vector), p)
	}
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// broadcast loads a float32 parameter into all places of a vector.
func broadcast(name string) VecVirtual {
	m, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	v := YMM()
	VBROADCASTSS(m.Addr, v)
	return v
}

// peak writes the register-only loop that the others are measured against.
func peak() {
	TEXT("multiplyAdds", NOSPLIT, "func(n int)")
	Doc("multiplyAdds executes n times 12 independent fused multiply-adds of 8 values.")
	n := Load(Param("n"), GP64())
	x := YMM()
	VXORPS(x, x, x)
	sums := make([]VecVirtual, 12)
	for i := range sums {
		sums[i] = YMM()
		VXORPS(sums[i], sums[i], sums[i])
	}
	Label("loop")
	for _, s := range sums {
		VFMADD231PS(x, x, s)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
