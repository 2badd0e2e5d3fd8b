package gemm

import (
	"fmt"
	"unsafe"
)

// Epilogue is what Mul does to a sum before it is stored, in this order.
type Epilogue struct {
	Bias       []float32  // [N], where the sum begins; nil for zero
	Activation Activation // applied to the biased sum
	Residual   View       // [M,N], added last; zero for none. It may be C itself.
}

// mul is one call of Mul. A part is one panel by one chunk of rows.
type mul struct {
	m      *Matrix
	c, a   View
	e      Epilogue
	chunks int
}

// Mul computes C[M,N] = activation(A[M,K]·Wᵀ + bias) + residual on the pool. C
// must not overlap A. Sizes that do not match are mistakes of the program and
// panic.
func (m *Matrix) Mul(p *Pool, c, a View, e Epilogue) {
	c.check("product")
	a.check("left factor")
	if a.Cols != m.k || c.Cols != m.n || c.Rows != a.Rows {
		panic(fmt.Sprintf("gemm: [%d,%d] = [%d,%d]·[%d,%d]ᵀ", c.Rows, c.Cols, a.Rows, a.Cols, m.n, m.k))
	}
	if e.Bias != nil && len(e.Bias) != m.n {
		panic(fmt.Sprintf("gemm: %d biases for %d outputs", len(e.Bias), m.n))
	}
	if e.Residual.Data != nil {
		e.Residual.check("residual")
		if e.Residual.Rows != c.Rows || e.Residual.Cols != c.Cols {
			panic(fmt.Sprintf("gemm: residual [%d,%d] for a product [%d,%d]", e.Residual.Rows, e.Residual.Cols, c.Rows, c.Cols))
		}
	}
	if c.Rows == 0 || c.Cols == 0 {
		return
	}
	panels := (m.n + panelWidth - 1) / panelWidth
	chunks := (a.Rows + chunkRows - 1) / chunkRows
	w := mul{m: m, c: c, a: a, e: e, chunks: chunks}
	parts := panels * chunks
	if p == nil || p.width == 1 || parts == 1 || a.Rows*m.n*m.k < sharedWork {
		for i := range parts {
			w.part(i)
		}
		return
	}
	j := p.take()
	j.mul = w
	j.work = &j.mul
	p.share(j, parts)
}

// Do performs one part on a worker.
func (w *mul) Do(part, _ int) { w.part(part) }

func (w *mul) part(i int) {
	panel, r0 := i/w.chunks, i%w.chunks*chunkRows
	rows := min(chunkRows, w.a.Rows-r0)
	// Go clears what is on the stack, which a few rows would notice.
	if rows <= 8 {
		var acc [8]line
		w.tile(acc[:rows], r0, panel)
	} else {
		var acc [chunkRows]line
		w.tile(acc[:rows], r0, panel)
	}
}

// tile computes the rows from r0, as many as acc has, of a panel's columns.
func (w *mul) tile(acc []line, r0, panel int) {
	c0 := panel * panelWidth
	c1 := min(c0+panelWidth, w.m.n)
	if w.e.Bias != nil {
		var bias line
		copy(bias[:], w.e.Bias[c0:c1])
		for r := range acc {
			acc[r] = bias
		}
	}
	accumulate(acc, w.a.Data[r0*w.a.Stride:], w.a.Stride, w.m.panel(panel))
	w.e.Activation.Apply(unsafe.Slice(&acc[0][0], len(acc)*panelWidth))
	for i := range acc {
		sum := acc[i][:c1-c0]
		dst := w.c.Data[(r0+i)*w.c.Stride:][c0:c1]
		if w.e.Residual.Data == nil {
			copy(dst, sum)
		} else {
			addTo(dst, sum, w.e.Residual.Data[(r0+i)*w.e.Residual.Stride:][c0:c1])
		}
	}
}

// addPortable stores x + y in dst; all are equally long.
func addPortable(dst, x, y []float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		dst[i] = x[i] + y[i]
	}
}
