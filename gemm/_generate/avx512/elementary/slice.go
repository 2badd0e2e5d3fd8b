package elementary

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
)

const vectorBytes = asm.ZMMBytes

// Slice is the memory that a kernel goes through, vector by vector.
type Slice struct {
	Start, N Register // N is the number of values
	Tail     Register // mask of the values that do not fill a vector
	full     Register // number of whole vectors
	p, i     GPVirtual
}

// NewSlice returns the slice of the parameters with the given name and "n".
func NewSlice(pointer string) *Slice {
	s := &Slice{Start: Load(Param(pointer), GP64()), N: Load(Param("n"), GP64()), p: GP64(), i: GP64()}
	full, rest, mask := GP64(), GP64(), GP64()
	MOVQ(s.N, full)
	SHRQ(Imm(4), full)
	MOVQ(s.N, rest)
	ANDQ(Imm(vectorBytes/4-1), rest)
	MOVQ(U32(1), mask)
	SHLXQ(rest, mask, mask)
	DECQ(mask)
	tail := K()
	KMOVW(mask.As32(), tail)
	s.full, s.Tail = full, tail
	return s
}

// Each runs body for all vectors, several at a time as long as there are enough, and
// last for the values that do not fill one, if there are any. The bodies find the
// values at p. advance moves further pointers by a number of vectors.
func (s *Slice) Each(label string, several int, body func(n int), last func(), advance func(n int)) {
	MOVQ(s.Start, s.p)
	MOVQ(s.full, s.i)
	step := func(n int) {
		body(n)
		ADDQ(U32(n*vectorBytes), s.p)
		if advance != nil {
			advance(n)
		}
	}
	SUBQ(Imm(uint64(several)), s.i)
	JL(LabelRef(label + "_few"))
	Label(label)
	step(several)
	SUBQ(Imm(uint64(several)), s.i)
	JGE(LabelRef(label))
	Label(label + "_few")
	ADDQ(Imm(uint64(several)), s.i)
	JZ(LabelRef(label + "_rest"))
	Label(label + "_one")
	step(1)
	DECQ(s.i)
	JNZ(LabelRef(label + "_one"))
	Label(label + "_rest")
	KTESTW(s.Tail, s.Tail)
	JZ(LabelRef(label + "_done"))
	last()
	Label(label + "_done")
}

// At returns the operand of vector j from p.
func (s *Slice) At(j int) Mem { return Mem{Base: s.p, Disp: j * vectorBytes} }
