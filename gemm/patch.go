package gemm

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// Patch is a sparse change of a Matrix in tile order. A tile is 16 consecutive
// outputs (rows of W): half a panel. For each tile that changes there is one
// mask for each input, and the values follow in the order tile, input, output,
// which is the order in which they lie in the panels.
//
// Exactly one of Float32s, Int8s and Signs holds the values. A patch is never
// written to, so its slices may lie in a read-only memory map.
type Patch struct {
	// Tiles are the indices of the tiles that change, strictly rising: tile t
	// holds the outputs 16t to 16t+15.
	Tiles []uint32
	// Ends[i] is the number of values in the first i+1 of these tiles.
	Ends []uint32
	// Masks is [len(Tiles)][K]. Bit r of entry k: output 16t+r has a value for
	// input k.
	Masks []uint16

	// Float32s replace the base's weights.
	Float32s []float32
	// Int8s change them to base + scale·value, the product rounded to float32
	// before it is added.
	Int8s []int8
	// Signs is a bit stream, least significant bit first: 1 makes a weight
	// base + scale, 0 base - scale.
	Signs []byte
	// Scales is [len(Tiles)][16], one scale an output, for Int8s and Signs.
	Scales []float32
}

// ErrPatch is wrapped by the errors of patches that do not fit their matrix or
// contradict themselves.
var ErrPatch = errors.New("invalid patch")

// Patched returns a copy of m with the patch applied. m is left as it is, and
// the two share no memory.
func (m *Matrix) Patched(p *Patch) (*Matrix, error) {
	if err := p.check(m); err != nil {
		return nil, fmt.Errorf("gemm: %w: %w", ErrPatch, err)
	}
	out := &Matrix{n: m.n, k: m.k, panels: copyPanels(m.panels)}
	from := 0
	for i, t := range p.Tiles {
		panel := out.panel(int(t) / 2)
		half := int(t) % 2 * tileRows
		masks := p.Masks[i*m.k:][:m.k]
		end := int(p.Ends[i])
		switch {
		case p.Float32s != nil:
			patchFloat32s(panel, half, masks, p.Float32s[from:end])
		case p.Int8s != nil:
			patchInt8s(panel, half, masks, p.Int8s[from:end], (*[tileRows]float32)(p.Scales[i*tileRows:]))
		case p.Signs != nil:
			patchSigns(panel, half, masks, p.Signs, uint(from), (*[tileRows]float32)(p.Scales[i*tileRows:]))
		}
		from = end
	}
	return out, nil
}

// check refuses everything that could make a kernel read or write outside the
// patch's slices or the matrix: the kernels trust the masks.
func (p *Patch) check(m *Matrix) error {
	if len(p.Ends) != len(p.Tiles) {
		return fmt.Errorf("%d tiles with %d ends", len(p.Tiles), len(p.Ends))
	}
	if len(p.Masks) != len(p.Tiles)*m.k {
		return fmt.Errorf("%d tiles of %d inputs with %d masks", len(p.Tiles), m.k, len(p.Masks))
	}
	tiles := (m.n + tileRows - 1) / tileRows
	count := 0
	for i, t := range p.Tiles {
		if int64(t) >= int64(tiles) {
			return fmt.Errorf("tile %d of a matrix with %d", t, tiles)
		}
		if i > 0 && t <= p.Tiles[i-1] {
			return fmt.Errorf("tile %d after tile %d", t, p.Tiles[i-1])
		}
		outside := ^uint16(0)
		if rows := m.n - int(t)*tileRows; rows < tileRows {
			outside <<= rows
		} else {
			outside = 0
		}
		for k, mask := range p.Masks[i*m.k:][:m.k] {
			if mask&outside != 0 {
				return fmt.Errorf("tile %d, input %d: mask %016b of a matrix with %d outputs", t, k, mask, m.n)
			}
			count += bits.OnesCount16(mask)
		}
		if int64(p.Ends[i]) != int64(count) {
			return fmt.Errorf("tile %d: values end at %d, masks at %d", t, p.Ends[i], count)
		}
	}
	codings := 0
	if p.Float32s != nil {
		codings++
		if len(p.Float32s) < count {
			return fmt.Errorf("%d of %d float32 values", len(p.Float32s), count)
		}
	}
	if p.Int8s != nil {
		codings++
		if len(p.Int8s) < count {
			return fmt.Errorf("%d of %d int8 values", len(p.Int8s), count)
		}
	}
	if p.Signs != nil {
		codings++
		if len(p.Signs) < (count+7)/8 {
			return fmt.Errorf("%d bytes of %d signs", len(p.Signs), count)
		}
	}
	if codings > 1 || codings == 0 && count > 0 {
		return fmt.Errorf("%d value codings, want one", codings)
	}
	if (p.Int8s != nil || p.Signs != nil) && len(p.Scales) != len(p.Tiles)*tileRows {
		return fmt.Errorf("%d scales for %d tiles", len(p.Scales), len(p.Tiles))
	}
	return nil
}

// patchFloat32s puts values where a bit of masks is set. Half is the first
// column of the tile in its panel: 0 or 16.
func patchFloat32s(panel []line, half int, masks []uint16, values []float32) {
	for k, mask := range masks {
		w := (*[tileRows]float32)(panel[k][half:])
		kept := values[:bits.OnesCount16(mask)]
		values = values[len(kept):]
		for _, v := range kept {
			w[bits.TrailingZeros16(mask)&(tileRows-1)] = v
			mask &= mask - 1
		}
	}
}

// patchInt8s adds scaled values where a bit of masks is set.
func patchInt8s(panel []line, half int, masks []uint16, values []int8, scales *[tileRows]float32) {
	for k, mask := range masks {
		w := (*[tileRows]float32)(panel[k][half:])
		kept := values[:bits.OnesCount16(mask)]
		values = values[len(kept):]
		for _, v := range kept {
			r := bits.TrailingZeros16(mask) & (tileRows - 1)
			w[r] += float32(scales[r] * float32(v))
			mask &= mask - 1
		}
	}
}

// patchSigns adds or subtracts scales where a bit of masks is set; the tile's
// first sign is bit from of the stream.
func patchSigns(panel []line, half int, masks []uint16, signs []byte, from uint, scales *[tileRows]float32) {
	for k, mask := range masks {
		w := (*[tileRows]float32)(panel[k][half:])
		for ; mask != 0; mask &= mask - 1 {
			r := bits.TrailingZeros16(mask) & (tileRows - 1)
			// Subtracting is adding the negative. A branch would be mispredicted
			// every other time.
			minus := uint32(signs[from>>3]>>(from&7)&1 ^ 1)
			w[r] += math.Float32frombits(math.Float32bits(scales[r]) ^ minus<<31)
			from++
		}
	}
}
