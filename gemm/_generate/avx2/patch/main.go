// Command patch generates the AVX2 kernels that patch panels: avx2_patch_amd64.s and
// its stubs in package kernel. Run it by
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

const vector = asm.YMMBytes

// fetchDistance is how many bytes before their use weights are fetched. They come
// from memory, and the hardware prefetcher stops at the end of each page.
const fetchDistance = 16 * asm.RowBytes

func main() {
	ConstraintExpr("!noasm")
	for _, coding := range value.Codings {
		masks(coding, false)
		masks(coding, true)
		gaps(coding)
	}
	copyRows()
	copyAndFetch("copyFetchAVX2", func(v, m Op) { VMOVUPS(v, m) })
	copyAndFetch("streamFetchAVX2", func(v, m Op) { VMOVNTPS(v, m) })
	prefetch()
	storeFence()
	Generate()
}

// quarterBits returns the bits of a pair of masks that belong to quarter q: one bit
// in each lane. Quarters 0 and 1 are the lower and upper eight columns of the first
// row, 2 and 3 those of the second.
func quarterBits(q int) Mem {
	return asm.Table(fmt.Sprint("patch_quarter_", q), 8, 4, func(l int) Constant { return U32(1 << (8*q + l)) })
}

// masks generates the kernel that copies one tile's half of a panel, two rows at a
// time, and applies values where bits of the masks are set. stream bypasses the
// caches. For eight weights the kernel always reads a whole vector of values,
// however few of them are kept. It stops when the stream may have fewer left.
func masks(coding value.Coding, stream bool) {
	name, store := fmt.Sprintf("patchMasks%sAVX2", coding), func(v, m Op) { VMOVUPS(v, m) }
	past := ""
	if stream {
		name, store = fmt.Sprintf("streamMasks%sAVX2", coding), func(v, m Op) { VMOVNTPS(v, m) }
		past = ", bypassing the caches"
	}
	TEXT(name, NOSPLIT, "func(dst, src *float32, masks *uint16, n int, ranks *[256][8]uint32, values *byte, from, remaining int, scales *[16]float32) (rows, next int)")
	Pragma("noescape")
	Doc(
		fmt.Sprintf("%s copies a tile's half of up to n panel rows from src to dst%s,", name, past),
		"and applies values where masks have a bit. from is the index of the first value,",
		"remaining the number of values from there to the end of the stream. It returns the",
		"number of rows done, which is even, and the index of the next value. The reference",
		"is TileCursor.patchMasksPortable.",
	)
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	mask := Load(Param("masks"), GP64())
	n := Load(Param("n"), GP64())
	ranks := Load(Param("ranks"), GP64())
	values := Load(Param("values"), GP64())
	next := Load(Param("from"), GP64())
	last := Load(Param("remaining"), GP64()) // the last index at which a pair of rows may begin
	ADDQ(next, last)
	// The number of values that a pair of rows reads from its first one.
	reads := map[value.Coding]int{value.Float32: 32, value.BFloat16: 32, value.Int8: 32, value.Int4: 24 + 1 + 16, value.Sign: 7 + 64}[coding]
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
	if coding.Scaled() {
		p := Load(Param("scales"), GP64())
		for h := range scales {
			VMOVUPS(Mem{Base: p, Disp: h * vector}, scales[h])
		}
	}
	signBit := YMM()
	if coding == value.Sign {
		VMOVUPS(asm.Lanes(1<<31), signBit)
		for h := range scales {
			VXORPS(signBit, scales[h], scales[h])
		}
	}

	Label("loop")
	CMPQ(done, n)
	JG(LabelRef("end"))
	CMPQ(next, last)
	JG(LabelRef("end"))
	for i := range 2 {
		PREFETCHT0(Mem{Base: src, Disp: fetchDistance + i*asm.RowBytes})
	}
	pair, m, signBits := YMM(), GP64(), GP64()
	VPBROADCASTD(Mem{Base: mask, Index: done, Scale: 2}, pair)
	MOVL(Mem{Base: mask, Index: done, Scale: 2}, m.As32())
	if coding == value.Sign {
		at, shift := GP64(), GP64()
		MOVQ(next, at)
		SHRQ(Imm(3), at)
		MOVQ(next, shift)
		ANDQ(Imm(7), shift)
		MOVQ(Mem{Base: values, Index: at, Scale: 1}, signBits)
		SHRXQ(shift, signBits, signBits)
	}
	for q := range 4 {
		h, at := q%2, q/2*asm.RowBytes+q%2*vector
		// The byte of the mask, times the 32 bytes of its entry in the table.
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
		case value.Float32:
			VMOVDQU(entry, v)
			VPERMPS(Mem{Base: values, Index: next, Scale: 4}, v, v)
		case value.BFloat16:
			VBROADCASTI128(Mem{Base: values, Index: next, Scale: 2}, v)
			VPSHUFB(entry, v, v)
			VADDPS(base, v, v)
		case value.Int8:
			VPBROADCASTQ(Mem{Base: values, Index: next, Scale: 1}, v)
			VPSHUFB(entry, v, v)
			VPSRAD(Imm(24), v, v)
			VCVTDQ2PS(v, v)
			VMULPS(scales[h], v, v)
			VADDPS(base, v, v)
		case value.Int4:
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
		case value.Sign:
			VMOVD(signBits.As32(), v.AsX())
			VPBROADCASTD(v.AsX(), v)
			VPSLLVD(entry, v, v)
			VPAND(signBit, v, v)
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
	ADDQ(U32(2*asm.RowBytes), src)
	ADDQ(U32(2*asm.RowBytes), dst)
	ADDQ(Imm(2), done)
	JMP(LabelRef("loop"))
	Label("end")
	VZEROUPPER()
	Store(done, ReturnIndex(0))
	Store(next, ReturnIndex(1))
	RET()
}

// gaps generates the kernel that applies values one by one where gaps lead.
func gaps(coding value.Coding) {
	name := fmt.Sprintf("patchGaps%sAVX2", coding)
	TEXT(name, NOSPLIT, "func(rows *float32, gaps *byte, n, last, end int, values *byte, from int, scales *[16]float32) (used, position, next int)")
	Pragma("noescape")
	doc := []string{
		fmt.Sprintf("%s applies values to a tile's half of panel rows where up to n > 0", name),
		"gaps lead from position last, while that is before position end. from is the index",
		"of the first value. It returns the number of gaps used, the last position, and the",
		"index of the next value. The reference is TileCursor.patchGapsPortable.",
	}
	if coding == value.Sign {
		doc = append(doc, "The signs are in the gaps: values is not read, and next is from.")
	}
	Doc(doc...)
	rows := Load(Param("rows"), GP64())
	gap := Load(Param("gaps"), GP64())
	n := Load(Param("n"), GP64())
	position := Load(Param("last"), GP64())
	end := Load(Param("end"), GP64())
	var values, next, scales Register
	if coding != value.Sign {
		values = Load(Param("values"), GP64())
		next = Load(Param("from"), GP64())
	}
	if coding.Scaled() {
		scales = Load(Param("scales"), GP64())
	}
	ADDQ(n, gap)
	NEGQ(n) // minus the number of gaps left
	var gapSteps, factors Register
	switch coding {
	case value.Sign:
		gapSteps, factors = steps(), GP64()
		LEAQ(asm.Table("patch_factors", 256, 4, func(b int) Constant {
			switch {
			case b == 127: // a skip: −0, whose sum with any weight is the weight
				return U32(1 << 31)
			case b < 128:
				return F32(-1)
			}
			return F32(1)
		}), factors)
	case value.Int8:
		factors = GP64()
		LEAQ(asm.Table("patch_int8s", 256, 4, func(b int) Constant { return F32(int8(b)) }), factors)
	case value.Int4:
		factors = GP64()
		LEAQ(asm.Table("patch_int4s", 16, 4, func(b int) Constant { return F32(int8(b<<4) >> 4) }), factors)
	}

	Label("loop")
	b := GP64()
	MOVBQZX(Mem{Base: gap, Index: n, Scale: 1}, b)
	if coding == value.Sign {
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
	// Position 16k+r of the tile is weight 32k+r of the panel.
	row, at := GP64(), GP64()
	MOVQ(position, row)
	ANDL(Imm(15), row.As32())
	LEAQ(Mem{Base: position, Index: position, Scale: 1}, at)
	SUBQ(row, at)
	weight := Mem{Base: rows, Index: at, Scale: 4}
	x := XMM()
	switch coding {
	case value.Float32:
		VMOVSS(Mem{Base: values, Index: next, Scale: 4}, x)
	case value.BFloat16:
		v := GP32()
		MOVWLZX(Mem{Base: values, Index: next, Scale: 2}, v)
		SHLL(Imm(16), v)
		VMOVD(v, x)
	case value.Int8:
		v := GP64()
		MOVBQZX(Mem{Base: values, Index: next, Scale: 1}, v)
		VMOVSS(Mem{Base: factors, Index: v, Scale: 4}, x)
	case value.Int4: // in the upper half of a byte if next is odd
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
	case value.Sign:
		VMOVSS(Mem{Base: factors, Index: b, Scale: 4}, x)
	}
	if coding.Scaled() {
		VMULSS(Mem{Base: scales, Index: row, Scale: 4}, x, x)
	}
	if coding != value.Float32 {
		VADDSS(weight, x, x)
	}
	VMOVSS(x, weight)
	if coding != value.Sign {
		INCQ(next)
	}
	INCQ(n)
	JNZ(LabelRef("loop"))
	JMP(LabelRef("end"))
	if coding != value.Sign {
		Label("skip")
		ADDQ(b, position)
		CMPQ(position, end)
		JGE(LabelRef("back"))
		INCQ(n)
		JNZ(LabelRef("loop"))
		JMP(LabelRef("end"))
	}
	Label("beyond")
	if coding == value.Sign {
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
	if coding == value.Sign {
		next = Load(Param("from"), GP64())
	}
	Store(next, ReturnIndex(2))
	RET()
}

// steps returns the address of a table of 256 bytes: by how many positions a gap
// with a sign moves forward.
func steps() Register {
	r := GP64()
	LEAQ(asm.Table("patch_steps", 256, 1, func(b int) Constant {
		if b&127 == 127 { // a skip
			return U8(127)
		}
		return U8(b&127 + 1)
	}), r)
	return r
}

// copyRows generates the kernel that copies panel rows.
func copyRows() {
	TEXT("copyRowsAVX2", NOSPLIT, "func(dst, src *float32, n int)")
	Pragma("noescape")
	Doc("copyRowsAVX2 copies n > 0 panel rows.")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	for i := range 4 {
		v := YMM()
		VMOVUPS(Mem{Base: src, Disp: i * vector}, v)
		VMOVUPS(v, Mem{Base: dst, Disp: i * vector})
	}
	ADDQ(U32(asm.RowBytes), src)
	ADDQ(U32(asm.RowBytes), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// copyAndFetch generates the kernels that copy panel rows, into the caches or past
// them, and fetch half as many that will be read later. One kernel copies a block
// into the caches, where it is patched, and the other one writes it to memory: the
// fetches of both keep memory busy all the time.
func copyAndFetch(name string, store func(v, m Op)) {
	TEXT(name, NOSPLIT, "func(dst, src, next *float32, n int)")
	Pragma("noescape")
	past := ""
	if name == "streamFetchAVX2" {
		past = " past the caches"
	}
	Doc(name+" copies n > 0 panel rows"+past+", and fetches half as many at", "next into the second-level cache.")
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
	ADDQ(U32(asm.RowBytes), dst)
	ADDQ(U32(asm.RowBytes), src)
	ADDQ(U32(asm.RowBytes/2), next)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// prefetch generates the kernel that fetches memory that will be read soon.
func prefetch() {
	TEXT("prefetchAVX2", NOSPLIT, "func(first *byte, n int)")
	Pragma("noescape")
	Doc("prefetchAVX2 fetches the cache lines of n > 0 bytes.")
	first := Load(Param("first"), GP64())
	n := Load(Param("n"), GP64())
	ADDQ(first, n)
	ANDQ(I8(-asm.CacheLine), first) // so that the last cache line is fetched, too
	Label("loop")
	PREFETCHT0(Mem{Base: first})
	ADDQ(Imm(64), first)
	CMPQ(first, n)
	JLT(LabelRef("loop"))
	RET()
}

// storeFence generates the instruction that has to follow stores past the caches.
func storeFence() {
	TEXT("storeFence", NOSPLIT, "func()")
	Doc("storeFence makes the stores past the caches before it visible before later stores.")
	SFENCE()
	RET()
}
