//go:build !noasm

package kernel

import (
	"unsafe"

	"kenserve/internal/sparse"
)

// PatchRows stores the next len(dst) rows of a patched panel in dst: base with the
// values of both tiles applied. The cursors move forward.
func PatchRows(dst, base []PanelRow, tiles *[2]TileCursor) {
	if current < AVX2 || len(dst) == 0 {
		patchRowsPortable(dst, base, tiles)
		return
	}
	base = base[:len(dst)]
	if tiles[0].masks == nil && tiles[1].masks == nil {
		copyRowsAVX2(&dst[0][0], &base[0][0], len(dst))
	}
	for i := range tiles {
		if tiles[i].tensor == nil && tiles[1-i].masks != nil {
			copyTile(dst, base, i*tileRows)
		}
		tiles[i].patch(dst, base)
	}
}

// patch patches the tile's columns of the next rows. With gaps, dst must hold the
// base's weights already.
func (t *TileCursor) patch(dst, base []PanelRow) {
	switch {
	case t.gaps != nil:
		t.patchGaps(dst)
	case t.masks != nil:
		t.patchMasks(dst, base, false)
	}
}

// copyTile copies the columns of a tile without kept values.
func copyTile(dst, src []PanelRow, column int) {
	for k := range dst {
		*(*[tileRows]float32)(dst[k][column:]) = *(*[tileRows]float32)(src[k][column:])
	}
}

// values returns the address of the tensor's first value, and the number of values
// from the next one to the end of the slice. With signs in the gaps there are none.
func (t *TileCursor) values() (first *byte, remaining int) {
	tensor := t.tensor
	switch tensor.Coding {
	case sparse.Float32:
		return (*byte)(unsafe.Pointer(unsafe.SliceData(tensor.Float32s))), len(tensor.Float32s) - t.next
	case sparse.BFloat16:
		return (*byte)(unsafe.Pointer(unsafe.SliceData(tensor.BFloat16s))), len(tensor.BFloat16s) - t.next
	case sparse.Int8:
		return (*byte)(unsafe.Pointer(unsafe.SliceData(tensor.Int8s))), len(tensor.Int8s) - t.next
	case sparse.Int4:
		return unsafe.SliceData(tensor.Int4s), 2*len(tensor.Int4s) - t.next
	}
	return unsafe.SliceData(tensor.Signs), 8*len(tensor.Signs) - t.next
}

// patchMasks copies the tile's columns and applies its values. stream bypasses the
// caches, at level AVX2 only.
func (t *TileCursor) patchMasks(dst, src []PanelRow, stream bool) {
	d, s, masks, coding := &dst[0][t.column], &src[0][t.column], &t.masks[0], t.tensor.Coding
	values, remaining := t.values()
	done := 0
	switch {
	case current >= AVX512:
		done, t.next = patchMasksAVX512(coding, d, s, masks, len(dst), values, t.next, remaining, &t.scales)
	case stream:
		done, t.next = streamMasksAVX2(coding, d, s, masks, len(dst), ranksOf(coding), values, t.next, remaining, &t.scales)
	default:
		done, t.next = patchMasksAVX2(coding, d, s, masks, len(dst), ranksOf(coding), values, t.next, remaining, &t.scales)
	}
	t.masks = t.masks[done:]
	if done < len(dst) { // too few values are left for vectors, or an odd row
		copyTile(dst[done:], src[done:], t.column)
		t.patchMasksPortable(dst[done:])
	}
}

// patchGaps applies the tile's values to rows that hold the base's weights.
func (t *TileCursor) patchGaps(rows []PanelRow) {
	first := t.start
	t.start += len(rows) * tileRows
	if len(t.gaps) == 0 {
		return
	}
	values, _ := t.values()
	used, last, next := patchGapsAVX2(t.tensor.Coding, &rows[0][t.column], &t.gaps[0], len(t.gaps), t.last-first, len(rows)*tileRows, values, t.next, &t.scales)
	t.gaps, t.last, t.next = t.gaps[used:], last+first, next
}

// rankTable tells the lanes of a vector where their values are. For each byte of a
// mask and each of its bits it holds a function of the bit's rank: the number of set
// bits below it, which is the number of values in the stream before the bit's own.
type rankTable = [256][8]uint32

func newRankTable(f func(rank uint32) uint32) *rankTable {
	var t rankTable
	for b := range t {
		rank := uint32(0)
		for l := range t[b] {
			t[b][l] = f(rank)
			rank += uint32(b) >> l & 1
		}
	}
	return &t
}

var (
	// float32Ranks selects lanes.
	float32Ranks = newRankTable(func(r uint32) uint32 { return r })
	// bfloat16Ranks selects bytes: the value becomes the upper half of the lane.
	bfloat16Ranks = newRankTable(func(r uint32) uint32 { return 0x8080 | 2*r<<16 | (2*r+1)<<24 })
	// int8Ranks selects bytes: the value becomes the highest byte of the lane.
	int8Ranks = newRankTable(func(r uint32) uint32 { return 0x808080 | r<<24 })
	// int4Ranks and signRanks are shifts that move the value to the top of the lane.
	int4Ranks = newRankTable(func(r uint32) uint32 { return 28 - 4*r })
	signRanks = newRankTable(func(r uint32) uint32 { return 31 - r })
)

func ranksOf(c sparse.Coding) *rankTable {
	switch c {
	case sparse.Float32:
		return float32Ranks
	case sparse.BFloat16:
		return bfloat16Ranks
	case sparse.Int8:
		return int8Ranks
	case sparse.Int4:
		return int4Ranks
	}
	return signRanks
}

// PrefetchTile fetches the gaps and the scales of stored tile i into the caches. The
// gaps of a task that was not used for a while are in memory, and a cursor can do
// nothing before it has read them.
func PrefetchTile(t *sparse.Tensor, i int) {
	// maxFetched is how many bytes of gaps are fetched: the rest arrives while the
	// first ones are used.
	const maxFetched = 1024
	if current < AVX2 || t.Gaps == nil {
		return
	}
	if gaps := t.TileGaps(i); len(gaps) > 0 {
		prefetchAVX2(&gaps[0], min(len(gaps), maxFetched))
	}
	if len(t.Scales) > 1 {
		scales := (*[tileRows]float32)(t.Scales[i*tileRows:])
		prefetchAVX2((*byte)(unsafe.Pointer(scales)), int(unsafe.Sizeof(*scales)))
	}
}
