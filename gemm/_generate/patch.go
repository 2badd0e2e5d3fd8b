package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
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

// scaled tells whether a coding has scales.
func scaled(coding string) bool { return coding == int8s || coding == int4s || coding == signs }

// element returns the Go type of a coding's stream.
func element(coding string) string {
	return map[string]string{float32s: "float32", bfloat16s: "uint16", int8s: "int8", int4s: "byte", signs: "byte"}[coding]
}

var tables = map[string]Mem{}

// ranks returns a table in memory: for each byte, eight bytes, of which byte l
// tells how many of the bits below bit l are set. It is where lane l finds its
// value among those that follow each other in the stream.
func ranks() Mem {
	m, ok := tables["ranks"]
	if !ok {
		m = GLOBL("ranks", RODATA|NOPTR)
		for mask := range 256 {
			n := 0
			for l := range 8 {
				DATA(8*mask+l, U8(n))
				n += mask >> l & 1
			}
		}
		tables["ranks"] = m
	}
	return m
}

// turns returns vectors of 8 that shift bit l, or bit l+8, of a lane to its top.
func turns(half int) Mem {
	key := fmt.Sprint("turns_", half)
	m, ok := tables[key]
	if !ok {
		m = GLOBL(key, RODATA|NOPTR)
		for l := range 8 {
			DATA(4*l, U32(31-8*half-l))
		}
		tables[key] = m
	}
	return m
}

// masks writes the kernel that copies half a panel, a line after the other, and
// puts a tile's values where bits of its masks are set. It reads a vector of
// values for eight weights however few they keep, and so stops when the stream
// may not have as many any more.
func masks(coding string, stream bool) {
	name, store := "masks"+coding, func(v, m Op) { VMOVUPS(v, m) }
	doc := fmt.Sprintf("masks%s copies tiles of up to n lines of 128 bytes from src to dst, with %s where", coding, coding)
	if stream {
		name, store = "stream"+name, VMOVNTPS
	}
	signature := "func(dst, src *float32, masks *uint16, n int, values *" + element(coding) + ", from, left int"
	if scaled(coding) {
		signature += ", scales *[16]float32"
	}
	TEXT(name, NOSPLIT, signature+") (lines, next int)")
	Pragma("noescape")
	if stream {
		doc = "stream" + doc
	}
	Doc(doc,
		"masks have a bit, and returns how many, and the index of the next value. From is",
		"that of the first one, left how many the stream has from there. The reference is",
		"tileWalk.patch.")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	mask := Load(Param("masks"), GP64())
	n := Load(Param("n"), GP64())
	values := Load(Param("values"), GP64())
	next := Load(Param("from"), GP64())
	last := Load(Param("left"), GP64()) // the index up to which a line may begin
	ADDQ(next, last)
	// What a line reads from where its values begin: those of its first half,
	// and a load for the second.
	reads := map[string]int{float32s: 8 + 8, bfloat16s: 8 + 8, int8s: 8 + 8, int4s: 8 + 1 + 16, signs: 8 + 7 + 32}[coding]
	SUBQ(Imm(uint64(reads)), last)
	done := GP64()
	XORQ(done, done)

	table := GP64()
	LEAQ(ranks(), table)
	turn := []VecVirtual{YMM(), YMM()}
	scales := []VecVirtual{YMM(), YMM()}
	for h := range turn {
		VMOVDQU(turns(h), turn[h])
	}
	if scaled(coding) {
		p := Load(Param("scales"), GP64())
		for h := range scales {
			VMOVUPS(Mem{Base: p, Disp: h * vector}, scales[h])
			if coding == signs {
				VXORPS(bits(1<<31), scales[h], scales[h])
			}
		}
	}

	Label("loop")
	CMPQ(done, n)
	JGE(LabelRef("end"))
	CMPQ(next, last)
	JG(LabelRef("end"))
	both := YMM()
	VPBROADCASTW(Mem{Base: mask, Index: done, Scale: 2}, both)
	m := GP32()
	MOVWLZX(Mem{Base: mask, Index: done, Scale: 2}, m)
	for h := range 2 {
		low := GP32()
		if h == 0 {
			MOVBLZX(m.As8(), low)
		} else {
			MOVL(m, low)
			SHRL(Imm(8), low)
		}
		rank := YMM()
		VPMOVZXBD(Mem{Base: table, Index: low, Scale: 8}, rank)
		v, base := YMM(), YMM()
		VMOVUPS(Mem{Base: src, Disp: h * vector}, base)
		switch coding {
		case float32s:
			VPERMPS(Mem{Base: values, Index: next, Scale: 4}, rank, v)
		case bfloat16s:
			VPMOVZXWD(Mem{Base: values, Index: next, Scale: 2}, v)
			VPERMD(v, rank, v)
			VPSLLD(Imm(16), v, v)
			VADDPS(base, v, v)
		case int8s:
			VPMOVSXBD(Mem{Base: values, Index: next, Scale: 1}, v)
			VPERMD(v, rank, v)
			VCVTDQ2PS(v, v)
			VMULPS(scales[h], v, v)
			VADDPS(base, v, v)
		case int4s:
			VPSLLD(Imm(2), rank, rank)
			lanes(values, next, 4, v)
			VPSRLVD(rank, v, v)
			VPSLLD(Imm(28), v, v)
			VPSRAD(Imm(28), v, v)
			VCVTDQ2PS(v, v)
			VMULPS(scales[h], v, v)
			VADDPS(base, v, v)
		case signs:
			lanes(values, next, 1, v)
			VPSRLVD(rank, v, v)
			VPSLLD(Imm(31), v, v)
			VXORPS(scales[h], v, v)
			VADDPS(base, v, v)
		}
		kept := YMM()
		VPSLLVD(turn[h], both, kept)
		VBLENDVPS(kept, v, base, v)
		store(v, Mem{Base: dst, Disp: h * vector})
		count := GP32()
		POPCNTL(low, count)
		ADDQ(count.As64(), next)
	}
	ADDQ(U32(lineSize), src)
	ADDQ(U32(lineSize), dst)
	INCQ(done)
	JMP(LabelRef("loop"))
	Label("end")
	if stream {
		SFENCE()
	}
	VZEROUPPER()
	Store(done, ReturnIndex(0))
	Store(next, ReturnIndex(1))
	RET()
}

// lanes puts eight values of a stream of 4 bits or 1 bit a value, from value next
// on, into each lane of v, the first one lowest.
func lanes(stream, next Register, bits int, v VecVirtual) {
	at, shift, x := GP64(), GP64(), GP64()
	MOVQ(next, at)
	MOVQ(next, shift)
	if bits == 4 {
		SHRQ(Imm(1), at)
		ANDQ(Imm(1), shift)
		SHLQ(Imm(2), shift)
		MOVQ(Mem{Base: stream, Index: at, Scale: 1}, x)
		SHRXQ(shift, x, x)
	} else {
		SHRQ(Imm(3), at)
		ANDQ(Imm(7), shift)
		MOVL(Mem{Base: stream, Index: at, Scale: 1}, x.As32())
		SHRXL(shift.As32(), x.As32(), x.As32())
	}
	VMOVD(x.As32(), v.AsX())
	VPBROADCASTD(v.AsX(), v)
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
	Doc(fmt.Sprintf("%s puts %s into lines of 128 bytes where up to n gaps lead from position", name, coding),
		"last on, as long as that is before end. It returns how many gaps that were and the",
		"last one's position. The reference is tileWalk.patch.")
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
	used := GP64()
	XORQ(used, used)

	Label("loop")
	CMPQ(used, n)
	JGE(LabelRef("end"))
	b, p := GP64(), GP64()
	MOVBQZX(Mem{Base: gap, Index: used, Scale: 1}, b)
	if coding == signs {
		low := GP64()
		MOVQ(b, low)
		ANDQ(Imm(127), low)
		LEAQ(Mem{Base: position, Index: low, Scale: 1}, p)
		// One more unless it is a skip, without a branch: in a sparse delta,
		// every tenth may be one.
		CMPQ(low, Imm(127))
		ADCQ(Imm(0), p)
	} else {
		LEAQ(Mem{Base: position, Index: b, Scale: 1}, p)
		CMPQ(b, U32(255))
		ADCQ(Imm(0), p)
	}
	CMPQ(p, end)
	JGE(LabelRef("end"))
	MOVQ(p, position)
	INCQ(used)
	if coding != signs {
		CMPQ(b, U32(255))
		JE(LabelRef("loop"))
	}
	// Position 16k+r lies at 32k+r.
	at, row := GP64(), GP64()
	MOVQ(p, at)
	ANDQ(I8(-16), at)
	ADDQ(p, at)
	weight := Mem{Base: lines, Index: at, Scale: 4}
	x := XMM()
	if scaled(coding) {
		MOVQ(p, row)
		ANDQ(Imm(15), row)
	}
	scale := Mem{Base: scales, Index: row, Scale: 4}
	switch coding {
	case float32s:
		VMOVSS(Mem{Base: values, Index: next, Scale: 4}, x)
	case bfloat16s:
		v := GP32()
		MOVWLZX(Mem{Base: values, Index: next, Scale: 2}, v)
		SHLL(Imm(16), v)
		VMOVD(v, x)
		VADDSS(weight, x, x)
	case int8s:
		v := GP32()
		MOVBLSX(Mem{Base: values, Index: next, Scale: 1}, v)
		VXORPS(x, x, x)
		VCVTSI2SSL(v, x, x)
		VMULSS(scale, x, x)
		VADDSS(weight, x, x)
	case int4s:
		i, shift, v := GP64(), GP64(), GP64()
		MOVQ(next, i)
		SHRQ(Imm(1), i)
		MOVBQZX(Mem{Base: values, Index: i, Scale: 1}, v)
		MOVQ(next, shift)
		ANDQ(Imm(1), shift)
		SHLQ(Imm(2), shift)
		SHRXQ(shift, v, v)
		SHLL(Imm(28), v.As32())
		SARL(Imm(28), v.As32())
		VXORPS(x, x, x)
		VCVTSI2SSL(v.As32(), x, x)
		VMULSS(scale, x, x)
		VADDSS(weight, x, x)
	case signs:
		// The sign, turned over, is the top bit to change in the scale; a skip
		// adds −0, which leaves every weight as it is.
		s, none := GP64(), GP64()
		MOVQ(b, s)
		NOTQ(s)
		SHLL(Imm(24), s.As32())
		ANDL(U32(1<<31), s.As32())
		XORL(scale, s.As32())
		MOVL(U32(1<<31), none.As32())
		CMPQ(b, Imm(127))
		CMOVQEQ(none, s)
		VMOVD(s.As32(), x)
		VADDSS(weight, x, x)
	}
	VMOVSS(x, weight)
	if coding != signs {
		INCQ(next)
	}
	JMP(LabelRef("loop"))
	Label("end")
	Store(used, ReturnIndex(0))
	Store(position, ReturnIndex(1))
	if coding != signs {
		Store(next, ReturnIndex(2))
	}
	RET()
}

// patch writes all kernels that patch.
func patch() {
	for _, coding := range codings {
		masks(coding, false)
		masks(coding, true)
		gaps(coding)
	}
}
