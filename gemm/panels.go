package gemm

import (
	"strings"
	"unsafe"

	"kenserve/gemm/kernel"
	"kenserve/internal/hugepages"
)

// makePanels returns n zero rows that start at a multiple of kernel.CacheLine. A product
// of a few dozen rows streams through the panels of all layers; huge pages make it about
// a tenth faster.
func makePanels(n int) []panelRow {
	if n == 0 {
		return nil
	}
	buf := make([]float32, n*panelWidth+kernel.CacheLine/4)
	hugepages.Advise(unsafe.Pointer(&buf[0]), 4*len(buf))
	return alignedPanels(unsafe.Pointer(&buf[0]), n)
}

// newPanels returns n rows with arbitrary contents that start at a multiple of
// kernel.CacheLine. The caller must overwrite all of them. make would clear them
// first, which takes as long as copying the panels of a task; strings.Builder is where
// Go allocates memory without clearing it.
func newPanels(n int) []panelRow {
	if n == 0 {
		return nil
	}
	var b strings.Builder
	b.Grow(n*int(unsafe.Sizeof(panelRow{})) + kernel.CacheLine)
	p := unsafe.Pointer(unsafe.StringData(b.String()))
	if p == nil { // unsafe.StringData does not specify its result for an empty string
		return makePanels(n)
	}
	hugepages.Advise(p, n*int(unsafe.Sizeof(panelRow{})))
	return alignedPanels(p, n)
}

// alignedPanels returns n rows from the first multiple of kernel.CacheLine at or after
// p.
func alignedPanels(p unsafe.Pointer, n int) []panelRow {
	if r := uintptr(p) % kernel.CacheLine; r != 0 {
		p = unsafe.Add(p, kernel.CacheLine-r)
	}
	return unsafe.Slice((*panelRow)(p), n)
}

// floats returns the values of rows as one slice. It shares memory with them.
func floats(rows []panelRow) []float32 {
	return unsafe.Slice(&rows[0][0], len(rows)*panelWidth)
}
