// Package asm holds the parts that the generators of several kernels share:
// loops, the addressing of rows, constants in memory and horizontal folds.
package asm

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	YMMBytes = 32 // bytes of an AVX2 register
	ZMMBytes = 64 // bytes of an AVX-512 register

	// RowBytes is the size of a panel row, and of the 32 sums of one row of A.
	RowBytes = 128
	// TileBytes is the size of one tile's half of a panel row.
	TileBytes = 64
	// CacheLine is the size of a cache line.
	CacheLine = 64
)

// Rows addresses rows of A. Each base register reaches three rows: x86 addresses
// base + stride and base + 2·stride without further instructions.
type Rows struct {
	bases  []GPVirtual
	stride Register
}

// LoadRows loads the parameters a and aStride for a kernel of n rows.
func LoadRows(n int) Rows {
	r := Rows{bases: []GPVirtual{GP64()}, stride: Load(Param("aStride"), GP64())}
	Load(Param("a"), r.bases[0])
	for len(r.bases)*3 < n {
		last, next := r.bases[len(r.bases)-1], GP64()
		LEAQ(Mem{Base: last, Index: r.stride, Scale: 2}, next)
		ADDQ(r.stride, next)
		r.bases = append(r.bases, next)
	}
	return r
}

// At returns the operand disp bytes into row i.
func (r Rows) At(i, disp int) Mem {
	m := Mem{Base: r.bases[i/3], Disp: disp}
	if i%3 > 0 {
		m.Index, m.Scale = r.stride, uint8(i%3)
	}
	return m
}

// Advance moves all rows forward.
func (r Rows) Advance(bytes int) {
	for _, b := range r.bases {
		ADDQ(Imm(uint64(bytes)), b)
	}
}

// Loop runs step k times, in groups of four while at least four are left. step
// gets its index in the group. before, if not nil, runs once for each group of
// four. advance moves the pointers forward by n steps.
func Loop(k Register, before func(), step func(u int), advance func(n int)) {
	const unroll = 4
	SUBQ(Imm(unroll), k)
	JL(LabelRef("rest"))
	Label("unrolled")
	if before != nil {
		before()
	}
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

var tables = map[string]Mem{}

// Table returns a read-only table in memory: n elements of the given size in
// bytes, element i being f(i). Calls with the same name return the same table.
func Table(name string, n, size int, f func(i int) Constant) Mem {
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

// Lanes returns a YMM operand in memory: the same 32 bits eight times.
func Lanes(bits uint32) Mem {
	return Table(fmt.Sprintf("lanes_%08x", bits), 8, 4, func(int) Constant { return U32(bits) })
}

// Broadcast loads a 32-bit parameter into all lanes of a vector.
func Broadcast(name string) VecVirtual {
	m, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	v := YMM()
	VBROADCASTSS(m.Addr, v)
	return v
}

// Fold reduces the lanes of a vector by op. Afterwards every lane holds the
// result.
func Fold(x VecVirtual, op func(a, b, c Op)) {
	y := YMM()
	VPERM2F128(Imm(0x01), x, x, y)
	op(y, x, x)
	VSHUFPS(Imm(0x4E), x, x, y)
	op(y, x, x)
	VSHUFPS(Imm(0xB1), x, x, y)
	op(y, x, x)
}
