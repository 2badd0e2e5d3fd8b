package gemm

import (
	"fmt"

	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
	"kenserve/internal/sparse"
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

// ScratchLen returns the length of Epilogue.Scratch for a product of the given size, with
// a residual or without: 0 if C has room for whole panels and no residual may be in it.
// Then the sums begin in C itself.
func ScratchLen(rows, outputs int, residual bool) int {
	if !residual && outputs%panelWidth == 0 {
		return 0
	}
	return rows * panelCount(outputs) * panelWidth
}

// mulChanged multiplies rows from start on of the segments' rows, which begin with their
// biases and changes.
func (m *Matrix) mulChanged(p *parallel.Pool, c, a View, segments []Segment, start int, e Epilogue) {
	e.Bias, e.init = nil, c
	if n := ScratchLen(a.Rows, m.n, e.Residual.Data != nil); n > 0 {
		stride := panelCount(m.n) * panelWidth
		scratch := e.Scratch
		if len(scratch) < n {
			shared := floatScratches.take()
			defer floatScratches.release(shared)
			if cap(*shared) < n {
				*shared = make([]float32, n)
			}
			scratch = (*shared)[:n]
		}
		e.init = View{Data: scratch, Rows: a.Rows, Cols: stride, Stride: stride}
	}
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
// some rows of one segment, or their product with some of the panels.
type changeWork struct {
	init, a View
	units   []changeUnit
	splits  int // parts of a unit
	panels  int
}

// changeUnit is rows of one segment: a strip of them, or several if the quads of a panel
// must be read from the patch first, which then serve all strips.
type changeUnit struct {
	first, rows int
	segment     Segment
}

// stripScratch is the memory of one part.
type stripScratch struct {
	lines  []panelRow
	strips []kernel.Strip
	sums   [kernel.Sums / 2]panelRow // [kernel.Sums][lanes]
	quads  kernel.Quads
}

// maxUnitBytes bounds the strips of a unit: they must stay in the second-level cache
// while they are multiplied with one panel after the other.
const maxUnitBytes = 512 << 10

// unitRows returns how many of the rows that are left in a segment are one unit.
func (w *changeWork) unitRows(s *Segment, rows int) int {
	lanes := kernel.StripLanes(rows)
	if c := s.Weight.change; c == nil || c.ends != nil {
		return min(rows, lanes)
	}
	strips := max(1, maxUnitBytes/(4*lanes*kernel.StripLines(w.a.Cols)))
	return min(rows, strips*lanes)
}

func (w *changeWork) run(p *parallel.Pool, init, a View, segments []Segment, start int) {
	w.init, w.a, w.panels = init, a, init.Cols/panelWidth
	w.units = w.units[:0]
	work, first := 0, start
	for i := range segments {
		s := &segments[i]
		work += (s.End - first) * init.Cols
		if c := s.Weight.change; c != nil {
			work += (s.End - first) * c.patch.Kept()
		}
		for first < s.End {
			rows := w.unitRows(s, s.End-first)
			w.units = append(w.units, changeUnit{first - start, rows, *s})
			first += rows
		}
	}
	w.splits = 1
	const partsPerWorker = 2
	if want := partsPerWorker * p.Width(); p.Width() > 1 && len(w.units) < want {
		w.splits = min(w.panels, (want+len(w.units)-1)/len(w.units))
	}
	if parts := w.splits * len(w.units); p.Width() > 1 && parts > 1 && work >= sharedProducts/4 {
		p.Run(parts, w)
	} else {
		w.splits = 1
		for i := range w.units {
			w.Do(i, 0)
		}
	}
	clear(w.units) // the free list must not keep weights
	w.init, w.a = View{}, View{}
}

// Do performs one part.
func (w *changeWork) Do(part, _ int) {
	u := &w.units[part/w.splits]
	first, end := w.panels*(part%w.splits)/w.splits, w.panels*(part%w.splits+1)/w.splits
	c := u.segment.Weight.change
	if c == nil {
		for panel := first; panel < end; panel++ {
			w.begin(u, panel)
		}
		return
	}
	scratch := stripScratches.take()
	defer stripScratches.release(scratch)
	scratch.load(w.a.Slice(u.first, u.first+u.rows, 0, w.a.Cols))
	for panel := first; panel < end; panel++ {
		quads := c.panel(panel, &scratch.quads)
		if len(quads.Places) == 0 {
			w.begin(u, panel)
			continue
		}
		var scales, bias panelRow
		kernel.ReadScales(c.patch, panel, &scales)
		if u.segment.Bias != nil {
			copy(bias[:], u.segment.Bias[panel*panelWidth:])
		}
		row := u.first
		for _, s := range scratch.strips {
			sums := floats(scratch.sums[:])[:kernel.Sums*s.Lanes]
			kernel.SumQuads(sums, s, &quads)
			last := min(row+s.Lanes, u.first+u.rows)
			kernel.StoreSums(w.init.Slice(row, last, panel*panelWidth, (panel+1)*panelWidth), sums, s.Lanes, &scales, &bias, c.patch.Coding == sparse.Sign)
			row = last
		}
	}
}

// load fills strips with rows of activations.
func (s *stripScratch) load(a View) {
	s.strips = s.strips[:0]
	length := 0 // in values, of all strips
	for rows := a.Rows; rows > 0; {
		lanes := kernel.StripLanes(rows)
		length += lanes * kernel.StripLines(a.Cols)
		rows -= lanes
	}
	if n := (length + panelWidth - 1) / panelWidth; len(s.lines) < n {
		s.lines = makePanels(n)
	}
	lines := floats(s.lines)
	for row := 0; row < a.Rows; {
		x := kernel.Strip{Lanes: kernel.StripLanes(a.Rows - row)}
		n := x.Lanes * kernel.StripLines(a.Cols)
		x.Lines, lines = lines[:n:n], lines[n:]
		end := min(row+x.Lanes, a.Rows)
		kernel.LoadStrip(x, a.Slice(row, end, 0, a.Cols))
		s.strips = append(s.strips, x)
		row = end
	}
}

// begin stores the biases of a panel in the rows of a unit.
func (w *changeWork) begin(u *changeUnit, panel int) {
	for r := u.first; r < u.first+u.rows; r++ {
		row := w.init.Row(r)[panel*panelWidth:][:panelWidth]
		n := 0
		if u.segment.Bias != nil {
			n = copy(row, u.segment.Bias[panel*panelWidth:])
		}
		clear(row[n:])
	}
}
