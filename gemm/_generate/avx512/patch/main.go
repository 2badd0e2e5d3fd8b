// Command patch generates the AVX-512 kernels that patch panels by masks:
// avx512_patch_amd64.s and its stubs in package kernel. Run it by
//
//	go generate ./gemm/...
//
// The comment of each stub names the portable function that is its reference.
//
// The kernels of a family have the same parameters for every coding, even those
// that a coding does not need, so that one generated switch can choose among them.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
	"kenserve/gemm/_generate/value"
)

const vector = asm.ZMMBytes

const (
	// fetchDistance is how many panel rows before their use weights are fetched that
	// come from memory.
	fetchDistance = 64
	// fetchPerGap is how many bytes of the base are fetched for each gap.
	fetchPerGap = 32
)

// reads is the number of values that a kernel reads for half a row, from the first
// one, however few of them are kept. Function streamReadable of package kernel
// knows the numbers, too.
var reads = map[value.Coding]int{value.Float32: 0, value.BFloat16: 16, value.Int8: 16, value.Int4: 1 + 32, value.Sign: 7 + 64}

func main() {
	ConstraintExpr("!noasm")
	for _, coding := range value.Codings {
		masks(coding)
		stream(coding)
	}
	gapsToMasks("gapsToMasksAVX512", 255)
	gapsToMasks("signGapsToMasksAVX512", 127)
	gapSigns()
	Generate()
}

// masks generates the kernel that patches a tile's half of rows that stay in the
// caches.
func masks(coding value.Coding) {
	name := fmt.Sprintf("patchMasks%sAVX512", coding)
	TEXT(name, NOSPLIT, "func(dst, src *float32, masks *uint16, n int, values *byte, from, remaining int, scales *[16]float32) (rows, next int)")
	Pragma("noescape")
	Doc(
		fmt.Sprintf("%s copies a tile's half of up to n panel rows from src to dst, and", name),
		"applies values where masks have a bit. from is the index of the first value,",
		"remaining the number of values from there to the end of the stream. It returns the",
		"number of rows done and the index of the next value. The reference is",
		"TileCursor.patchMasksPortable.",
	)
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	mask, n := Load(Param("masks"), GP64()), Load(Param("n"), GP64())
	values, next := Load(Param("values"), GP64()), Load(Param("from"), GP64())
	last := Load(Param("remaining"), GP64()) // the last index at which a row may begin
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
	ADDQ(U32(asm.RowBytes), src)
	ADDQ(U32(asm.RowBytes), dst)
	INCQ(done)
	JMP(LabelRef("loop"))
	Label("end")
	VZEROUPPER()
	Store(done, ReturnIndex(0))
	Store(next, ReturnIndex(1))
	RET()
}

// stream generates the kernel that patches whole rows, the halves of both tiles, and
// bypasses the caches. With one half at a time, memory would be read and written
// twice, and waited for twice.
func stream(coding value.Coding) {
	name := fmt.Sprintf("streamRows%sAVX512", coding)
	TEXT(name, NOSPLIT, "func(dst, src *float32, left, right *uint16, n int, values *byte, fromLeft, fromRight int, scalesLeft, scalesRight *[16]float32)")
	Pragma("noescape")
	Doc(
		fmt.Sprintf("%s copies n > 0 panel rows from src to dst, bypassing the caches,", name),
		"and applies values where the masks of the left or right tile have a bit. fromLeft",
		"and fromRight are the indices of their first values. The reference is",
		"TileCursor.patchMasksPortable of both tiles.",
	)
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	masks := []Register{Load(Param("left"), GP64()), Load(Param("right"), GP64())}
	n, values := Load(Param("n"), GP64()), Load(Param("values"), GP64())
	next := []GPVirtual{Load(Param("fromLeft"), GP64()).(GPVirtual), Load(Param("fromRight"), GP64()).(GPVirtual)}
	halves := []*half{newHalf(coding, values, "scalesLeft"), newHalf(coding, values, "scalesRight")}
	done := GP64()
	XORQ(done, done)
	Label("loop")
	for i, h := range halves {
		PREFETCHT0(Mem{Base: src, Disp: fetchDistance*asm.RowBytes + i*vector})
		v := h.patched(Mem{Base: src, Disp: i * vector}, Mem{Base: masks[i], Index: done, Scale: 2}, next[i])
		VMOVNTPS(v, Mem{Base: dst, Disp: i * vector})
	}
	ADDQ(U32(asm.RowBytes), src)
	ADDQ(U32(asm.RowBytes), dst)
	INCQ(done)
	CMPQ(done, n)
	JLT(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// gapsToMasks generates the kernel that turns gaps into masks. skip has all bits that
// belong to the gap. Several gaps in a row lead to the same word of masks, so the
// kernel keeps the word in a register and stores it with each gap. Memory would be
// idle meanwhile, so each gap also fetches some of the base.
func gapsToMasks(name string, skip uint64) {
	TEXT(name, NOSPLIT, "func(masks *uint16, gaps *byte, n int, next uintptr) uintptr")
	Pragma("noescape")
	Doc(
		fmt.Sprintf("%s sets the bits of masks to which n > 0 gaps lead. %d is the skip.", name, skip),
		"The masks must be zero, up to a multiple of 8 bytes. For each gap it fetches memory",
		fmt.Sprintf("at next and moves next forward by %d bytes; it returns the last next.", fetchPerGap),
	)
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
	ADDQ(Imm(fetchPerGap), next)
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

// gapSigns generates the kernel that extracts the signs from gaps, 32 at a time.
func gapSigns() {
	TEXT("gapSignsAVX512", NOSPLIT, "func(bits, gaps *byte, n int)")
	Pragma("noescape")
	Doc(
		"gapSignsAVX512 stores the signs of n > 0 gaps as a bit stream, without those of",
		"skips. It writes 8 bytes from the end of the stream's last whole byte.",
	)
	out, gap, n := Load(Param("bits"), GP64()), Load(Param("gaps"), GP64()), Load(Param("n"), GP64())
	skip, all, most := YMM(), GP32(), GP64()
	MOVL(U32(127), all)
	VPBROADCASTB(all, skip)
	MOVL(U32(0xffffffff), all)
	MOVL(U32(32), most.As32())
	bits, filled := GP64(), GP64() // the bits of the byte at out, and their number
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

// half holds the registers that are needed to patch one tile's half of a row.
type half struct {
	coding  value.Coding
	values  Register
	nibbles Register   // address of the table of nibbles
	scale   VecVirtual // the scales of the outputs
	down    VecVirtual // the scales, negated
}

// newHalf loads the scales from the parameter of that name, if the coding has any.
func newHalf(coding value.Coding, values Register, scales string) *half {
	h := &half{coding: coding, values: values}
	if coding.Scaled() {
		h.scale = ZMM()
		VMOVUPS(Mem{Base: Load(Param(scales), GP64())}, h.scale)
	}
	switch coding {
	case value.Sign:
		h.down = ZMM()
		VPTERNLOGD(Imm(0xff), h.scale, h.scale, h.down)
		VPSLLD(Imm(31), h.down, h.down)
		VPXORD(h.scale, h.down, h.down)
	case value.Int4:
		h.nibbles = GP64()
		LEAQ(nibbles(), h.nibbles)
	}
	return h
}

// patched returns half a row of the base with values where the mask has a bit, and
// moves next forward by their number.
func (h *half) patched(base, mask Mem, next Register) VecVirtual {
	m, count, kept := GP64(), GP64(), K()
	MOVWLZX(mask, m.As32())
	KMOVW(m.As32(), kept)
	POPCNTL(m.As32(), count.As32())
	v, x := ZMM(), ZMM()
	VMOVUPS(base, v)
	switch h.coding {
	case value.Float32:
		VEXPANDPS(Mem{Base: h.values, Index: next, Scale: 4}, kept, v)
	case value.BFloat16:
		VPMOVZXWD(Mem{Base: h.values, Index: next, Scale: 2}, x)
		VPSLLD(Imm(16), x, x)
		VEXPANDPS_Z(x, kept, x)
		VADDPS(x, v, kept, v)
	case value.Int8:
		VPMOVSXBD(Mem{Base: h.values, Index: next, Scale: 1}, x)
		h.addSteps(x, v, kept)
	case value.Int4:
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
		h.addSteps(x, v, kept)
	case value.Sign:
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

// addSteps adds the integers in x, times the scales, to the kept lanes of v.
func (h *half) addSteps(x, v VecVirtual, kept Register) {
	VCVTDQ2PS(x, x)
	VEXPANDPS_Z(x, kept, x)
	VMULPS(h.scale, x, x)
	VADDPS(x, v, kept, v)
}

// nibbles returns two tables, each of two vectors, that move four bits of a stream to
// the top of each lane. The first vector says which byte becomes the highest of a
// lane, the second one by how much the lane is shifted left. The first table is for
// a stream that begins in the lower half of a byte, the second one for the upper
// half.
func nibbles() Mem {
	return asm.Table("patch512_nibbles", 4*16, 4, func(i int) Constant {
		odd, lane := i/32, i%16
		if i%32 < 16 {
			return U32(0x808080 | uint32((odd+lane)/2)<<24)
		}
		return U32(4 * (1 - (odd+lane)%2))
	})
}
