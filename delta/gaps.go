package delta

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// gapCode is how positions are written as gaps in bytes. The skip is the byte
// that passes over as many positions without keeping one.
type gapCode struct {
	low  byte // bits of the byte that hold the gap
	skip byte
}

// Gaps beside values, and gaps whose top bit is the sign of the value.
var (
	plainGaps = gapCode{low: 0xff, skip: 0xff}
	signGaps  = gapCode{low: 0x7f, skip: 0x7f}
)

// gapCode returns the one that the coding uses.
func (c Coding) gapCode() gapCode {
	if c == Sign {
		return signGaps
	}
	return plainGaps
}

// append adds a kept position that is gap ≥ 1 after the one before.
func (g gapCode) append(out []byte, gap int) []byte {
	gap--
	for ; gap >= int(g.skip); gap -= int(g.skip) {
		out = append(out, g.skip)
	}
	return append(out, byte(gap))
}

const (
	eachByte = 0x0101010101010101
	eachPair = 0x0001000100010001
)

// sum8 returns how many positions eight bytes pass over, how many of them they
// keep, and the top bit of each byte that is a skip.
func (g gapCode) sum8(x uint64) (passed, kept int, skips uint64) {
	each := eachByte * uint64(g.skip) // a skip has all of the low bits
	x &= each
	skips = zeroBytes(x ^ each)
	kept = 8 - bits.OnesCount64(skips)
	pairs := x&(eachPair*0xff) + x>>8&(eachPair*0xff)
	return int(pairs*eachPair>>48) + kept, kept, skips
}

// zeroBytes returns the top bit of each byte that is zero.
func zeroBytes(x uint64) uint64 {
	const low7 = eachByte * 0x7f
	return ^((x&low7 + low7) | x | low7)
}

// scan checks the bytes of one tile: it returns how many positions they keep
// and the last of them.
func (g gapCode) scan(tile []byte) (kept, last int, err error) {
	last = -1
	rest := tile
	for ; len(rest) >= 8; rest = rest[8:] {
		x := binary.LittleEndian.Uint64(rest)
		if g == signGaps && zeroBytes(x^eachByte*0xff) != 0 {
			return 0, 0, fmt.Errorf("%w: a skip with a sign", ErrGap)
		}
		passed, k, _ := g.sum8(x)
		last, kept = last+passed, kept+k
	}
	for _, b := range rest {
		if g == signGaps && b == 0xff {
			return 0, 0, fmt.Errorf("%w: a skip with a sign", ErrGap)
		}
		last += int(b & g.low)
		if b&g.low != g.skip {
			last, kept = last+1, kept+1
		}
	}
	if len(tile) > 0 && tile[len(tile)-1] == g.skip {
		return 0, 0, fmt.Errorf("%w: a skip at the end", ErrGap)
	}
	return kept, last, nil
}
