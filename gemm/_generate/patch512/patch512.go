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

const lineSize = 128 // bytes of a panel's line

// The value codings, as the kernels' names have them, with their Go types.
const (
	float32s  = "Float32s"
	bfloat16s = "BFloat16s"
	int8s     = "Int8s"
	signs     = "Signs"
)

var elements = map[string]string{float32s: "float32", bfloat16s: "uint16", int8s: "int8", signs: "byte"}

// reads is how many values a line reads from where its own begin, however few
// these are.
var reads = map[string]int{float32s: 0, bfloat16s: 16, int8s: 16, signs: 7 + 64}

func main() {
	ConstraintExpr("!noasm")
	for _, coding := range []string{float32s, bfloat16s, int8s, signs} {
		masks(coding, false)
		masks(coding, true)
	}
	Generate()
}

func masks(coding string, stream bool) {
	scaled := coding == int8s || coding == signs
	name, store := "masks"+coding+"z", func(v, m Op) { VMOVUPS(v, m) }
	if stream {
		name, store = "stream"+coding+"z", func(v, m Op) { VMOVNTPS(v, m) }
	}
	signature := "func(dst, src *float32, masks *uint16, n int, values *" + elements[coding] + ", from, left int"
	if scaled {
		signature += ", scales *[16]float32"
	}
	TEXT(name, NOSPLIT, signature+") (lines, next int)")
	Pragma("noescape")
	doc := fmt.Sprintf("%s copies the tile's half of up to n lines of 128 bytes from src to dst,", name)
	if stream {
		doc += " past the caches,"
	}
	Doc(doc, "with values where masks have a bit. It returns how many lines, and the index of the",
		"next value. From is that of the first one, left how many the stream has from there.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	mask, n := Load(Param("masks"), GP64()), Load(Param("n"), GP64())
	values, next := Load(Param("values"), GP64()), Load(Param("from"), GP64())
	last := Load(Param("left"), GP64()) // the index up to which a line may begin
	ADDQ(next, last)
	SUBQ(Imm(uint64(reads[coding])), last)
	done := GP64()
	XORQ(done, done)
	var scale, down VecVirtual
	if scaled {
		scale = ZMM()
		VMOVUPS(Mem{Base: Load(Param("scales"), GP64())}, scale)
	}
	if coding == signs {
		down = ZMM() // the scales, their signs turned
		VPTERNLOGD(Imm(0xff), scale, scale, down)
		VPSLLD(Imm(31), down, down)
		VPXORD(scale, down, down)
	}

	Label("loop")
	CMPQ(done, n)
	JGE(LabelRef("end"))
	CMPQ(next, last)
	JG(LabelRef("end"))
	m, count := GP64(), GP64()
	MOVWLZX(Mem{Base: mask, Index: done, Scale: 2}, m.As32())
	kept := K()
	KMOVW(m.As32(), kept)
	POPCNTL(m.As32(), count.As32())
	v, x := ZMM(), ZMM()
	VMOVUPS(Mem{Base: src}, v)
	switch coding {
	case float32s:
		VEXPANDPS(Mem{Base: values, Index: next, Scale: 4}, kept, v)
	case bfloat16s:
		VPMOVZXWD(Mem{Base: values, Index: next, Scale: 2}, x)
		VPSLLD(Imm(16), x, x)
		VEXPANDPS_Z(x, kept, x)
		VADDPS(x, v, kept, v)
	case int8s:
		VPMOVSXBD(Mem{Base: values, Index: next, Scale: 1}, x)
		VCVTDQ2PS(x, x)
		VEXPANDPS_Z(x, kept, x)
		VMULPS(scale, x, x)
		VADDPS(x, v, kept, v)
	case signs:
		at, bits, up := GP64(), GP64(), K()
		MOVQ(next, at)
		SHRQ(Imm(3), at)
		MOVQ(Mem{Base: values, Index: at, Scale: 1}, bits)
		MOVL(next.(GPVirtual).As32(), at.As32())
		ANDL(Imm(7), at.As32())
		SHRXQ(at, bits, bits)
		PDEPL(m.As32(), bits.As32(), bits.As32())
		KMOVW(bits.As32(), up)
		VMOVAPS(down, x)
		VMOVAPS(scale, up, x)
		VADDPS(x, v, kept, v)
	}
	store(v, Mem{Base: dst})
	ADDQ(count, next)
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
