// Command patch512 writes the assembly that patches panels by masks on processors
// with AVX-512: patch512_amd64.s and the stubs that declare it. It is run by go
// generate in package gemm. The reference of every kernel is
// tileWalk.patchPortable.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	vector   = 64 // bytes of half a line
	lineSize = 2 * vector
)

// ahead is how many lines before their use weights are asked for that come from
// memory.
const ahead = 64

// fetchedPerGap is how many bytes of the base are asked for with each gap.
const fetchedPerGap = 32

// The value codings, as the kernels' names have them, with their Go types.
const (
	float32s  = "Float32s"
	bfloat16s = "BFloat16s"
	int8s     = "Int8s"
	int4s     = "Int4s"
	signs     = "Signs"
)

var elements = map[string]string{float32s: "float32", bfloat16s: "uint16", int8s: "int8", int4s: "byte", signs: "byte"}

// reads is how many values half a line reads from where its own begin, however
// few these are: Patch.readable in package gemm knows it, too.
var reads = map[string]int{float32s: 0, bfloat16s: 16, int8s: 16, int4s: 1 + 32, signs: 7 + 64}

func main() {
	ConstraintExpr("!noasm")
	for _, coding := range []string{float32s, bfloat16s, int8s, int4s, signs} {
		masks(coding)
		stream(coding)
	}
	gapMasks("gapMasks", 255)
	gapMasks("signMasks", 127)
	signBits()
	Generate()
}

// masks writes the kernel that patches a tile's half of lines that stay in the
// caches.
func masks(coding string) {
	name := "masks" + coding + "z"
	signature := "func(dst, src *float32, masks *uint16, n int, values *" + elements[coding] + ", from, left int"
	if scaled(coding) {
		signature += ", scales *[16]float32"
	}
	TEXT(name, NOSPLIT, signature+") (lines, next int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s copies the tile's half of up to n lines of 128 bytes from src to dst,", name),
		"with values where masks have a bit. It returns how many lines, and the index of the",
		"next value. From is that of the first one, left how many the stream has from there.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	mask, n := Load(Param("masks"), GP64()), Load(Param("n"), GP64())
	values, next := Load(Param("values"), GP64()), Load(Param("from"), GP64())
	last := Load(Param("left"), GP64()) // the index up to which a line may begin
	ADDQ(next, last)
	SUBQ(Imm(uint64(reads[coding])), last)
	h := newHalf(coding, values, "scales")
	done := GP64()
	XORQ(done, done)
	Label("loop")
	CMPQ(done, n)
	JGE(LabelRef("end"))
	CMPQ(next, last)
	JG(LabelRef("end"))
	v := h.patched(Mem{Base: src}, Mem{Base: mask, Index: done, Scale: 2}, next)
	VMOVUPS(v, Mem{Base: dst})
	ADDQ(U32(lineSize), src)
	ADDQ(U32(lineSize), dst)
	INCQ(done)
	JMP(LabelRef("loop"))
	Label("end")
	VZEROUPPER()
	Store(done, ReturnIndex(0))
	Store(next, ReturnIndex(1))
	RET()
}

// stream writes the kernel that patches whole lines, both tiles' halves, past the
// caches. A half at a time, the memory would be read and written in two turns,
// and waited for twice.
func stream(coding string) {
	name := "stream" + coding + "z"
	signature := "func(dst, src *float32, left, right *uint16, n int, values *" + elements[coding] + ", fromLeft, fromRight int"
	if scaled(coding) {
		signature += ", scalesLeft, scalesRight *[16]float32"
	}
	TEXT(name, NOSPLIT, signature+")")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s copies n > 0 lines of 128 bytes from src to dst, past the caches, with", name),
		"values where the masks of its two tiles have a bit. They begin at the indices",
		"fromLeft and fromRight.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	masks := []Register{Load(Param("left"), GP64()), Load(Param("right"), GP64())}
	n, values := Load(Param("n"), GP64()), Load(Param("values"), GP64())
	next := []GPVirtual{Load(Param("fromLeft"), GP64()).(GPVirtual), Load(Param("fromRight"), GP64()).(GPVirtual)}
	halves := []*half{newHalf(coding, values, "scalesLeft"), newHalf(coding, values, "scalesRight")}
	done := GP64()
	XORQ(done, done)
	Label("loop")
	for i, h := range halves {
		PREFETCHT0(Mem{Base: src, Disp: ahead*lineSize + i*vector})
		v := h.patched(Mem{Base: src, Disp: i * vector}, Mem{Base: masks[i], Index: done, Scale: 2}, next[i])
		VMOVNTPS(v, Mem{Base: dst, Disp: i * vector})
	}
	ADDQ(U32(lineSize), src)
	ADDQ(U32(lineSize), dst)
	INCQ(done)
	CMPQ(done, n)
	JLT(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// gapMasks writes the kernel that makes masks of gaps, whose bits above the skip's
// mean something else. Several gaps lead to the same word of masks, one after the
// other: it is kept in a register, and stored again with each. Memory is idle
// meanwhile: with each gap some of the base is asked for.
func gapMasks(name string, skip uint64) {
	TEXT(name, NOSPLIT, "func(masks *uint16, gaps *byte, n int, next uintptr) uintptr")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s sets the bits of masks, which are zero up to a multiple of 8 bytes, that", name),
		fmt.Sprintf("n > 0 gaps lead to, where %d is the skip. With each it prefetches at next, some", skip),
		"bytes further on each time, and it returns where that would go on.")
	masks, gap, n := Load(Param("masks"), GP64()), Load(Param("gaps"), GP64()), Load(Param("n"), GP64())
	ADDQ(n, gap)
	NEGQ(n)
	position, current, word, zero, one := GP64(), GP64(), GP64(), GP64(), GP64()
	MOVQ(I32(-1), position)
	XORL(current.As32(), current.As32())
	XORL(word.As32(), word.As32())
	XORL(zero.As32(), zero.As32())
	MOVL(U32(1), one.As32())
	next := Load(Param("next"), GP64())
	Label("loop")
	PREFETCHT1(Mem{Base: next})
	ADDQ(Imm(fetchedPerGap), next)
	b, index, bit := GP64(), GP64(), GP64()
	MOVBQZX(Mem{Base: gap, Index: n, Scale: 1}, b)
	if skip < 255 {
		ANDL(U32(skip), b.As32())
	}
	CMPL(b.As32(), U32(skip))
	JE(LabelRef("skip"))
	LEAQ(Mem{Base: position, Index: b, Scale: 1, Disp: 1}, position)
	MOVQ(position, index)
	SHRQ(Imm(6), index)
	CMPQ(index, current)
	CMOVQNE(zero, word)
	MOVQ(index, current)
	SHLXQ(position, one, bit)
	ORQ(bit, word)
	MOVQ(word, Mem{Base: masks, Index: index, Scale: 8})
	INCQ(n)
	JNZ(LabelRef("loop"))
	Store(next, ReturnIndex(0))
	RET()
	Label("skip")
	ADDQ(b, position)
	INCQ(n)
	JNZ(LabelRef("loop"))
	Store(next, ReturnIndex(0))
	RET()
}

// signBits writes the kernel that takes the signs from gaps, 32 at a time.
func signBits() {
	TEXT("signBits", NOSPLIT, "func(bits, gaps *byte, n int)")
	Pragma("noescape")
	Doc("signBits stores the signs of n > 0 gaps, bit after bit, those of skips left out. It",
		"stores 8 bytes where the last of them ends.")
	out, gap, n := Load(Param("bits"), GP64()), Load(Param("gaps"), GP64()), Load(Param("n"), GP64())
	skip, all, most := YMM(), GP32(), GP64()
	MOVL(U32(127), all)
	VPBROADCASTB(all, skip)
	MOVL(U32(0xffffffff), all)
	MOVL(U32(32), most.As32())
	bits, filled := GP64(), GP64() // of the byte at out
	XORL(bits.As32(), bits.As32())
	XORL(filled.As32(), filled.As32())
	Label("loop")
	count, there := GP64(), K()
	MOVQ(n, count)
	CMPQ(n, most)
	CMOVQGT(most, count)
	valid := GP32()
	BZHIL(count.As32(), all, valid)
	KMOVD(valid, there)
	x, signs, skips := YMM(), K(), K()
	VMOVDQU8_Z(Mem{Base: gap}, there, x)
	VPMOVB2M(x, signs)
	VPCMPEQB(skip, x, skips)
	sign, keep := GP64(), GP32()
	KMOVD(signs, sign.As32())
	KMOVD(skips, keep)
	ANDNL(valid, keep, keep)
	PEXTL(keep, sign.As32(), sign.As32())
	SHLXQ(filled, sign, sign)
	ORQ(sign, bits)
	MOVQ(bits, Mem{Base: out})
	POPCNTL(keep, keep)
	ADDL(keep, filled.As32())
	whole := GP64()
	MOVL(filled.As32(), whole.As32())
	SHRL(Imm(3), whole.As32())
	ADDQ(whole, out)
	SHLL(Imm(3), whole.As32())
	SHRXQ(whole, bits, bits)
	ANDL(Imm(7), filled.As32())
	ADDQ(Imm(32), gap)
	SUBQ(Imm(32), n)
	JG(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

func scaled(coding string) bool { return coding == int8s || coding == int4s || coding == signs }

// half is what patching half a line needs to know of its tile.
type half struct {
	coding      string
	values      Register
	nibbles     Register
	scale, down VecVirtual
}

// newHalf reads the parameter of the scales, if the coding has any.
func newHalf(coding string, values Register, scales string) *half {
	h := &half{coding: coding, values: values}
	if scaled(coding) {
		h.scale = ZMM()
		VMOVUPS(Mem{Base: Load(Param(scales), GP64())}, h.scale)
	}
	switch coding {
	case signs: // the scales, their signs turned
		h.down = ZMM()
		VPTERNLOGD(Imm(0xff), h.scale, h.scale, h.down)
		VPSLLD(Imm(31), h.down, h.down)
		VPXORD(h.scale, h.down, h.down)
	case int4s:
		h.nibbles = GP64()
		LEAQ(nibbles(), h.nibbles)
	}
	return h
}

// patched returns the base's half line with values where the mask has a bit, and
// moves on by as many.
func (h *half) patched(base, mask Mem, next Register) VecVirtual {
	m, count, kept := GP64(), GP64(), K()
	MOVWLZX(mask, m.As32())
	KMOVW(m.As32(), kept)
	POPCNTL(m.As32(), count.As32())
	v, x := ZMM(), ZMM()
	VMOVUPS(base, v)
	switch h.coding {
	case float32s:
		VEXPANDPS(Mem{Base: h.values, Index: next, Scale: 4}, kept, v)
	case bfloat16s:
		VPMOVZXWD(Mem{Base: h.values, Index: next, Scale: 2}, x)
		VPSLLD(Imm(16), x, x)
		VEXPANDPS_Z(x, kept, x)
		VADDPS(x, v, kept, v)
	case int8s:
		VPMOVSXBD(Mem{Base: h.values, Index: next, Scale: 1}, x)
		h.step(x, v, kept)
	case int4s:
		at := GP64()
		MOVQ(next, at)
		SHRQ(Imm(1), at)
		VBROADCASTI32X4(Mem{Base: h.values, Index: at, Scale: 1}, x)
		MOVL(next.(GPVirtual).As32(), at.As32())
		ANDL(Imm(1), at.As32())
		SHLL(Imm(7), at.As32())
		VPSHUFB(Mem{Base: h.nibbles, Index: at, Scale: 1}, x, x)
		VPSLLVD(Mem{Base: h.nibbles, Index: at, Scale: 1, Disp: vector}, x, x)
		VPSRAD(Imm(28), x, x)
		h.step(x, v, kept)
	case signs:
		at, bits, up := GP64(), GP64(), K()
		MOVQ(next, at)
		SHRQ(Imm(3), at)
		MOVQ(Mem{Base: h.values, Index: at, Scale: 1}, bits)
		MOVL(next.(GPVirtual).As32(), at.As32())
		ANDL(Imm(7), at.As32())
		SHRXQ(at, bits, bits)
		PDEPL(m.As32(), bits.As32(), bits.As32())
		KMOVW(bits.As32(), up)
		VMOVAPS(h.down, x)
		VMOVAPS(h.scale, up, x)
		VADDPS(x, v, kept, v)
	}
	ADDQ(count, next)
	return v
}

// step adds integers, times the scales, to the kept lanes of v.
func (h *half) step(x, v VecVirtual, kept Register) {
	VCVTDQ2PS(x, x)
	VEXPANDPS_Z(x, kept, x)
	VMULPS(h.scale, x, x)
	VADDPS(x, v, kept, v)
}

var nibbleTable *Mem

// nibbles returns where tables are that bring four bits of a stream to the top of
// each lane: which byte becomes a lane's highest, and how far that is shifted to
// the left. The first two are for a stream that begins in the lower half of a
// byte, the others for the upper half.
func nibbles() Mem {
	if nibbleTable == nil {
		m := GLOBL("patch512_nibbles", RODATA|NOPTR)
		for odd := range 2 {
			for lane := range 16 {
				DATA(2*vector*odd+4*lane, U32(0x808080|uint32((odd+lane)/2)<<24))
			}
			for lane := range 16 {
				DATA(2*vector*odd+vector+4*lane, U32(4*(1-(odd+lane)%2)))
			}
		}
		nibbleTable = &m
	}
	return *nibbleTable
}
