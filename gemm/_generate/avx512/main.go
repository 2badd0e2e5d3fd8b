// Command avx512 writes the assembly of the products for processors with
// AVX-512: avx512_amd64.s and the stubs that declare it. It is run by go
// generate in package gemm. Each kernel's comment names the portable Go function
// that is its reference; a test of package gemm runs every kernel on an
// interpreter, for machines that lack the instructions.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	vector   = 64  // bytes of a register
	lineSize = 128 // bytes of a panel's line, and of a row of sums: two registers
	// mostRows is how many rows a kernel takes at most: their sums fill 24 of the
	// 32 registers.
	mostRows = 12
	markSize = 8 // bytes: see gemm.mark
)

func main() {
	ConstraintExpr("!noasm")
	for rows := 1; rows <= mostRows; rows++ {
		accumulate(rows, plain)
		accumulate(rows, ahead)
		accumulate(rows, marked)
	}
	for rows := 1; rows <= mostRows; rows++ {
		dots(rows, plain)
		dots(rows, ahead)
	}
	for rows := 1; rows <= mostRows; rows++ {
		pairs(rows, plain)
		pairs(rows, ahead)
	}
	peak()
	Generate()
}

// rows addresses rows of A, three from each of up to four registers.
type rows struct {
	bases  []GPVirtual
	stride Register
}

func loadRows(n int) rows {
	r := rows{bases: []GPVirtual{GP64()}, stride: Load(Param("aStride"), GP64())}
	Load(Param("a"), r.bases[0])
	for len(r.bases)*3 < n {
		last, next := r.bases[len(r.bases)-1], GP64()
		LEAQ(Mem{Base: last, Index: r.stride, Scale: 2}, next)
		ADDQ(r.stride, next)
		r.bases = append(r.bases, next)
	}
	return r
}

func (r rows) at(i, disp int) Mem {
	m := Mem{Base: r.bases[i/3], Disp: disp}
	if i%3 > 0 {
		m.Index, m.Scale = r.stride, uint8(i%3)
	}
	return m
}

func (r rows) advance(bytes int) {
	for _, b := range r.bases {
		ADDQ(Imm(uint64(bytes)), b)
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

// sums are the accumulators of some rows, two registers each. They are named,
// not left to avo, because one kernel writes its instructions as bytes.
type sums int

func (s sums) at(r, v int) VecPhysical { return zmm[2*r+v] }

var zmm = []VecPhysical{
	Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
	Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
}

// The registers that no sum lives in: a line of B, and a row's inputs.
var (
	line   = [2]VecPhysical{Z24, Z25}
	inputs = []VecPhysical{Z26, Z27}
)

// load reads rows that are stride bytes apart.
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

// kind is what an accumulating kernel does beside.
type kind int

const (
	plain kind = iota
	// ahead fetches, into the second-level cache, what comes after or what it will
	// itself multiply with some way on.
	ahead
	// marked does that, too, and subtracts from the lines of B what marks say.
	marked
)

// accumulate writes the kernel of float32 products: some rows by 32 outputs.
// Each sum is one chain over k in rising order, as it is with AVX2.
func accumulate(n int, kind kind) {
	name := fmt.Sprintf("accumulate%dx32z", n)
	signature := "dst *float32, dstStride uintptr, src *float32, srcStride uintptr, a *float32, aStride uintptr, b *float32, "
	switch kind {
	case plain:
		TEXT(name, NOSPLIT, "func("+signature+"bStride uintptr, k int)")
		Doc(
			fmt.Sprintf("%s stores src + A·B in dst, %d by 32, for k > 0. Strides are the bytes", name, n),
			"between rows. The reference is accumulatePortable.",
		)
	case ahead:
		TEXT(name+"Ahead", NOSPLIT, "func("+signature+"bStride uintptr, k int, next, step uintptr)")
		Doc(
			fmt.Sprintf("%sAhead is %s, and fetches 512 bytes of next every four", name, name),
			"k, step bytes after those before. The reference is accumulatePortable.",
		)
	case marked:
		TEXT(name+"Marked", NOSPLIT, "func("+signature+"marks *uint32, differences *float32, k int, next, step uintptr)")
		Doc(
			fmt.Sprintf("%sMarked is %sAhead for lines of B that lie together and", name, name),
			"are marked. The reference is marks.applyPortable, then accumulatePortable.",
		)
	}
	Pragma("noescape")
	var next, step, marks, differences Register
	if kind != plain {
		next, step = Load(Param("next"), GP64()), Load(Param("step"), GP64())
	}
	var bs, bs3 Register
	if kind == marked {
		marks, differences = Load(Param("marks"), GP64()), Load(Param("differences"), GP64())
	} else {
		bs, bs3 = Load(Param("bStride"), GP64()), GP64()
		LEAQ(Mem{Base: bs, Index: bs, Scale: 2}, bs3)
	}
	a := loadRows(n)
	b := Load(Param("b"), GP64())
	k := Load(Param("k"), GP64())
	s := sums(n)
	s.load()
	loop(k, func(u int) {
		for v := range 2 {
			m := Mem{Base: b, Disp: v * vector}
			switch {
			case kind == marked:
				m.Disp += u * lineSize
			case u == 3:
				m.Index, m.Scale = bs3, 1
			case u > 0:
				m.Index, m.Scale = bs, uint8(u)
			}
			VMOVUPS(m, line[v])
			if kind != plain {
				PREFETCHT1(Mem{Base: next, Disp: (2*u + v) * vector})
			}
			if kind == marked {
				at := GP64()
				MOVL(Mem{Base: marks, Disp: u*markSize + v*4}, at.As32())
				VSUBPS(Mem{Base: differences, Index: at, Scale: 1}, line[v], line[v])
			}
		}
		for r := range n {
			x := inputs[r%2]
			VBROADCASTSS(a.at(r, 4*u), x)
			for v := range 2 {
				VFMADD231PS(line[v], x, s.at(r, v))
			}
		}
	}, func(n int) {
		a.advance(4 * n)
		switch {
		case kind == marked:
			ADDQ(U32(uint32(n*lineSize)), b)
			ADDQ(Imm(uint64(n*markSize)), marks)
		case n == 1:
			ADDQ(bs, b)
		default:
			LEAQ(Mem{Base: b, Index: bs, Scale: 4}, b)
		}
		if kind != plain && n > 1 {
			ADDQ(step, next)
		}
	})
	s.store()
}

// dots writes the kernel of int8 products with VNNI: four products of bytes are
// added to 32 bits at once, and nothing saturates.
func dots(n int, kind kind) {
	narrow("dots", "int32", n, kind, []string{
		fmt.Sprintf("dots%dx32z stores src + A·B in dst, %d by 32 int32. B's k > 0 lines hold 32 times four", n, n),
		"int8, A's rows four uint8 for each line. Strides are the bytes between rows. The",
		"reference is dotsPortable.",
	}, func(r, v int) { VPDPBUSD(line[v], inputs[r%2], sums(n).at(r, v)) })
}

// pairs writes the kernel of bfloat16 products: two of them are added to each
// sum at once.
func pairs(n int, kind kind) {
	narrow("pairs", "float32", n, kind, []string{
		fmt.Sprintf("pairs%dx32z stores src + A·B in dst, %d by 32. B's k > 0 lines hold 32 times two", n, n),
		"bfloat16, A's rows two for each line. Strides are the bytes between rows. The",
		"reference is widenedPortable.",
	}, func(r, v int) { dotProductBFloat16(24+v, 26+r%2, 2*r+v) })
}

// narrow writes a kernel of several products at once: multiply adds those of a
// row's word and half a line.
func narrow(name, sum string, n int, kind kind, doc []string, multiply func(r, v int)) {
	name = fmt.Sprintf("%s%dx32z", name, n)
	signature := fmt.Sprintf("dst *%s, dstStride uintptr, src *%s, srcStride uintptr, a *uint32, aStride uintptr, b *uint32, k int", sum, sum)
	if kind == ahead {
		TEXT(name+"Ahead", NOSPLIT, "func("+signature+", next, step uintptr)")
		Doc(
			fmt.Sprintf("%sAhead is %s, and fetches 512 bytes of next every four k, step bytes after", name, name),
			"those before. The reference is the same.",
		)
	} else {
		TEXT(name, NOSPLIT, "func("+signature+")")
		Doc(doc...)
	}
	Pragma("noescape")
	var next, step Register
	if kind == ahead {
		next, step = Load(Param("next"), GP64()), Load(Param("step"), GP64())
	}
	a := loadRows(n)
	b := Load(Param("b"), GP64())
	k := Load(Param("k"), GP64())
	s := sums(n)
	s.load()
	loop(k, func(u int) {
		for v := range 2 {
			VMOVUPS(Mem{Base: b, Disp: u*lineSize + v*vector}, line[v])
			if kind == ahead {
				PREFETCHT1(Mem{Base: next, Disp: (2*u + v) * vector})
			}
		}
		for r := range n {
			VPBROADCASTD(a.at(r, 4*u), inputs[r%2])
			for v := range 2 {
				multiply(r, v)
			}
		}
	}, func(n int) {
		a.advance(4 * n)
		ADDQ(U32(uint32(n*lineSize)), b)
		if kind == ahead && n > 1 {
			ADDQ(step, next)
		}
	})
	s.store()
}

// dotProductBFloat16 writes VDPBF16PS of the registers with these numbers, which
// the assembler does not know:
//
//	EVEX.512.F3.0F38.W0 52 /r    dst += x · w, by pairs of bfloat16
func dotProductBFloat16(w, x, dst int) {
	bit := func(value, n int) int { return value >> n & 1 }
	code := []int{
		0x62,
		// The register numbers' upper bits are inverted: R, X, B, R'; map 2.
		(1-bit(dst, 3))<<7 | (1-bit(w, 4))<<6 | (1-bit(w, 3))<<5 | (1-bit(dst, 4))<<4 | 2,
		// W0, the second source inverted, and the prefix F3.
		(^x&15)<<3 | 1<<2 | 2,
		// No zeroing, 512 bits, no broadcast, V' inverted, no mask.
		2<<5 | (1-bit(x, 4))<<3,
		0x52,
		3<<6 | (dst&7)<<3 | w&7,
	}
	Instruction(&ir.Instruction{Opcode: "LONG", Operands: []Op{U32(uint32(code[0] | code[1]<<8 | code[2]<<16 | code[3]<<24))}})
	Instruction(&ir.Instruction{Opcode: "WORD", Operands: []Op{U16(uint16(code[4] | code[5]<<8))}})
}

// peak writes the register-only loop that the others are measured against.
func peak() {
	TEXT("multiplyAddsz", NOSPLIT, "func(n int)")
	Doc("multiplyAddsz executes n > 0 times 24 independent fused multiply-adds of 16 values.")
	n := Load(Param("n"), GP64())
	s := sums(12)
	for r := range 12 {
		for v := range 2 {
			VPXORD(s.at(r, v), s.at(r, v), s.at(r, v))
		}
	}
	VPXORD(line[0], line[0], line[0])
	Label("loop")
	for r := range 12 {
		for v := range 2 {
			VFMADD231PS(line[0], line[0], s.at(r, v))
		}
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
