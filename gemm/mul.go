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
	c0 := panel * panelWidth
	c := w.c.Slice(r0, min(r0+chunkRows, w.a.Rows), c0, min(c0+panelWidth, w.m.n))
	init := &zeros
	var bias line
	if w.e.Bias != nil {
		copy(bias[:], w.e.Bias[c0:])
		init = &bias
	}
	a := w.a.Data[r0*w.a.Stride:]
	if c.Cols < panelWidth || w.e.Residual.Data != nil {
		w.buffered(c, init, a, panel, r0)
		return
	}
	accumulate(c, init, a, w.a.Stride, w.m.panel(panel))
	if w.e.Activation != Identity {
		for i := range c.Rows {
			w.e.Activation.apply(c.Row(i))
		}
	}
}

// buffered computes a part whose sums cannot be kept in C itself, because the
// panel is wider or because C holds the residual.
func (w *mul) buffered(c View, init *line, a []float32, panel, r0 int) {
	var acc [chunkRows]line
	sums := View{Data: unsafe.Slice(&acc[0][0], len(acc)*panelWidth), Rows: c.Rows, Cols: panelWidth, Stride: panelWidth}
	accumulate(sums, init, a, w.a.Stride, w.m.panel(panel))
	for i := range c.Rows {
		dst := c.Row(i)
		sum := sums.Row(i)[:len(dst)]
		w.e.Activation.Apply(sum)
		if w.e.Residual.Data == nil {
			copy(dst, sum)
		} else {
			addTo(dst, sum, w.e.Residual.Data[(r0+i)*w.e.Residual.Stride+panel*panelWidth:][:len(dst)])
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
