// Command patch writes the assembly that patches panels: patch_amd64.s and the
// stubs that declare it. It is run by go generate in package gemm. Each kernel's
// comment names the portable Go function that is its reference.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	vector   = 32  // bytes of an AVX2 register
	lineSize = 128 // bytes of a panel's line
)

// The value codings, as the kernels' names have them.
const (
	float32s  = "Float32s"
	bfloat16s = "BFloat16s"
	int8s     = "Int8s"
	int4s     = "Int4s"
	signs     = "Signs"
)

var codings = []string{float32s, bfloat16s, int8s, int4s, signs}

func main() {
	ConstraintExpr("!noasm")
	for _, coding := range codings {
		masks(coding, false)
		masks(coding, true)
		gaps(coding)
	}
	markGaps()
	copyLines()
	fetchingLines("copyFetching", func(v, m Op) { VMOVUPS(v, m) })
	fetchingLines("streamLines", func(v, m Op) { VMOVNTPS(v, m) })
	fetch()
	fence()
	Generate()
}

// scaled tells whether a coding has scales.
func scaled(coding string) bool { return coding == int8s || coding == int4s || coding == signs }

// element returns the Go type of a coding's stream.
func element(coding string) string {
	return map[string]string{float32s: "float32", bfloat16s: "uint16", int8s: "int8", int4s: "byte", signs: "byte"}[coding]
}

var tables = map[string]Mem{}

// table returns constants in memory, n of size bytes each, as f lists them.
func table(name string, n, size int, f func(i int) Constant) Mem {
	m, ok := tables[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for i := range n {
			DATA(size*i, f(i))
		}
		tables[name] = m
	}
	return m
}

// constant returns eight lanes of the same bits, in memory.
func constant(name string, bits uint32) Mem {
	return table("patch_"+name, 8, 4, func(int) Constant { return U32(bits) })
}

// ahead is how many bytes before their use weights are asked for. They come from
// memory, and the processor's own prefetching ends with each page.
const ahead = 16 * lineSize

// quarterBits returns lanes with one bit each of a pair of masks: those of one
// half, low or high, of the first or the second line.
func quarterBits(q int) Mem {
	return table(fmt.Sprint("patch_quarter_", q), 8, 4, func(l int) Constant { return U32(1 << (8*q + l)) })
}

// masks writes the kernel that copies half a panel, two lines after the other,
// and puts a tile's values where bits of its masks are set. It reads a vector of
// values for eight weights however few they keep, and so stops when the stream
// may not have as many any more.
func masks(coding string, stream bool) {
	name, store := "masks"+coding, func(v, m Op) { VMOVUPS(v, m) }
	if stream {
		name, store = "stream"+coding, func(v, m Op) { VMOVNTPS(v, m) }
	}
	signature := "func(dst, src *float32, masks *uint16, n int, ranks *[256][8]uint32, values *" + element(coding) + ", from, left int"
	if scaled(coding) {
		signature += ", scales *[16]float32"
	}
	TEXT(name, NOSPLIT, signature+") (lines, next int)")
	Pragma("noescape")
	doc := []string{
		fmt.Sprintf("%s copies the tile's half of up to n lines of 128 bytes from src to dst,", name),
		fmt.Sprintf("with %s where masks have a bit. It returns how many lines, an even number, and", coding),
		"the index of the next value. From is that of the first one, left how many the",
		"stream has from there. The reference is tileWalk.patchPortable.",
	}
	if stream {
		doc[0] += " past the caches"
	}
	Doc(doc...)
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	mask := Load(Param("masks"), GP64())
	n := Load(Param("n"), GP64())
	ranks := Load(Param("ranks"), GP64())
	values := Load(Param("values"), GP64())
	next := Load(Param("from"), GP64())
	last := Load(Param("left"), GP64()) // the index up to which a pair of lines may begin
	ADDQ(next, last)
	// What a pair of lines reads from where its values begin.
	reads := map[string]int{float32s: 32, bfloat16s: 32, int8s: 32, int4s: 24 + 1 + 16, signs: 7 + 64}[coding]
	SUBQ(Imm(uint64(reads)), last)
	done := GP64()
	XORQ(done, done)
	SUBQ(Imm(2), n)

	quarters := make([]VecVirtual, 4)
	for q := range quarters {
		quarters[q] = YMM()
		VMOVDQU(quarterBits(q), quarters[q])
	}
	zero := YMM()
	VPXOR(zero, zero, zero)
	scales := []VecVirtual{YMM(), YMM()}
	if scaled(coding) {
		p := Load(Param("scales"), GP64())
		for h := range scales {
			VMOVUPS(Mem{Base: p, Disp: h * vector}, scales[h])
		}
	}
	top := YMM()
	if coding == signs {
		VMOVUPS(constant("top", 1<<31), top)
		for h := range scales {
			VXORPS(top, scales[h], scales[h])
		}
	}

	Label("loop")
	CMPQ(done, n)
	JG(LabelRef("end"))
	CMPQ(next, last)
	JG(LabelRef("end"))
	for i := range 2 {
		PREFETCHT0(Mem{Base: src, Disp: ahead + i*lineSize})
	}
	pair, m, signBits := YMM(), GP64(), GP64()
	VPBROADCASTD(Mem{Base: mask, Index: done, Scale: 2}, pair)
	MOVL(Mem{Base: mask, Index: done, Scale: 2}, m.As32())
	if coding == signs {
		at, shift := GP64(), GP64()
		MOVQ(next, at)
		SHRQ(Imm(3), at)
		MOVQ(next, shift)
		ANDQ(Imm(7), shift)
		MOVQ(Mem{Base: values, Index: at, Scale: 1}, signBits)
		SHRXQ(shift, signBits, signBits)
	}
	for q := range 4 {
		h, at := q%2, q/2*lineSize+q%2*vector
		// The byte of the mask, times the 32 bytes that the table has for it.
		low := GP64()
		MOVL(m.As32(), low.As32())
		if q == 0 {
			SHLL(Imm(5), low.As32())
		} else {
			SHRL(Imm(uint64(8*q-5)), low.As32())
		}
		ANDL(U32(0xff<<5), low.As32())
		entry := Mem{Base: ranks, Index: low, Scale: 1}
		base := Mem{Base: src, Disp: at}
		v, unchanged, count := YMM(), YMM(), GP64()
		POPCNTL(low.As32(), count.As32())
		VPAND(pair, quarters[q], unchanged)
		VPCMPEQD(zero, unchanged, unchanged)
		switch coding {
		case float32s:
			VMOVDQU(entry, v)
			VPERMPS(Mem{Base: values, Index: next, Scale: 4}, v, v)
		case bfloat16s:
			VBROADCASTI128(Mem{Base: values, Index: next, Scale: 2}, v)
			VPSHUFB(entry, v, v)
			VADDPS(base, v, v)
		case int8s:
			VPBROADCASTQ(Mem{Base: values, Index: next, Scale: 1}, v)
			VPSHUFB(entry, v, v)
			VPSRAD(Imm(24), v, v)
			VCVTDQ2PS(v, v)
			VMULPS(scales[h], v, v)
			VADDPS(base, v, v)
		case int4s:
			at, shift, x := GP64(), GP64(), GP64()
			MOVQ(next, at)
			SHRQ(Imm(1), at)
			MOVQ(next, shift)
			ANDL(Imm(1), shift.As32())
			SHLL(Imm(2), shift.As32())
			MOVQ(Mem{Base: values, Index: at, Scale: 1}, x)
			SHRXQ(shift, x, x)
			VMOVD(x.As32(), v.AsX())
			VPBROADCASTD(v.AsX(), v)
			VPSLLVD(entry, v, v)
			VPSRAD(Imm(28), v, v)
			VCVTDQ2PS(v, v)
			VMULPS(scales[h], v, v)
			VADDPS(base, v, v)
		case signs:
			VMOVD(signBits.As32(), v.AsX())
			VPBROADCASTD(v.AsX(), v)
			VPSLLVD(entry, v, v)
			VPAND(top, v, v)
			VXORPS(scales[h], v, v)
			VADDPS(base, v, v)
			if q < 3 {
				SHRXQ(count, signBits, signBits)
			}
		}
		VBLENDVPS(unchanged, base, v, v)
		store(v, Mem{Base: dst, Disp: at})
		ADDQ(count, next)
	}
	ADDQ(U32(2*lineSize), src)
	ADDQ(U32(2*lineSize), dst)
	ADDQ(Imm(2), done)
	JMP(LabelRef("loop"))
	Label("end")
	VZEROUPPER()
	Store(done, ReturnIndex(0))
	Store(next, ReturnIndex(1))
	RET()
}

// gaps writes the kernel that puts a tile's values into lines, one by one, where
// gaps lead.
func gaps(coding string) {
	name := "gaps" + coding
	signature := "func(lines *float32, gaps *byte, n, last, end int"
	if coding != signs {
		signature += ", values *" + element(coding) + ", from int"
	}
	if scaled(coding) {
		signature += ", scales *[16]float32"
	}
	signature += ") (used, position"
	if coding != signs {
		signature += ", next"
	}
	TEXT(name, NOSPLIT, signature+" int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s puts %s into lines of 128 bytes where up to n > 0 gaps lead from position", name, coding),
		"last on, as long as that is before end. It returns how many gaps that were, where",
		"they lead, and for all but signs the index of the next value. The reference is",
		"tileWalk.patchPortable.")
	lines := Load(Param("lines"), GP64())
	gap := Load(Param("gaps"), GP64())
	n := Load(Param("n"), GP64())
	position := Load(Param("last"), GP64())
	end := Load(Param("end"), GP64())
	var values, next, scales Register
	if coding != signs {
		values = Load(Param("values"), GP64())
		next = Load(Param("from"), GP64())
	}
	if scaled(coding) {
		scales = Load(Param("scales"), GP64())
	}
	ADDQ(n, gap)
	NEGQ(n) // gaps that are left, negative
	var gapSteps, factors Register
	switch coding {
	case signs:
		gapSteps, factors = steps(), GP64()
		LEAQ(table("patch_factors", 256, 4, func(b int) Constant {
			switch {
			case b == 127: // −0: added to a weight, it leaves it as it is
				return U32(1 << 31)
			case b < 128: // −1
				return U32(0xbf800000)
			}
			return U32(0x3f800000) // 1
		}), factors)
	case int8s:
		factors = GP64()
		LEAQ(table("patch_int8s", 256, 4, func(b int) Constant { return F32(int8(b)) }), factors)
	case int4s:
		factors = GP64()
		LEAQ(table("patch_int4s", 16, 4, func(b int) Constant { return F32(int8(b<<4) >> 4) }), factors)
	}

	Label("loop")
	b := GP64()
	MOVBQZX(Mem{Base: gap, Index: n, Scale: 1}, b)
	if coding == signs {
		step := GP64()
		MOVBQZX(Mem{Base: gapSteps, Index: b, Scale: 1}, step)
		ADDQ(step, position)
	} else {
		CMPQ(b, U32(255))
		JE(LabelRef("skip"))
		LEAQ(Mem{Base: position, Index: b, Scale: 1, Disp: 1}, position)
	}
	CMPQ(position, end)
	JGE(LabelRef("beyond"))
	// Position 16k+r lies at 32k+r.
	row, at := GP64(), GP64()
	MOVQ(position, row)
	ANDL(Imm(15), row.As32())
	LEAQ(Mem{Base: position, Index: position, Scale: 1}, at)
	SUBQ(row, at)
	weight := Mem{Base: lines, Index: at, Scale: 4}
	x := XMM()
	switch coding {
	case float32s:
		VMOVSS(Mem{Base: values, Index: next, Scale: 4}, x)
	case bfloat16s:
		v := GP32()
		MOVWLZX(Mem{Base: values, Index: next, Scale: 2}, v)
		SHLL(Imm(16), v)
		VMOVD(v, x)
	case int8s:
		v := GP64()
		MOVBQZX(Mem{Base: values, Index: next, Scale: 1}, v)
		VMOVSS(Mem{Base: factors, Index: v, Scale: 4}, x)
	case int4s: // the upper half of a byte if next is odd
		v, shift := GP64(), GP64()
		MOVQ(next, v)
		SHRQ(Imm(1), v)
		MOVBLZX(Mem{Base: values, Index: v, Scale: 1}, v.As32())
		MOVL(next.(GPVirtual).As32(), shift.As32())
		ANDL(Imm(1), shift.As32())
		SHLL(Imm(2), shift.As32())
		SHRXL(shift.As32(), v.As32(), v.As32())
		ANDL(Imm(15), v.As32())
		VMOVSS(Mem{Base: factors, Index: v, Scale: 4}, x)
	case signs:
		VMOVSS(Mem{Base: factors, Index: b, Scale: 4}, x)
	}
	if scaled(coding) {
		VMULSS(Mem{Base: scales, Index: row, Scale: 4}, x, x)
	}
	if coding != float32s {
		VADDSS(weight, x, x)
	}
	VMOVSS(x, weight)
	if coding != signs {
		INCQ(next)
	}
	INCQ(n)
	JNZ(LabelRef("loop"))
	JMP(LabelRef("end"))
	if coding != signs {
		Label("skip")
		ADDQ(b, position)
		CMPQ(position, end)
		JGE(LabelRef("back"))
		INCQ(n)
		JNZ(LabelRef("loop"))
		JMP(LabelRef("end"))
	}
	Label("beyond")
	if coding == signs {
		step := GP64()
		MOVBQZX(Mem{Base: gapSteps, Index: b, Scale: 1}, step)
		SUBQ(step, position)
	} else {
		DECQ(position)
		Label("back")
		SUBQ(b, position)
	}
	Label("end")
	used := Load(Param("n"), GP64())
	ADDQ(n, used)
	Store(used, ReturnIndex(0))
	Store(position, ReturnIndex(1))
	if coding != signs {
		Store(next, ReturnIndex(2))
	}
	RET()
}

// steps returns where the table is that says how far a gap with a sign leads.
func steps() Register {
	r := GP64()
	LEAQ(table("patch_steps", 256, 1, func(b int) Constant {
		if b&127 == 127 { // a skip
			return U8(127)
		}
		return U8(b&127 + 1)
	}), r)
	return r
}

// markSize is the size of a mark in bytes, differenceSize that of a difference.
const (
	markSize       = 8
	differenceSize = 64
)

// markGaps writes the kernel that makes marks of gaps with signs.
func markGaps() {
	TEXT("markGaps", NOSPLIT, "func(marks *uint32, gaps *byte, n int, differences *float32, singles uint32, used int, later *uint64) int")
	Pragma("noescape")
	Doc("markGaps marks one tile's n > 0 gaps: marks is that of its half of the first line,",
		"singles where the differences of its outputs are. It returns how many differences",
		"are used then. There is room at later for 8 bytes a gap. The reference is",
		"tileWalk.markPortable.")
	marks := Load(Param("marks"), GP64())
	gap := Load(Param("gaps"), GP64())
	n := Load(Param("n"), GP64())
	differences := Load(Param("differences"), GP64())
	singles := Load(Param("singles"), GP32())
	later := Load(Param("later"), GP64())
	steps := steps()
	ADDQ(n, gap)
	NEGQ(n)
	position, zero, count := GP64(), GP64(), GP64()
	MOVQ(I32(-1), position)
	XORL(zero.As32(), zero.As32())
	XORL(count.As32(), count.As32())

	// Whether a gap is a skip, and whether there is a change in the half line
	// already, cannot be foreseen and comes too often to jump for it. A skip
	// leaves the mark as it is; so does the second change, which is put off.
	Label("loop")
	b, step, one, line := GP64(), GP64(), GP64(), GP64()
	MOVBQZX(Mem{Base: gap, Index: n, Scale: 1}, b)
	MOVBQZX(Mem{Base: steps, Index: b, Scale: 1}, step)
	ADDQ(step, position)
	up, row := GP64(), GP64()
	MOVL(b.As32(), up.As32())
	SHRL(Imm(7), up.As32())
	MOVL(position.As32(), row.As32())
	ANDL(Imm(15), row.As32())
	LEAL(Mem{Base: up, Index: row, Scale: 2}, one.As32())
	SHLL(Imm(6), one.As32())
	ADDL(singles, one.As32())
	MOVQ(position, line)
	SHRQ(Imm(4), line)
	old, other := GP64(), GP64()
	mark := Mem{Base: marks, Index: line, Scale: markSize}
	MOVL(mark, old.As32())
	MOVL(old.As32(), other.As32())
	MOVL(line.As32(), Mem{Base: later, Index: count, Scale: 8})
	MOVL(one.As32(), Mem{Base: later, Index: count, Scale: 8, Disp: 4})
	CMPL(b.As32(), U32(127))
	CMOVLEQ(old.As32(), one.As32())
	CMOVLEQ(zero.As32(), other.As32())
	NEGL(other.As32()) // carry: there is one
	CMOVLCS(old.As32(), one.As32())
	ADCQ(zero, count)
	MOVL(one.As32(), mark)
	INCQ(n)
	JNZ(LabelRef("loop"))

	used := Load(Param("used"), GP64())
	SHLQ(Imm(6), used)
	LEAQ(Mem{Base: later, Index: count, Scale: 8}, later)
	NEGQ(count)
	JZ(LabelRef("end"))
	Label("several")
	MOVL(Mem{Base: later, Index: count, Scale: 8}, line.As32())
	MOVL(Mem{Base: later, Index: count, Scale: 8, Disp: 4}, one.As32())
	MOVL(mark, old.As32())
	CMPL(old.As32(), U32((1+2*32)*differenceSize))
	JAE(LabelRef("set"))
	for i := range 2 { // a difference of its own
		v := YMM()
		VMOVUPS(Mem{Base: differences, Index: old, Scale: 1, Disp: i * vector}, v)
		VMOVUPS(v, Mem{Base: differences, Index: used, Scale: 1, Disp: i * vector})
	}
	MOVL(used.(GPVirtual).As32(), mark)
	MOVL(used.(GPVirtual).As32(), old.As32())
	ADDQ(Imm(differenceSize), used)
	Label("set")
	MOVL(one.As32(), row.As32())
	SUBL(singles, row.As32())
	SHRL(Imm(7), row.As32())
	value := GP32()
	LEAQ(Mem{Base: one, Index: row, Scale: 4}, one)
	MOVL(Mem{Base: differences, Index: one, Scale: 1}, value)
	LEAQ(Mem{Base: old, Index: row, Scale: 4}, old)
	MOVL(value, Mem{Base: differences, Index: old, Scale: 1})
	INCQ(count)
	JNZ(LabelRef("several"))
	Label("end")
	SHRQ(Imm(6), used)
	Store(used, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// copyLines writes the kernel that copies lines.
func copyLines() {
	TEXT("copyLines", NOSPLIT, "func(dst, src *float32, n int)")
	Pragma("noescape")
	Doc("copyLines copies n > 0 lines of 128 bytes.")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	for i := range 4 {
		v := YMM()
		VMOVUPS(Mem{Base: src, Disp: i * vector}, v)
		VMOVUPS(v, Mem{Base: dst, Disp: i * vector})
	}
	ADDQ(U32(lineSize), src)
	ADDQ(U32(lineSize), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// fetchingLines writes the kernels that copy lines, past the caches or not, and
// ask for half as many that will be read later: a copy into the caches and one out
// of them, with what changes the lines between, keep memory busy all the time.
func fetchingLines(name string, store func(v, m Op)) {
	TEXT(name, NOSPLIT, "func(dst, src, next *float32, n int)")
	Pragma("noescape")
	doc := name + " copies n > 0 lines of 128 bytes"
	if name == "streamLines" {
		doc += " past the caches"
	}
	Doc(doc+", and prefetches half as many", "at next to the second-level cache.")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	next := Load(Param("next"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	PREFETCHT1(Mem{Base: next})
	for i := range 4 {
		v := YMM()
		VMOVUPS(Mem{Base: src, Disp: i * vector}, v)
		store(v, Mem{Base: dst, Disp: i * vector})
	}
	ADDQ(U32(lineSize), dst)
	ADDQ(U32(lineSize), src)
	ADDQ(U32(lineSize/2), next)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// fetch writes the kernel that asks for memory that will be read soon.
func fetch() {
	TEXT("fetch", NOSPLIT, "func(first *byte, n int)")
	Pragma("noescape")
	Doc("fetch prefetches n > 0 bytes.")
	first := Load(Param("first"), GP64())
	n := Load(Param("n"), GP64())
	ADDQ(first, n)
	ANDQ(I8(-64), first) // whole lines, the last one too
	Label("loop")
	PREFETCHT0(Mem{Base: first})
	ADDQ(Imm(64), first)
	CMPQ(first, n)
	JLT(LabelRef("loop"))
	RET()
}

// fence writes what has to follow stores past the caches.
func fence() {
	TEXT("fence", NOSPLIT, "func()")
	Doc("fence makes stores past the caches seen before those that follow it.")
	SFENCE()
	RET()
}
