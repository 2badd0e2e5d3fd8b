package gemm

import (
	"fmt"
	"unsafe"

	"kenserve/internal/parallel"
)

// Epilogue is what Mul does to a sum before it is stored, in this order.
type Epilogue struct {
	Bias       []float32  // [N], where the sum begins; nil for zero
	Activation Activation // applied to the biased sum
	Residual   View       // [M,N], added last; zero for none. It may be C itself.

	// Next is the matrix that will be multiplied next, or nil: the last parts
	// fetch what its first ones read.
	Next *Matrix
}

// mul is one call of Mul. A part is one panel by one group of rows.
type mul struct {
	m      *Matrix
	c, a   View
	e      Epilogue
	rows   int // of a group, a multiple of chunkRows
	groups int
	job    *parallel.Job // nil: nobody can join
}

// Mul computes C[M,N] = activation(A[M,K]·Wᵀ + bias) + residual on the pool. C
// must not overlap A. Sizes that do not match are mistakes of the program and
// panic.
func (m *Matrix) Mul(p *parallel.Pool, c, a View, e Epilogue) {
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
	if m.compute != Float32 {
		m.mulNarrow(p, c, a, e)
		return
	}
	panels := panelCount(m.n)
	w := mul{m: m, c: c, a: a, e: e}
	w.rows, w.groups = groupRows(p, a.Rows, panels)
	parts := panels * w.groups
	if p.Width() == 1 || parts == 1 || a.Rows*m.n*m.k < sharedWork {
		for i := range parts {
			w.part(i, 0)
		}
		return
	}
	shared := muls.take() // not w itself, which would be allocated for every call
	w.job = p.Job()
	*shared = w
	w.job.Run(parts, shared)
	*shared = mul{}
	muls.release(shared)
}

// muls are the calls of Mul that a pool's goroutines share.
var muls freeList[mul]

// groupRows returns how many rows a part multiplies with its panel, and how many
// such groups there are: a worker takes a panel for all rows, and patches it but
// once, unless there are too few panels to keep all workers busy to the end.
func groupRows(p *parallel.Pool, rows, panels int) (group, groups int) {
	const partsPerWorker = 4
	chunks := (rows + chunkRows - 1) / chunkRows
	groups = min(chunks, (partsPerWorker*p.Width()+panels-1)/panels)
	group = (chunks + groups - 1) / groups * chunkRows
	return group, (rows + group - 1) / group
}

// Do performs one part on a worker.
func (w *mul) Do(part, slot int) { w.part(part, slot) }

func (w *mul) part(i, slot int) {
	panel, r0 := i/w.groups, i%w.groups*w.rows
	r1 := min(r0+w.rows, w.a.Rows)
	weights := weights{lines: w.m.panel(panel)}
	ahead := w.ahead(i, slot)
	if w.m.patch != nil {
		if walk, changes := w.m.walk(w.m.patch, panel); changes {
			size := len(weights.lines)
			marked := canMark() && r1-r0 <= mostMarkedRows && walk.marked()
			if marked {
				size = markScratch(size)
			} else if r1-r0 <= chunkRows { // no other rows will want it
				size = min(size, patchedLines(r1-r0))
			}
			scratch := takeScratch(size)
			defer scratchPanels.release(scratch)
			if marked {
				weights.marks = walk.mark(scratch.lines[:size])
			} else {
				weights.lines = scratch.lines[:size]
				weights.ahead, weights.walk = ahead, &walk
				// The first rows find each block of the panel just patched.
				end := min(r0+chunkRows, r1)
				w.chunk(panel, &weights, r0, end)
				r0, ahead, weights.walk = end, nil, nil
			}
		}
	}
	for ; r0 < r1; r0 += chunkRows {
		end := min(r0+chunkRows, r1)
		if weights.ahead = nil; end == r1 {
			weights.ahead = ahead
		}
		w.chunk(panel, &weights, r0, end)
	}
}

// weights is a panel as a chunk is multiplied with it.
type weights struct {
	lines []line // with a walk, memory for the whole panel or for one block of it
	walk  *walk  // that the lines are still to be read from; nil: there is none
	marks *marks // what the lines change by on their way; nil: nothing
	ahead []line // what comes after
}

// ahead returns the panel that this goroutine will multiply with after part i,
// as far as can be known, or nil if it is the same or there is none. What a patch
// says of it is brought into the caches.
func (w *mul) ahead(i, slot int) []line {
	next, ok, slots := i+1, i+1 < panelCount(w.m.n)*w.groups, 1
	if w.job != nil {
		next, ok = w.job.Next(slot)
		slots = w.job.Slots()
	}
	m, panel := w.m, next/w.groups
	switch {
	case !ok && (w.e.Next == nil || len(w.e.Next.panels) == 0): // none in float32
		return nil
	case !ok:
		m, panel = w.e.Next, panelCount(w.e.Next.n)*slot/slots
	case panel == i/w.groups:
		return nil
	}
	m.fetchPatch(panel)
	return m.panel(panel)
}

// chunk multiplies the rows r0 to r1 of A with a panel.
func (w *mul) chunk(panel int, weights *weights, r0, r1 int) {
	c0 := panel * panelWidth
	c := w.c.Slice(r0, r1, c0, min(c0+panelWidth, w.m.n))
	bias := &zeros
	var own line
	if w.e.Bias != nil {
		copy(own[:], w.e.Bias[c0:])
		bias = &own
	}
	init := View{Data: bias[:], Rows: c.Rows, Cols: panelWidth} // the same row for all
	a := w.a.Data[r0*w.a.Stride:]
	if c.Cols < panelWidth || w.e.Residual.Data != nil {
		w.buffered(c, init, a, panel, weights, r0)
		return
	}
	w.sum(c, init, a, panel, weights)
	if w.e.Activation != Identity {
		for i := range c.Rows {
			w.e.Activation.apply(c.Row(i))
		}
	}
}

// buffered computes a chunk whose sums cannot be kept in C itself, because the
// panel is wider or because C holds the residual.
func (w *mul) buffered(c, init View, a []float32, panel int, weights *weights, r0 int) {
	var acc [chunkRows]line
	sums := View{Data: unsafe.Slice(&acc[0][0], len(acc)*panelWidth), Rows: c.Rows, Cols: panelWidth, Stride: panelWidth}
	w.sum(sums, init, a, panel, weights)
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

// patchedLines returns how many lines of a panel are patched before so many rows
// are multiplied with them. Few rows do not pay for what is written to the
// second-level cache and read again: half of 48 KiB stays in the first.
func patchedLines(rows int) int {
	if rows < chunkRows {
		return 192
	}
	return 384
}

// sum stores init + A·panel in dst.
func (w *mul) sum(dst, init View, a []float32, panel int, weights *weights) {
	lines, ahead := weights.lines, weights.ahead
	switch {
	case weights.marks != nil:
		accumulateMarked(dst, init, a, w.a.Stride, lines, weights.marks, ahead)
		return
	case weights.walk == nil:
		accumulate(dst, init, a, w.a.Stride, lines, false, ahead)
		return
	}
	base, block := w.m.panel(panel), patchedLines(dst.Rows)
	for k := 0; k < len(base); k += block {
		b := lines[:min(block, len(base)-k)]
		if len(lines) == len(base) {
			b = lines[k:][:len(b)]
		}
		weights.walk.read(b)
		next := ahead
		if k+block < len(base) {
			next = base[k+block:]
		}
		accumulate(dst, init, a[k:], w.a.Stride, b, true, next)
		init = dst
	}
}

// addPortable stores x + y in dst; all are equally long.
func addPortable(dst, x, y []float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		dst[i] = x[i] + y[i]
	}
}
