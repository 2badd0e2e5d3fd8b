// Command gemm generates the AVX-512 kernels of all products: avx512_gemm_amd64.s and
// its stubs in package kernel. Run it by
//
//	go generate ./gemm/...
//
// The comment of each stub names the portable function that is its reference. A
// test of package kernel runs every kernel in an interpreter, for machines that
// lack the instructions.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
)

const (
	vector = asm.ZMMBytes
	// maxRows is the largest number of rows of a kernel: their sums fill 24 of the
	// 32 registers.
	maxRows = 12
)

func main() {
	ConstraintExpr("!noasm")
	for rows := 1; rows <= maxRows; rows++ {
		sgemm(rows, plain)
		sgemm(rows, prefetch)
	}
	for rows := 1; rows <= maxRows; rows++ {
		igemmU8S8(rows, plain)
		igemmU8S8(rows, prefetch)
	}
	for rows := 1; rows <= maxRows; rows++ {
		bf16gemm(rows, plain)
		bf16gemm(rows, prefetch)
	}
	for rows := 1; rows <= maxRows; rows++ {
		bf16gemmWide(rows, plain)
		bf16gemmWide(rows, prefetch)
	}
	peak()
	Generate()
}

// sums are the sums of a number of rows of A, two registers each. The generator names
// the registers itself and does not leave that to avo: one kernel has an instruction
// that is written as bytes.
type sums int

func (s sums) at(r, v int) VecPhysical { return zmm[2*r+v] }

var zmm = []VecPhysical{
	Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
	Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
}

// The registers that hold no sums: a row of B, and the broadcast input of a row of
// A, alternately.
var (
	rowOfB = [2]VecPhysical{Z24, Z25}
	inputs = [2]VecPhysical{Z26, Z27}
)

// load loads the sums from src.
func (s sums) load() {
	src := Load(Param("src"), GP64())
	stride := Load(Param("srcStride"), GP64())
	for r := range int(s) {
		for v := range 2 {
			VMOVUPS(Mem{Base: src, Disp: v * vector}, s.at(r, v))
		}
		if r < int(s)-1 {
			ADDQ(stride, src)
		}
	}
}

// store stores the sums in dst and ends the kernel.
func (s sums) store() {
	dst := Load(Param("dst"), GP64())
	stride := Load(Param("dstStride"), GP64())
	for r := range int(s) {
		for v := range 2 {
			VMOVUPS(s.at(r, v), Mem{Base: dst, Disp: v * vector})
		}
		if r < int(s)-1 {
			ADDQ(stride, dst)
		}
	}
	VZEROUPPER()
	RET()
}

// variant is what a kernel does beside multiplying, as its name says.
type variant string

const (
	plain variant = ""
	// prefetch fetches memory into the second-level cache: rows of B that the
	// kernel itself will reach later, or what is multiplied after it.
	prefetch variant = "Prefetch"
)

// sgemm generates the kernel of float32 products for n rows and 32 outputs. Each sum
// is one chain over k in rising order, as at the other levels.
func sgemm(n int, variant variant) {
	name := fmt.Sprintf("sgemm%dx32AVX512", n)
	signature := "dst *float32, dstStride uintptr, src *float32, srcStride uintptr, a *float32, aStride uintptr, b *float32, "
	switch variant {
	case plain:
		TEXT(name, NOSPLIT, "func("+signature+"bStride uintptr, k int)")
		Doc(
			fmt.Sprintf("%s computes dst = src + A·B for %d rows and 32 columns, k > 0.", name, n),
			"Strides are in bytes. The reference is sgemmPortable.",
		)
	case prefetch:
		TEXT(name+"Prefetch", NOSPLIT, "func("+signature+"bStride uintptr, k int, next, step uintptr)")
		Doc(
			fmt.Sprintf("%sPrefetch is %s that also fetches 512 bytes at next", name, name),
			"for each four k, and then moves next forward by step bytes. The reference is",
			"sgemmPortable.",
		)
	}
	Pragma("noescape")
	var next, step Register
	if variant != plain {
		next, step = Load(Param("next"), GP64()), Load(Param("step"), GP64())
	}
	bs, bs3 := Load(Param("bStride"), GP64()), GP64()
	LEAQ(Mem{Base: bs, Index: bs, Scale: 2}, bs3)
	a := asm.LoadRows(n)
	b := Load(Param("b"), GP64())
	k := Load(Param("k"), GP64())
	s := sums(n)
	s.load()
	asm.Loop(k, nil, func(u int) {
		for v := range 2 {
			m := Mem{Base: b, Disp: v * vector}
			switch {
			case u == 3:
				m.Index, m.Scale = bs3, 1
			case u > 0:
				m.Index, m.Scale = bs, uint8(u)
			}
			VMOVUPS(m, rowOfB[v])
			if variant != plain {
				PREFETCHT1(Mem{Base: next, Disp: (2*u + v) * vector})
			}
		}
		for r := range n {
			x := inputs[r%2]
			VBROADCASTSS(a.At(r, 4*u), x)
			for v := range 2 {
				VFMADD231PS(rowOfB[v], x, s.at(r, v))
			}
		}
	}, func(n int) {
		a.Advance(4 * n)
		if n == 1 {
			ADDQ(bs, b)
		} else {
			LEAQ(Mem{Base: b, Index: bs, Scale: 4}, b)
		}
		if variant != plain && n > 1 {
			ADDQ(step, next)
		}
	})
	s.store()
}

// igemmU8S8 generates the kernel of int8 products: VNNI's VPDPBUSD adds four
// products of bytes to a 32-bit sum and never saturates.
func igemmU8S8(n int, variant variant) {
	lowPrecision(fmt.Sprintf("igemm%dx32U8S8AVX512", n), "int32", n, variant, []string{
		fmt.Sprintf("igemm%dx32U8S8AVX512 computes dst = src + A·B for %d rows and 32 columns, in int32.", n, n),
		"Strides are in bytes. B has k > 0 rows; each word of a row holds four weights, int8.",
		"A holds four activations, uint8, in each of its k words. The reference is",
		"igemmU8S8Portable.",
	}, 1, func(a asm.Rows, u int) {
		eachInput(a, n, u, func(r, v int) { VPDPBUSD(rowOfB[v], inputs[r%2], sums(n).at(r, v)) })
	})
}

// bf16gemm generates the kernel of bfloat16 products: VDPBF16PS adds two products
// to each sum.
func bf16gemm(n int, variant variant) {
	lowPrecision(fmt.Sprintf("bf16gemm%dx32AVX512", n), "float32", n, variant, []string{
		fmt.Sprintf("bf16gemm%dx32AVX512 computes dst = src + A·B for %d rows and 32 columns. Strides", n, n),
		"are in bytes. B has k > 0 rows; each word of a row holds two weights, bfloat16. A",
		"holds two activations, bfloat16, in each of its k words. The reference is",
		"bf16gemmPortable.",
	}, 1, func(a asm.Rows, u int) {
		eachInput(a, n, u, func(r, v int) { dotProductBFloat16(24+v, 26+r%2, 2*r+v) })
	})
}

// eachInput loads word u of each of n rows of A, and calls multiply with the row, and
// each vector of the row of B.
func eachInput(a asm.Rows, n, u int, multiply func(r, v int)) {
	for r := range n {
		VPBROADCASTD(a.At(r, 4*u), inputs[r%2])
		for v := range 2 {
			multiply(r, v)
		}
	}
}

// bf16gemmWide generates the kernel of bfloat16 products for processors on which
// VDPBF16PS takes longer than two float32 products. It widens the weights to float32.
func bf16gemmWide(n int, variant variant) {
	name := fmt.Sprintf("bf16gemm%dx32WideAVX512", n)
	odd := [2]VecPhysical{Z28, Z29}
	lowPrecision(name, "float32", n, variant, []string{
		fmt.Sprintf("%s computes dst = src + A·B for %d rows and 32 columns. Strides", name, n),
		"are in bytes. B has k > 0 rows; each word of a row holds two weights, bfloat16. A",
		"holds two activations, float32 that bfloat16 can represent, for each of them. The",
		"reference is bf16gemmPortable.",
	}, 2, func(a asm.Rows, u int) {
		for v := range 2 {
			VPSRLD(Imm(16), rowOfB[v], odd[v])
			VPSLLD(Imm(16), odd[v], odd[v])
			VPSLLD(Imm(16), rowOfB[v], rowOfB[v])
		}
		for word, weights := range [][2]VecPhysical{rowOfB, odd} {
			for r := range n {
				VBROADCASTSS(a.At(r, 8*u+4*word), inputs[r%2])
				for v := range 2 {
					VFMADD231PS(weights[v], inputs[r%2], sums(n).at(r, v))
				}
			}
		}
	})
}

// lowPrecision generates a kernel that multiplies several inputs at once. multiply adds
// the products of row u of B, which is in rowOfB, with the words of A that belong to it,
// of which each row has the given number.
func lowPrecision(name, sum string, n int, variant variant, doc []string, words int, multiply func(a asm.Rows, u int)) {
	signature := fmt.Sprintf("dst *%s, dstStride uintptr, src *%s, srcStride uintptr, a *uint32, aStride uintptr, b *uint32, k int", sum, sum)
	if variant == prefetch {
		TEXT(name+"Prefetch", NOSPLIT, "func("+signature+", next, step uintptr)")
		Doc(
			fmt.Sprintf("%sPrefetch is %s that also fetches 512 bytes at", name, name),
			"next for each four k, and then moves next forward by step bytes.",
		)
	} else {
		TEXT(name, NOSPLIT, "func("+signature+")")
		Doc(doc...)
	}
	Pragma("noescape")
	var next, step Register
	if variant == prefetch {
		next, step = Load(Param("next"), GP64()), Load(Param("step"), GP64())
	}
	a := asm.LoadRows(n)
	b := Load(Param("b"), GP64())
	k := Load(Param("k"), GP64())
	s := sums(n)
	s.load()
	asm.Loop(k, nil, func(u int) {
		for v := range 2 {
			VMOVUPS(Mem{Base: b, Disp: u*asm.RowBytes + v*vector}, rowOfB[v])
			if variant == prefetch {
				PREFETCHT1(Mem{Base: next, Disp: (2*u + v) * vector})
			}
		}
		multiply(a, u)
	}, func(n int) {
		a.Advance(4 * words * n)
		ADDQ(U32(uint32(n*asm.RowBytes)), b)
		if variant == prefetch && n > 1 {
			ADDQ(step, next)
		}
	})
	s.store()
}

// dotProductBFloat16 emits VDPBF16PS of the registers with the given numbers, as
// bytes, because avo does not know the instruction:
//
//	EVEX.512.F3.0F38.W0 52 /r    dst += x · w, pairs of bfloat16
func dotProductBFloat16(w, x, dst int) {
	bit := func(value, n int) int { return value >> n & 1 }
	code := []int{
		0x62,
		// The upper bits of the register numbers, inverted: R, X, B, R'. Opcode map 2.
		(1-bit(dst, 3))<<7 | (1-bit(w, 4))<<6 | (1-bit(w, 3))<<5 | (1-bit(dst, 4))<<4 | 2,
		// W0, the second source, inverted, and prefix F3.
		(^x&15)<<3 | 1<<2 | 2,
		// No zeroing, 512 bits, no broadcast, V', inverted, and no mask.
		2<<5 | (1-bit(x, 4))<<3,
		0x52,
		3<<6 | (dst&7)<<3 | w&7,
	}
	Instruction(&ir.Instruction{Opcode: "LONG", Operands: []Op{U32(uint32(code[0] | code[1]<<8 | code[2]<<16 | code[3]<<24))}})
	Instruction(&ir.Instruction{Opcode: "WORD", Operands: []Op{U16(uint16(code[4] | code[5]<<8))}})
}

// peak generates the loop over registers that measures the peak of the core.
func peak() {
	TEXT("peakAVX512", NOSPLIT, "func(n int)")
	Doc("peakAVX512 executes 24 independent fused multiply-adds of 16 values, n > 0 times.")
	n := Load(Param("n"), GP64())
	s := sums(maxRows)
	for r := range maxRows {
		for v := range 2 {
			VPXORD(s.at(r, v), s.at(r, v), s.at(r, v))
		}
	}
	VPXORD(rowOfB[0], rowOfB[0], rowOfB[0])
	Label("loop")
	for r := range maxRows {
		for v := range 2 {
			VFMADD231PS(rowOfB[0], rowOfB[0], s.at(r, v))
		}
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
