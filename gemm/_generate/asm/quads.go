package asm

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// SumQuads generates the body of a kernel that computes the products of a strip with
// quads; see package kernel. vector returns a register of all lanes, and shift is the
// binary logarithm of its bytes. With values, each line is multiplied first.
func SumQuads(vector func() VecVirtual, shift int, values bool) {
	sums, lines := Load(Param("sums"), GP64()), Load(Param("lines"), GP64())
	places, outputs := Load(Param("places"), GP64()), Load(Param("outputs"), GP64())
	var factors Register
	if values {
		factors = Load(Param("values"), GP64())
	}
	mask, n := GP64(), GP64()
	MOVQ(U64(0xffff<<shift), mask)
	quad := func(add bool) {
		word, output := GP64(), GP64()
		MOVQ(Mem{Base: places}, word)
		MOVBQZX(Mem{Base: outputs}, output)
		SHLQ(Imm(uint64(shift)), output)
		var x [4]VecVirtual
		for i := range x {
			// The offset of the line at place i: 16 bits of the word, shifted left.
			at := GP64()
			RORXQ(Imm(uint64((64+16*i-shift)%64)), word, at)
			ANDQ(mask, at)
			line := Mem{Base: lines, Index: at, Scale: 1}
			switch {
			case values:
				x[i] = vector()
				VBROADCASTSS(Mem{Base: factors, Disp: 4 * i}, x[i])
				VMULPS(line, x[i], x[i])
				if i%2 == 1 {
					VADDPS(x[i], x[i-1], x[i-1])
				}
			case i%2 == 0:
				x[i] = vector()
				VMOVUPS(line, x[i])
			default:
				VADDPS(line, x[i-1], x[i-1])
			}
		}
		VADDPS(x[2], x[0], x[0])
		if add {
			VADDPS(Mem{Base: sums, Index: output, Scale: 1}, x[0], x[0])
		}
		VMOVUPS(x[0], Mem{Base: sums, Index: output, Scale: 1})
		ADDQ(Imm(8), places)
		INCQ(outputs)
		if values {
			ADDQ(Imm(16), factors)
		}
	}
	Load(Param("begun"), n)
	Label("begin")
	quad(false)
	DECQ(n)
	JNZ(LabelRef("begin"))
	Load(Param("rest"), n)
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("loop")
	quad(true)
	DECQ(n)
	JNZ(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
