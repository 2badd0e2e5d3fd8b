package gemm

import (
	"fmt"

	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
)

// Segment is some consecutive rows of activations with weights of their own: the rows of
// one task in a batch of several.
type Segment struct {
	End    int // the segment's rows end before this one, and begin at the End before
	Weight *Matrix
	Bias   []float32 // [N]; nil for zero
}

// MulSegments computes C[M,N] = activation(A[M,K]·Wᵀ + bias) + residual, each segment of
// the rows with its own weights and bias; e.Bias is nil. The segments cover all rows, and
// all weights have the same shape.
//
// Consecutive segments whose weights share a base, because they are that base or
// [Matrix.Changed] of it, are one product of the base. The changes of each segment's rows
// are computed first, in float32, and the sums of the product begin with them. A row has
// the same bits whatever other segments there are.
func MulSegments(p *parallel.Pool, c, a View, segments []Segment, e Epilogue) {
	start := 0
	for i := 0; i < len(segments); {
		first, plain := i, true
		base := segments[i].Weight.base()
		for ; i < len(segments) && segments[i].Weight.base() == base; i++ {
			s := &segments[i]
			plain = plain && s.Weight.change == nil && sameSlice(s.Bias, segments[first].Bias)
			if s.Bias != nil && len(s.Bias) != base.n {
				panic(fmt.Sprintf("gemm: %d biases for %d outputs", len(s.Bias), base.n))
			}
		}
		end := segments[i-1].End
		if end == start {
			continue
		}
		run := e
		if i < len(segments) {
			run.Next = nil
		}
		if e.Residual.Data != nil {
			run.Residual = e.Residual.Slice(start, end, 0, e.Residual.Cols)
		}
		rows, from := c.Slice(start, end, 0, c.Cols), a.Slice(start, end, 0, a.Cols)
		if plain {
			run.Bias = segments[first].Bias
			base.mul(p, rows, from, run)
		} else {
			base.mulChanged(p, rows, from, segments[first:i], start, run)
		}
		start = end
	}
	if start != a.Rows {
		panic(fmt.Sprintf("gemm: segments of %d rows for a product of %d", start, a.Rows))
	}
}

// sameSlice reports whether two slices are the same memory.
func sameSlice(a, b []float32) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// base returns the matrix whose panels m shares: m itself unless it was Changed.
func (m *Matrix) base() *Matrix {
	if m.root != nil {
		return m.root
	}
	return m
}

// ScratchLen returns the length of Epilogue.Scratch for a product of the given size.
func ScratchLen(rows, outputs int) int { return rows * panelCount(outputs) * panelWidth }

// mulChanged multiplies rows from start on of the segments' rows, which begin with their
// biases and changes.
func (m *Matrix) mulChanged(p *parallel.Pool, c, a View, segments []Segment, start int, e Epilogue) {
	stride := panelCount(m.n) * panelWidth
	scratch := e.Scratch
	if n := ScratchLen(a.Rows, m.n); len(scratch) < n {
		shared := floatScratches.take()
		defer floatScratches.release(shared)
		if cap(*shared) < n {
			*shared = make([]float32, n)
		}
		scratch = (*shared)[:n]
	}
	e.Bias, e.init = nil, View{Data: scratch, Rows: a.Rows, Cols: stride, Stride: stride}
	w := changeWorks.take()
	w.run(p, e.init, a, segments, start)
	changeWorks.release(w)
	m.mul(p, c, a, e)
}

var (
	floatScratches freeList[[]float32]
	changeWorks    freeList[changeWork]
	stripScratches freeList[stripScratch]
)

// changeWork computes what the sums of a product begin with: bias and changes. A part is
// a strip of rows of one segment, or its product with some of the panels.
type changeWork struct {
	init, a View
	strips  []strip
	splits  int // parts of a strip
	panels  int
}

// strip is up to 16 rows of one segment.
type strip struct {
	first, rows int
	segment     Segment
}

// stripScratch is the memory of one part.
type stripScratch struct {
	lines []panelRow
	sums  [kernel.PanelWidth / 2]panelRow // [PanelWidth][lanes]
	quads kernel.Quads
}

func (w *changeWork) run(p *parallel.Pool, init, a View, segments []Segment, start int) {
	w.init, w.a, w.panels = init, a, init.Cols/panelWidth
	w.strips = w.strips[:0]
	work, first := 0, start
	for _, s := range segments {
		for first < s.End {
			rows := s.End - first
			rows = min(rows, kernel.StripLanes(rows))
			w.strips = append(w.strips, strip{first - start, rows, s})
			first += rows
		}
		work += (s.End - first) * init.Cols
		if c := s.Weight.change; c != nil {
			work += len(w.strips) * (c.patch.Kept() + a.Cols) * 8
		}
	}
	w.splits = 1
	const partsPerWorker = 2
	if want := partsPerWorker * p.Width(); p.Width() > 1 && len(w.strips) < want {
		w.splits = min(w.panels, (want+len(w.strips)-1)/len(w.strips))
	}
	if parts := w.splits * len(w.strips); p.Width() > 1 && parts > 1 && work >= sharedProducts {
		p.Run(parts, w)
	} else {
		w.splits = 1
		for i := range w.strips {
			w.Do(i, 0)
		}
	}
	clear(w.strips) // the free list must not keep weights
	w.init, w.a = View{}, View{}
}

// Do performs one part.
func (w *changeWork) Do(part, _ int) {
	s := &w.strips[part/w.splits]
	first, end := w.panels*(part%w.splits)/w.splits, w.panels*(part%w.splits+1)/w.splits
	c := s.segment.Weight.change
	if c == nil {
		for panel := first; panel < end; panel++ {
			w.begin(s, panel)
		}
		return
	}
	scratch := stripScratches.take()
	defer stripScratches.release(scratch)
	lanes := kernel.StripLanes(s.rows)
	if n := (kernel.StripLines(w.a.Cols)*lanes + panelWidth - 1) / panelWidth; len(scratch.lines) < n {
		scratch.lines = makePanels(n)
	}
	x := kernel.Strip{Lanes: lanes, Lines: floats(scratch.lines)}
	kernel.LoadStrip(x, w.a.Slice(s.first, s.first+s.rows, 0, w.a.Cols))
	sums := floats(scratch.sums[:])[:panelWidth*lanes]
	for panel := first; panel < end; panel++ {
		quads := c.panel(panel, &scratch.quads)
		if len(quads.Places) == 0 {
			w.begin(s, panel)
			continue
		}
		var scales, bias panelRow
		kernel.ReadScales(c.patch, panel, &scales)
		if s.segment.Bias != nil {
			copy(bias[:], s.segment.Bias[panel*panelWidth:])
		}
		clear(sums)
		kernel.AddQuads(sums, x, &quads)
		kernel.StoreSums(w.init.Slice(s.first, s.first+s.rows, panel*panelWidth, (panel+1)*panelWidth), sums, lanes, &scales, &bias)
	}
}

// begin stores the biases of a panel in the rows of a strip.
func (w *changeWork) begin(s *strip, panel int) {
	for r := s.first; r < s.first+s.rows; r++ {
		row := w.init.Row(r)[panel*panelWidth:][:panelWidth]
		n := 0
		if s.segment.Bias != nil {
			n = copy(row, s.segment.Bias[panel*panelWidth:])
		}
		clear(row[n:])
	}
}
