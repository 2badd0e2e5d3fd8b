package sparse

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// GapCode says how the positions of a tile are written as bytes, each of which
// moves a position that begins at −1. The position of (row, column) in a tile is
// TileRows·column + row or, if the tensor is RowMajor, Columns·row + column.
//
// A byte b whose bits under Low are less than Skip moves the position by b&Low +
// 1 and keeps it. A byte whose bits under Low are Skip moves it by Skip and keeps
// nothing.
type GapCode struct {
	Low  byte // the bits of a byte that hold the gap
	Skip byte
}

var (
	// PlainGaps is the code of gaps beside values.
	PlainGaps = GapCode{Low: 0xff, Skip: 0xff}
	// SignGaps is the code of gaps whose top bit is the sign of the value. A
	// skip has no sign: its top bit is 0.
	SignGaps = GapCode{Low: 0x7f, Skip: 0x7f}
)

// GapCode returns the code of the gaps that go with the coding.
func (c Coding) GapCode() GapCode {
	if c == Sign {
		return SignGaps
	}
	return PlainGaps
}

// Append appends a kept position that is gap ≥ 1 positions after the one before.
func (g GapCode) Append(out []byte, gap int) []byte {
	gap--
	for ; gap >= int(g.Skip); gap -= int(g.Skip) {
		out = append(out, g.Skip)
	}
	return append(out, byte(gap))
}

const (
	// EachByte has 1 in each byte: times b it has b in each byte.
	EachByte = 0x0101010101010101

	eachPair = 0x0001000100010001
)

// Sum8 returns by how much the eight bytes of x move the position, how many of
// them keep one, and the top bit of each byte that is a skip. It looks at the
// bits under Low alone.
func (g GapCode) Sum8(x uint64) (moved, kept int, skips uint64) {
	each := EachByte * uint64(g.Skip) // a skip has all the bits of Low
	x &= each
	skips = zeroBytes(x ^ each)
	kept = 8 - bits.OnesCount64(skips)
	pairs := x&(eachPair*0xff) + x>>8&(eachPair*0xff)
	return int(pairs*eachPair>>48) + kept, kept, skips
}

// zeroBytes returns the top bit of each byte that is zero.
func zeroBytes(x uint64) uint64 {
	const low7 = EachByte * 0x7f
	return ^((x&low7 + low7) | x | low7)
}

// Scan checks the bytes of one tile. It returns how many positions they keep and
// the last position, −1 if there are no bytes.
func (g GapCode) Scan(tile []byte) (kept, last int, err error) {
	last = -1
	rest := tile
	for ; len(rest) >= 8; rest = rest[8:] {
		x := binary.LittleEndian.Uint64(rest)
		if g == SignGaps && zeroBytes(x^EachByte*0xff) != 0 {
			return 0, 0, fmt.Errorf("%w: a skip has a sign", ErrGap)
		}
		moved, k, _ := g.Sum8(x)
		last, kept = last+moved, kept+k
	}
	for _, b := range rest {
		if g == SignGaps && b == 0xff {
			return 0, 0, fmt.Errorf("%w: a skip has a sign", ErrGap)
		}
		last += int(b & g.Low)
		if b&g.Low != g.Skip {
			last, kept = last+1, kept+1
		}
	}
	if len(tile) > 0 && tile[len(tile)-1] == g.Skip {
		return 0, 0, fmt.Errorf("%w: the tile ends in a skip", ErrGap)
	}
	return kept, last, nil
}
