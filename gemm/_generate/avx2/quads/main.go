// Command quads generates the AVX2 kernels of sparse changes: avx2_quads_amd64.s and
// its stubs in package kernel. Run it by
//
//	go generate ./gemm/...
//
// The comment of each stub names the portable function that is its reference.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
)

const lanes = 8

func main() {
	ConstraintExpr("!noasm")
	vector := func() VecVirtual { return YMM() }
	TEXT("sumSignQuads8AVX2", NOSPLIT, "func(sums, lines *float32, places *[4]uint16, outputs *uint8, begun, rest int)")
	Pragma("noescape")
	Doc("sumSignQuads8AVX2 computes the products of quads without values for 8 lanes: begun", "> 0 that begin sums, and the rest. The reference is sumQuadsPortable.")
	asm.SumQuads(vector, 5, false)
	TEXT("sumQuads8AVX2", NOSPLIT, "func(sums, lines *float32, places *[4]uint16, outputs *uint8, values *[4]float32, begun, rest int)")
	Pragma("noescape")
	Doc("sumQuads8AVX2 computes the products of quads for 8 lanes: begun > 0 that", "begin sums, and the rest. The reference is sumQuadsPortable.")
	asm.SumQuads(vector, 5, true)
	gaps("gapsToQuadsAVX2", 0xff, false)
	gaps("signGapsToQuadsAVX2", 0x7f, true)
	loadStrip()
	storeSums("storeSums8AVX2", false)
	storeSums("storeSignSums8AVX2", true)
	Generate()
}

// gaps generates the kernel that puts the places of a tile's values into quads. low is
// the bits of a byte that hold the gap, and the gap that is a skip.
//
// Neither skips nor full quads can be predicted, so there are no branches for them. A
// skip writes 0 to a slot that stays unused.
func gaps(name string, low uint64, signs bool) {
	params, doc := "func(gaps *byte, n int, position uint32, places *uint16, outputs *uint8, column uint32, open *[32]uint32, next uint32", "signs"
	if !signs {
		params += ", slots *uint32"
		doc = "values, whose slots it stores"
	}
	TEXT(name, NOSPLIT, params+") uint32")
	Pragma("noescape")
	Doc(name+" puts the places of a tile with n > 0 gaps into quads, for "+doc+".", "It returns the first free quad. The reference is quadFiller.gapsPortable.")
	from, end := Load(Param("gaps"), GP64()), Load(Param("n"), GP64())
	ADDQ(from, end)
	position := Load(Param("position"), GP32())
	places, outputs := Load(Param("places"), GP64()), Load(Param("outputs"), GP64())
	open, next := Load(Param("open"), GP64()), GP64()
	Load(Param("next"), next.As32())
	column, err := Param("column").Resolve()
	if err != nil {
		panic(err)
	}
	var slots Register
	if !signs {
		slots = Load(Param("slots"), GP64())
	}
	Label("loop")
	gap, kept := GP32(), GP64()
	MOVBLZX(Mem{Base: from}, gap)
	XORL(kept.As32(), kept.As32())
	negative := GP32() // 16 if the sign is negative
	if signs {
		MOVL(gap, negative)
		NOTL(negative)
		ANDL(Imm(low), gap)
		SHRL(Imm(3), negative)
		ANDL(Imm(16), negative)
	}
	ADDL(gap, position)
	CMPL(gap, U32(low))
	SETNE(kept.As8())
	row := GP64()
	MOVL(position, row.As32())
	ANDL(Imm(15), row.As32())
	line, output := GP32(), GP32()
	MOVL(position, line)
	SHRL(Imm(4), line)
	MOVL(row.As32(), output)
	ORL(column.Addr, output)
	if signs {
		ADDL(negative, row.As32())
		ADDL(negative, output)
		ADDL(negative, output)
	}
	// line, or 0 for a skip.
	IMULL(kept.As32(), line)
	slot := GP64()
	MOVL(Mem{Base: open, Index: row, Scale: 4}, slot.As32())
	MOVW(line.As16(), Mem{Base: places, Index: slot, Scale: 2})
	if !signs {
		MOVL(slot.As32(), Mem{Base: slots})
		LEAQ(Mem{Base: slots, Index: kept, Scale: 4}, slots)
	}
	ADDL(kept.As32(), position)
	MOVB(output.As8(), Mem{Base: outputs, Index: next, Scale: 1})
	// full is 1 if the value was the last of its quad.
	full, free := GP64(), GP64()
	MOVL(slot.As32(), full.As32())
	ANDL(Imm(3), full.As32())
	ADDL(kept.As32(), full.As32())
	ADDL(kept.As32(), slot.As32())
	MOVL(next.As32(), free.As32())
	SHLL(Imm(2), free.As32())
	SHRL(Imm(2), full.As32())
	CMOVLNE(free.As32(), slot.As32())
	ADDL(full.As32(), next.As32())
	MOVL(slot.As32(), Mem{Base: open, Index: row, Scale: 4})
	INCQ(from)
	CMPQ(from, end)
	JLT(LabelRef("loop"))
	Store(next.As32(), ReturnIndex(0))
	RET()
}

// transpose returns the columns of a block of 8×8 values. half(i, h) is the operand of
// the four values of row i from column 4·h on.
func transpose(half func(i, h int) Mem) [lanes]VecVirtual {
	// Lanes 0 to 3 of rows[i] are columns 4h … of row i, and lanes 4 to 7 those of row
	// i+4, so that no instruction but the loads crosses the halves of a vector.
	var columns [lanes]VecVirtual
	for h := range 2 {
		var rows [4]VecVirtual
		for i := range rows {
			rows[i] = YMM()
			VMOVUPS(half(i, h), rows[i].AsX())
			VINSERTF128(Imm(1), half(i+4, h), rows[i], rows[i])
		}
		low01, high01, low23, high23 := YMM(), YMM(), YMM(), YMM()
		VUNPCKLPS(rows[1], rows[0], low01)
		VUNPCKHPS(rows[1], rows[0], high01)
		VUNPCKLPS(rows[3], rows[2], low23)
		VUNPCKHPS(rows[3], rows[2], high23)
		for j, from := range [][2]VecVirtual{{low01, low23}, {high01, high23}} {
			even, odd := YMM(), YMM()
			VUNPCKLPD(from[1], from[0], even)
			VUNPCKHPD(from[1], from[0], odd)
			columns[4*h+2*j], columns[4*h+2*j+1] = even, odd
		}
	}
	return columns
}

// loadStrip generates the kernel that transposes activations.
func loadStrip() {
	TEXT("loadStrip8AVX2", NOSPLIT, "func(lines *float32, lineBytes uintptr, rows *[8]*float32, n int)")
	Pragma("noescape")
	Doc("loadStrip8AVX2 fills eight lanes of a strip: n inputs, a multiple of 8 above 0, of", "eight rows. lines is the line of the first input. The reference is", "loadStripPortable.")
	lines, lineBytes := Load(Param("lines"), GP64()), Load(Param("lineBytes"), GP64())
	pointers, n := Load(Param("rows"), GP64()), Load(Param("n"), GP64())
	var rows [lanes]GPVirtual
	for i := range rows {
		rows[i] = GP64()
		MOVQ(Mem{Base: pointers, Disp: 8 * i}, rows[i])
	}
	offset := GP64()
	XORQ(offset, offset)
	Label("loop")
	for _, column := range transpose(func(i, h int) Mem { return Mem{Base: rows[i], Index: offset, Scale: 4, Disp: 16 * h} }) {
		VMOVUPS(column, Mem{Base: lines})
		ADDQ(lineBytes, lines)
	}
	ADDQ(Imm(lanes), offset)
	CMPQ(offset, n)
	JL(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// storeSums generates the kernel that transposes sums. With signs, it subtracts those of
// the negative values first, which are 32 sums further on.
func storeSums(name string, signs bool) {
	TEXT(name, NOSPLIT, "func(rows *[8]*float32, sums *float32, laneBytes uintptr, scales, bias *float32)")
	Pragma("noescape")
	doc := []string{name + " stores bias + sum·scale of eight lanes in eight rows of 32 outputs.", "The sums of the outputs are laneBytes apart."}
	if signs {
		doc = append(doc, "It subtracts the sums of negative values.")
	}
	Doc(append(doc, "The reference is storeSumsPortable.")...)
	pointers, sums, stride := Load(Param("rows"), GP64()), Load(Param("sums"), GP64()), Load(Param("laneBytes"), GP64())
	scales, bias := Load(Param("scales"), GP64()), Load(Param("bias"), GP64())
	offset, negative := GP64(), GP64()
	if signs {
		MOVQ(stride, negative)
		SHLQ(Imm(5), negative)
		ADDQ(sums, negative)
	}
	XORQ(offset, offset)
	Label("loop")
	var outputs [lanes]VecVirtual
	for i := range outputs {
		outputs[i] = YMM()
		VMOVUPS(Mem{Base: sums}, outputs[i])
		ADDQ(stride, sums)
		if signs {
			VSUBPS(Mem{Base: negative}, outputs[i], outputs[i])
			ADDQ(stride, negative)
		}
	}
	for i, column := range transposed(outputs) {
		row := GP64()
		MOVQ(Mem{Base: pointers, Disp: 8 * i}, row)
		VMULPS(Mem{Base: scales, Index: offset, Scale: 4}, column, column)
		VADDPS(Mem{Base: bias, Index: offset, Scale: 4}, column, column)
		VMOVUPS(column, Mem{Base: row, Index: offset, Scale: 4})
	}
	ADDQ(Imm(lanes), offset)
	CMPQ(offset, Imm(32))
	JL(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// transposed returns the columns of a block of 8×8 values whose rows are in registers.
func transposed(rows [lanes]VecVirtual) [lanes]VecVirtual {
	var halves, columns [lanes]VecVirtual
	for i := 0; i < lanes; i += 4 { // columns 0 to 3 and, in the upper half, 4 to 7 of four rows
		low01, high01, low23, high23 := YMM(), YMM(), YMM(), YMM()
		VUNPCKLPS(rows[i+1], rows[i], low01)
		VUNPCKHPS(rows[i+1], rows[i], high01)
		VUNPCKLPS(rows[i+3], rows[i+2], low23)
		VUNPCKHPS(rows[i+3], rows[i+2], high23)
		for j, from := range [][2]VecVirtual{{low01, low23}, {high01, high23}} {
			halves[i+2*j], halves[i+2*j+1] = YMM(), YMM()
			VUNPCKLPD(from[1], from[0], halves[i+2*j])
			VUNPCKHPD(from[1], from[0], halves[i+2*j+1])
		}
	}
	for c := range 4 {
		columns[c], columns[c+4] = YMM(), YMM()
		VPERM2F128(Imm(0x20), halves[c+4], halves[c], columns[c])
		VPERM2F128(Imm(0x31), halves[c+4], halves[c], columns[c+4])
	}
	return columns
}
