package kernel

import "unsafe"

// Corrections are the difference between a panel of the base and the panel patched by
// a sparse tensor whose signs are in its gaps.
//
// Such a tensor needs no patched copy of the panel. Most half rows do not change, and
// most of the others change in one weight, so there are few different corrections:
// for each output, one by its scale up and one by its scale down, and some that
// change several weights. For each half row an index says which correction a kernel
// subtracts from it on the way to the product. The result has the bits of the product
// with the patched panel, whatever the rows of A: x − 0 is x, and x − (−s) is x + s.
//
// Corrections live in scratch memory that the caller provides.
type Corrections struct {
	indices  []correctionIndex // of the panel's rows
	values   []correction
	used     int // corrections in use
	deferred *uint64
}

// correctionIndex says where the corrections of a row's two halves are: the offsets in
// bytes from the first correction.
type correctionIndex [2]uint32

// correction is what is subtracted from half a row.
type correction [tileRows]float32

const (
	correctionBytes = uint32(unsafe.Sizeof(correction{}))
	// singleCorrections is the number of corrections that change at most one weight:
	// first the one that changes nothing, and then for each output the one that makes
	// a weight base − scale and the one that makes it base + scale.
	singleCorrections = 1 + 2*PanelWidth
)

// singleOffset returns the offset in bytes of the correction of one weight.
func singleOffset(output int, up uint32) uint32 {
	return (1 + 2*uint32(output) + up) * correctionBytes
}

// maxCorrectedShare is the largest share of the weights of a panel that corrections
// may change. With more changes, patched rows are faster.
const maxCorrectedShare = 0.05

// Correctable reports whether the changes of a panel of n rows can be given as
// corrections: all signs are in gaps, and they are few.
func Correctable(tiles *[2]TileCursor, n int) bool {
	values := 0
	for i := range tiles {
		if t := tiles[i].tensor; t != nil {
			if !t.SignsInGaps() {
				return false
			}
			values += tiles[i].count
		}
	}
	return float64(values) <= maxCorrectedShare*float64(PanelWidth*n)
}

// CorrectionScratch returns the number of scratch rows for the corrections of a panel
// of n rows. At worst two changes need one correction of several weights. A row has
// 32·maxCorrectedShare changes, and so 4/5 of such a correction, of half a row each.
func CorrectionScratch(n int) int {
	indices, deferred := correctionParts(n)
	return indices + (singleCorrections+1)/2 + n/2 + 1 + deferred
}

// correctionParts returns how many scratch rows the indices of n rows take, and how
// many the changes that a kernel defers take: one word for each gap, and there are at
// most maxCorrectedShare of the weights plus the skips between them.
func correctionParts(n int) (indices, deferred int) {
	const perRow = int(unsafe.Sizeof(PanelRow{}) / unsafe.Sizeof(correctionIndex{}))
	return (n + perRow - 1) / perRow, n/8 + 1
}

// Make makes the corrections of a whole panel of n rows that is Correctable. The
// cursors must be at its first row. scratch has CorrectionScratch rows.
func (c *Corrections) Make(tiles *[2]TileCursor, n int, scratch []PanelRow) {
	first, deferred := correctionParts(n)
	c.indices = unsafe.Slice((*correctionIndex)(unsafe.Pointer(&scratch[0])), n)
	clear(c.indices)
	rest := scratch[first : len(scratch)-deferred]
	c.deferred = (*uint64)(unsafe.Pointer(&scratch[len(scratch)-deferred]))
	c.values = unsafe.Slice((*correction)(unsafe.Pointer(&rest[0])), 2*len(rest))
	clear(c.values[:singleCorrections])
	c.used = singleCorrections
	for i := range tiles {
		t := &tiles[i]
		if t.tensor == nil {
			continue
		}
		for r, s := range t.scales {
			at := 1 + 2*(t.column+r)
			c.values[at][r], c.values[at+1][r] = s, -s
		}
		t.correctGaps(c)
	}
}

// add adds the correction of one weight: of the given row and output, by its scale up
// or down.
func (c *Corrections) add(row, output int, up uint32) {
	index, single := &c.indices[row][output/tileRows], singleOffset(output, up)
	if *index == 0 {
		*index = single
		return
	}
	value := &c.values[*index/correctionBytes]
	if *index < singleCorrections*correctionBytes { // the half row gets a correction of its own
		c.values[c.used] = *value
		value, *index = &c.values[c.used], uint32(c.used)*correctionBytes
		c.used++
	}
	r := output % tileRows
	value[r] = c.values[single/correctionBytes][r]
}

// applyPortable stores the corrected rows of src, from the given row of the panel on,
// in dst.
func (c *Corrections) applyPortable(dst, src []PanelRow, from int) {
	for k := range dst {
		for i, w := range src[k] {
			dst[k][i] = w - c.values[c.indices[from+k][i/tileRows]/correctionBytes][i%tileRows]
		}
	}
}

// sgemmCorrectedBlocks is SGEMMCorrected without a kernel for it: it corrects and
// multiplies block after block.
func sgemmCorrectedBlocks(dst, init View, a []float32, aStride int, panel []PanelRow, c *Corrections) {
	var scratch [portableBlock]PanelRow
	for k := 0; k < len(panel); k += len(scratch) {
		block := scratch[:min(len(scratch), len(panel)-k)]
		c.applyPortable(block, panel[k:], k)
		SGEMM(dst, init, a[k:], aStride, block, true, nil)
		init = dst
	}
}
