//go:build !noasm

package kernel

import "unsafe"

// prefetch says what kernels fetch into the second-level cache while they multiply
// with a block of a panel.
type prefetch struct {
	panel bool    // the rows of the block itself, some distance ahead
	next  uintptr // address of what is multiplied after the block; 0: nothing
}

// addressAfter returns the address of what follows a block: the rest of the panel, or
// else next; 0 if both are empty.
func addressAfter(rest, next []PanelRow) uintptr {
	switch {
	case len(rest) > 0:
		return uintptr(unsafe.Pointer(&rest[0]))
	case len(next) > 0:
		return uintptr(unsafe.Pointer(&next[0]))
	}
	return 0
}

// prefetchPlan says what the AVX-512 kernels for the rows of A fetch, one kernel after
// the other: an address, and by how many bytes it moves forward every four panel
// rows.
type prefetchPlan struct {
	first, firstStep uintptr // of the first kernel, if not 0
	other, otherStep uintptr // of the other kernels, if not 0
}

// plan divides what is to be fetched among the kernels that multiply the given number
// of rows with k panel rows at b.
//
// The first kernel fetches these panel rows some distance ahead: the fewer rows it
// has, the sooner it reaches them, and the larger the distance. Measured on Zen 4
// with panels in memory, as a share of the peak with 8 / 12 / 24 rows: 0.85 / 0.92 /
// 0.94; without any fetches 0.66 / 0.73 / 0.83; and 0.86 / 0.89 / 0.91 if instead the
// whole block after this one is fetched, as AVX2 kernels do. Products of up to three
// rows wait for memory in any case, and are slower with these fetches.
func (f prefetch) plan(rows int, b unsafe.Pointer, k int) (p prefetchPlan) {
	const tooFewRows = 4
	if f.panel && rows < tooFewRows {
		return p
	}
	kernels := (rows + shapeAVX512.maxRows - 1) / shapeAVX512.maxRows
	bytes := uintptr(k) * panelRowBytes
	p.other = f.next
	if f.panel {
		distance := uintptr(576/shapeAVX512.rows(rows)) * panelRowBytes
		p.first, p.firstStep = uintptr(b)+distance, 4*panelRowBytes
		// If the next block follows in memory, the first kernel fetches all of it
		// that the distance reaches.
		if p.other == uintptr(b)+bytes {
			p.other = 0
		}
		bytes = min(bytes, distance)
		kernels--
	}
	p.otherStep = bytes / uintptr(max(kernels*(k/4), 1))
	return p
}

// next returns what the next kernel fetches while it multiplies with k panel rows.
func (p *prefetchPlan) next(k int) (address, step uintptr) {
	if p.first != 0 {
		address, p.first = p.first, 0
		return address, p.firstStep
	}
	if address = p.other; address != 0 {
		p.other += p.otherStep * uintptr(k/4)
	}
	return address, p.otherStep
}

// shape is what one call of a kernel computes: a number of columns of a panel, for up
// to maxRows rows of A.
type shape struct{ columns, maxRows int }

var (
	shapeAVX2   = shape{16, 6}
	shapeAVX512 = shape{32, 12}
)

// rows returns how many of the remaining rows the next call takes: maxRows, or half
// of what remains if a full call would leave only a few.
func (s shape) rows(remaining int) int {
	if remaining > s.maxRows && remaining < 2*s.maxRows {
		return (remaining + 1) / 2
	}
	return min(remaining, s.maxRows)
}
