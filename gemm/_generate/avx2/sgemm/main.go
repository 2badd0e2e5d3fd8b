// Command sgemm generates the AVX2 kernels of float32 products:
// avx2_sgemm_amd64.s and its stubs in package kernel. Run it by
//
//	go generate ./gemm/...
//
// The comment of each stub names the portable function that is its reference.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
)

const vector = asm.YMMBytes

// prefetch says what a kernel fetches into the caches while it multiplies.
type prefetch string

const (
	prefetchNone prefetch = ""
	// prefetchB fetches the rows of B eight rows ahead: a product of a few rows
	// waits for memory more than it computes.
	prefetchB prefetch = "PrefetchB"
	// prefetchNext fetches the block that later kernels multiply with into the
	// second-level cache.
	prefetchNext prefetch = "PrefetchNext"
)

func main() {
	ConstraintExpr("!noasm")
	for rows := 1; rows <= 3; rows++ {
		sgemm(rows, 4, prefetchNone)
		sgemm(rows, 4, prefetchB)
	}
	sgemm(3, 4, prefetchNext)
	for rows := 1; rows <= 6; rows++ {
		sgemm(rows, 2, prefetchNone)
	}
	transpose()
	add()
	peak()
	Generate()
}

// sgemm generates the kernel that multiplies the given number of rows of A with
// the given number of vectors of columns of B. The sums stay in registers: at
// best 12 of the 16, so that two fused multiply-adds can start in each cycle.
// Each sum is one chain over k in rising order.
func sgemm(rows, vectors int, fetch prefetch) {
	plain := fmt.Sprintf("sgemm%dx%dAVX2", rows, vectors*8)
	name := plain + string(fetch)
	signature := "dst *float32, dstStride uintptr, src *float32, srcStride uintptr, a *float32, aStride uintptr, b *float32, bStride uintptr, k int"
	doc := []string{
		fmt.Sprintf("%s computes dst = src + A·B for %d rows and %d columns. Strides are", name, rows, vectors*8),
		"in bytes. The reference is sgemmPortable.",
	}
	switch fetch {
	case prefetchB:
		doc = []string{
			fmt.Sprintf("%s is %s that also fetches the row of B", name, plain),
			"eight rows ahead. The rows of B must be 128 bytes apart. The reference is",
			"sgemmPortable.",
		}
	case prefetchNext:
		signature += ", next, step uintptr"
		doc = []string{
			fmt.Sprintf("%s is %s that also fetches one cache line", name, plain),
			"at next for each four k, and then moves next forward by step bytes. The reference",
			"is sgemmPortable.",
		}
	}
	TEXT(name, NOSPLIT, "func("+signature+")")
	Pragma("noescape")
	Doc(doc...)
	a := asm.LoadRows(rows)
	b := Load(Param("b"), GP64())
	bs := Load(Param("bStride"), GP64())
	k := Load(Param("k"), GP64())
	var next, nextStep Register
	if fetch == prefetchNext {
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
		rowOfB := func(v int) Mem {
			m := Mem{Base: b, Disp: v * vector}
			switch u {
			case 1, 2:
				m.Index, m.Scale = bs, uint8(u)
			case 3:
				m.Index, m.Scale = bs3, 1
			}
			return m
		}
		if fetch == prefetchB {
			for v := 0; v < vectors; v += 2 {
				m := rowOfB(v)
				m.Disp += 8 * asm.RowBytes
				PREFETCHT0(m)
			}
		}
		if vectors == 2 {
			w := []VecVirtual{YMM(), YMM()}
			for v := range w {
				VMOVUPS(rowOfB(v), w[v])
			}
			for r := range rows {
				x := YMM()
				VBROADCASTSS(a.At(r, 4*u), x)
				for v := range w {
					VFMADD231PS(w[v], x, sums[r][v])
				}
			}
			return
		}
		x := make([]VecVirtual, rows)
		for r := range x {
			x[r] = YMM()
			VBROADCASTSS(a.At(r, 4*u), x[r])
		}
		for v := range vectors {
			w := YMM()
			VMOVUPS(rowOfB(v), w)
			for r := range x {
				VFMADD231PS(w, x[r], sums[r][v])
			}
		}
	}
	var before func()
	if fetch == prefetchNext {
		before = func() {
			PREFETCHT1(Mem{Base: next})
			ADDQ(nextStep, next)
		}
	}
	asm.Loop(k, before, step, func(n int) {
		a.Advance(4 * n)
		if n == 1 {
			ADDQ(bs, b)
		} else {
			LEAQ(Mem{Base: b, Index: bs, Scale: 4}, b)
		}
	})
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

// transpose generates the kernel that turns eight rows of keys into eight
// columns of a panel, for the scores of attention.
func transpose() {
	TEXT("transpose8AVX2", NOSPLIT, "func(dst, src *float32, stride uintptr, k int, scale float32)")
	Pragma("noescape")
	Doc(
		"transpose8AVX2 writes 8 rows of src, k values long and stride bytes apart, as 8",
		"columns of k panel rows of 32 values: dst[32·j + i] = scale·src[i][j]. k is a",
		"multiple of 8. The reference is transposePortable.",
	)
	dst := Load(Param("dst"), GP64())
	r0 := Load(Param("src"), GP64())
	s := Load(Param("stride"), GP64())
	k := Load(Param("k"), GP64())
	scale := asm.Broadcast("scale")
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
	// Interleave pairs of rows, then pairs of pairs, then the 128-bit halves.
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
		VMOVUPS(low, Mem{Base: dst, Disp: i * asm.RowBytes})
		VMOVUPS(high, Mem{Base: dst, Disp: (i + 4) * asm.RowBytes})
	}
	ADDQ(Imm(vector), r0)
	ADDQ(Imm(vector), r4)
	ADDQ(U32(8*asm.RowBytes), dst)
	SUBQ(Imm(8), k)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// add generates the kernel that adds the residual to a result.
func add() {
	TEXT("addAVX2", NOSPLIT, "func(dst, x, y *float32, n int)")
	Pragma("noescape")
	Doc("addAVX2 stores x + y in dst. All have n values, a multiple of 8. The reference is", "addPortable.")
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

// peak generates the loop over registers that measures the peak of the core.
func peak() {
	TEXT("peakAVX2", NOSPLIT, "func(n int)")
	Doc("peakAVX2 executes 12 independent fused multiply-adds of 8 values, n > 0 times.")
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
