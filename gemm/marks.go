package gemm

import "unsafe"

// A sparse patch of signs needs no patched copy of a panel. Most half lines do
// not change, and most of the others in one place, so that there are few
// differences from the base: for each output the one by its scale up and the one
// down, and some of several places. A kernel subtracts, from each half line on its
// way to the product, the difference that a mark beside it names. The bits are
// those of the patched line, whichever rows it is multiplied with: x − 0 is x,
// and x − (−s) is x + s.

// mark is where the differences of a line's two halves are: in bytes, among the
// marks' differences.
type mark [2]uint32

// difference is what is subtracted from half a line.
type difference [tileRows]float32

const (
	differenceBytes = uint32(unsafe.Sizeof(difference{}))
	// differences of one place: the first is none, then for each output the one
	// that makes a weight base - scale, and the one that makes it base + scale.
	singles = 1 + 2*panelWidth
)

// single returns where the difference in one place is.
func single(output int, up uint32) uint32 {
	return (1 + 2*uint32(output) + up) * differenceBytes
}

// marks are those of a panel.
type marks struct {
	lines       []mark
	differences []difference
	used        int // of the differences
	later       *uint64
}

// What marks are faster for than patched lines: few changes, which need few
// differences, and few rows, which all pay for the subtractions.
const (
	mostMarked     = 0.05 // of the weights
	mostMarkedRows = 2 * chunkRows
)

// marked tells whether the panel is multiplied with by means of marks.
func (w *walk) marked() bool {
	values := 0
	for i := range w.tiles {
		if p := w.tiles[i].p; p != nil {
			if !p.signed() {
				return false
			}
			values += w.tiles[i].values
		}
	}
	return float64(values) <= mostMarked*float64(panelWidth*len(w.base))
}

// markScratch is how many scratch lines the marks of n lines, all of a panel, take
// at most: two changes or more make a difference of several places, so that there
// are 4/5 of one a line, and half a line each.
func markScratch(n int) int {
	marks, later := markParts(n)
	return marks + (singles+1)/2 + n/2 + 1 + later
}

// markParts returns how many scratch lines the marks of n lines take by
// themselves, and how many the changes that a kernel puts off: as many as there are
// gaps, of at most mostMarked of the weights and those between that are skips.
func markParts(n int) (marks, later int) {
	const perLine = int(unsafe.Sizeof(line{}) / unsafe.Sizeof(mark{}))
	return (n + perLine - 1) / perLine, n/8 + 1
}

// mark makes the marks of the whole panel, in scratch memory of that size.
func (w *walk) mark(scratch []line) *marks {
	m, n := &w.marks, len(w.base)
	first, later := markParts(n)
	m.lines = unsafe.Slice((*mark)(unsafe.Pointer(&scratch[0])), n)
	clear(m.lines)
	rest := scratch[first : len(scratch)-later]
	m.later = (*uint64)(unsafe.Pointer(&scratch[len(scratch)-later]))
	m.differences = unsafe.Slice((*difference)(unsafe.Pointer(&rest[0])), 2*len(rest))
	clear(m.differences[:singles])
	m.used = singles
	for i := range w.tiles {
		t := &w.tiles[i]
		if t.p == nil {
			continue
		}
		for r, s := range t.scales {
			at := 1 + 2*(t.half+r)
			m.differences[at][r], m.differences[at+1][r] = s, -s
		}
		t.mark(m)
	}
	return m
}

// markPortable marks the tile's changes.
func (t *tileWalk) markPortable(m *marks) { t.apply(batch{t: t, marks: m}) }

// add marks one place.
func (m *marks) add(line, output int, up uint32) {
	at, one := &m.lines[line][output/tileRows], single(output, up)
	if *at == 0 {
		*at = one
		return
	}
	d := &m.differences[*at/differenceBytes]
	if *at < singles*differenceBytes {
		m.differences[m.used] = *d
		d, *at = &m.differences[m.used], uint32(m.used)*differenceBytes
		m.used++
	}
	r := output % tileRows
	d[r] = m.differences[one/differenceBytes][r]
}

// applyPortable stores the lines of src, changed as marks say, in dst.
func (m *marks) applyPortable(dst, src []line) {
	for k := range dst {
		for i, w := range src[k] {
			dst[k][i] = w - m.differences[m.lines[k][i/tileRows]/differenceBytes][i%tileRows]
		}
	}
}
