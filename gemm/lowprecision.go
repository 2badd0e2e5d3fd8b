package gemm

import (
	"math"
	"unsafe"

	"kenserve/gemm/kernel"
)

type wordRow = kernel.WordRow

// lowPrecisionPanels are the panels of a matrix of type BFloat16 or Int8. Inputs after
// the last one, where their number does not fill a word, have zero weights.
type lowPrecisionPanels struct {
	rows     []wordRow // [ceil(N/32)][perPanel]
	perPanel int

	// For Int8, of each output:
	steps []panelRow // [ceil(N/32)] the value of one level of its weights
	// totals are [ceil(N/32)] the sums of its levels, which correct sums over
	// activations whose zero is not level 0.
	totals [][panelWidth]int32
}

// lowPrecisionPanel is one of them.
type lowPrecisionPanel struct {
	rows   []wordRow
	steps  *panelRow
	totals *[panelWidth]int32
}

func makeLowPrecision(c Compute, n, k int) *lowPrecisionPanels {
	panels := panelCount(n)
	w := &lowPrecisionPanels{perPanel: (k + c.inputsPerWord() - 1) / c.inputsPerWord()}
	w.rows = asWords(makePanels(panels * w.perPanel))
	if c == Int8 {
		w.steps = make([]panelRow, panels)
		w.totals = make([][panelWidth]int32, panels)
	}
	return w
}

// asWords returns the memory of rows as rows of words.
func asWords(rows []panelRow) []wordRow {
	return unsafe.Slice((*wordRow)(unsafe.Pointer(unsafe.SliceData(rows))), len(rows))
}

func (w *lowPrecisionPanels) panel(i int) lowPrecisionPanel {
	p := lowPrecisionPanel{rows: w.rows[i*w.perPanel:][:w.perPanel:w.perPanel]}
	if w.steps != nil {
		p.steps, p.totals = &w.steps[i], &w.totals[i]
	}
	return p
}

// round rounds a panel of float32 weights to the compute type.
func (p *lowPrecisionPanel) round(c Compute, rows []panelRow) {
	if c == BFloat16 {
		whole := len(rows) / 2
		kernel.PackWeights(p.rows[:whole], rows)
		if 2*whole < len(rows) {
			rest := [2]panelRow{rows[2*whole]}
			kernel.PackWeights(p.rows[whole:], rest[:])
		}
		return
	}
	*p.totals = [panelWidth]int32{}
	var inverses panelRow
	kernel.ColumnMaxAbs(p.steps, rows)
	for i, largest := range p.steps {
		p.steps[i], inverses[i] = kernel.WeightStep(largest)
	}
	whole := len(rows) / 4
	kernel.QuantiseWeights(p.rows[:whole], p.totals, rows, &inverses)
	if 4*whole < len(rows) {
		var rest [4]panelRow
		copy(rest[:], rows[4*whole:])
		kernel.QuantiseWeights(p.rows[whole:], p.totals, rest[:], &inverses)
	}
}

// output stores the weights of one output, a column of the panel, in dst as float32.
func (p *lowPrecisionPanel) output(c Compute, column int, dst []float32) {
	for k := range dst {
		word := p.rows[k/c.inputsPerWord()][column]
		if c == BFloat16 {
			dst[k] = math.Float32frombits(word >> (k % 2 * 16) << 16)
		} else {
			dst[k] = float32(int8(word>>(k%4*8))) * p.steps[column]
		}
	}
}

// lowPrecisionActivations are the left factor of a product in the form that the
// kernels of a compute type read.
type lowPrecisionActivations struct {
	words  []uint32 // [rows][stride]
	stride int
	scales []float32 // Int8: [rows] the value of one level
	zeros  []int32   // Int8: [rows] the level of zero
}

// reset makes room for rows of k activations. For Int8 a word holds four of them. For
// BFloat16 it holds two, or one that is rounded but still a float32, whichever the
// kernels in use multiply.
func (a *lowPrecisionActivations) reset(c Compute, rows, k int) {
	size := (k + 1) &^ 1
	switch {
	case c == Int8:
		size = (k + 3) / 4
	case kernel.BFloat16Pairs():
		size = (k + 1) / 2
	}
	a.stride = Stride(size)
	a.words = resize(a.words, rows*a.stride)
	if c == Int8 {
		a.scales, a.zeros = resize(a.scales, rows), resize(a.zeros, rows)
	}
}

// resize returns a slice of length n with arbitrary contents, s if that is large
// enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// round rounds row i to the compute type.
func (a *lowPrecisionActivations) round(c Compute, i int, x []float32) {
	dst := a.words[i*a.stride:][:a.stride]
	if c == BFloat16 && kernel.BFloat16Pairs() {
		kernel.PackActivations(dst, x)
		return
	}
	if c == BFloat16 {
		kernel.RoundActivations(dst, x)
		if len(x)%2 == 1 {
			dst[len(x)] = 0
		}
		return
	}
	low, high := kernel.MinMax(x)
	scale, inverse, zero := kernel.ActivationStep(low, high)
	a.scales[i], a.zeros[i] = scale, zero
	if !math.IsNaN(float64(scale)) { // otherwise every result is NaN, whatever the levels
		kernel.QuantiseActivations(dst, x, inverse, zero)
	}
}
