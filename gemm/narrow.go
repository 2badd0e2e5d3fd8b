package gemm

import "unsafe"

// words are a line of a narrow panel: of each of 32 outputs, the weights of two
// inputs as bfloat16 or of four as int8, the first in the lowest bits.
type words = [panelWidth]uint32

// narrowWeights are the panels of a narrow matrix. Inputs beyond the last, where
// their number does not fill a word, have zero weights.
type narrowWeights struct {
	lines  []words // [ceil(N/32)][perPanel]
	steps  []line  // [ceil(N/32)], int8: what one level of an output's weights is worth
	totals [][panelWidth]int32
	// totals are [ceil(N/32)], int8: the sum of an output's levels, by which sums
	// over activations that are not counted from zero are corrected.
	perPanel int
}

// narrowPanel is one panel of narrow weights.
type narrowPanel struct {
	lines  []words
	steps  *line
	totals *[panelWidth]int32
}

func makeNarrow(c Compute, n, k int) *narrowWeights {
	panels := panelCount(n)
	w := &narrowWeights{perPanel: (k + c.inputs() - 1) / c.inputs()}
	lines := makePanels(panels * w.perPanel)
	w.lines = unsafe.Slice((*words)(unsafe.Pointer(unsafe.SliceData(lines))), len(lines))
	if c == Int8 {
		w.steps = make([]line, panels)
		w.totals = make([][panelWidth]int32, panels)
	}
	return w
}

func (w *narrowWeights) panel(i int) narrowPanel {
	p := narrowPanel{lines: w.lines[i*w.perPanel:][:w.perPanel:w.perPanel]}
	if w.steps != nil {
		p.steps, p.totals = &w.steps[i], &w.totals[i]
	}
	return p
}

// narrow rounds a panel of float32 weights to the compute type.
func (p *narrowPanel) narrow(c Compute, lines []line) {
	if c == BFloat16 {
		whole := len(lines) / 2
		narrowBFloat16(p.lines[:whole], lines)
		if 2*whole < len(lines) {
			rest := [2]line{lines[2*whole]}
			narrowBFloat16(p.lines[whole:], rest[:])
		}
		return
	}
	*p.totals = [panelWidth]int32{}
	var inverses line
	largestColumns(p.steps, lines)
	for i, top := range p.steps {
		p.steps[i], inverses[i] = weightStep(top)
	}
	whole := len(lines) / 4
	narrowInt8(p.lines[:whole], p.totals, lines, &inverses)
	if 4*whole < len(lines) {
		var rest [4]line
		copy(rest[:], lines[4*whole:])
		narrowInt8(p.lines[whole:], p.totals, rest[:], &inverses)
	}
}

// row widens the weights of one output, column col of the panel.
func (p *narrowPanel) row(c Compute, col int, dst []float32) {
	for k := range dst {
		word := p.lines[k/c.inputs()][col]
		if c == BFloat16 {
			dst[k] = widen(uint16(word >> (k % 2 * 16)))
		} else {
			dst[k] = float32(int8(word>>(k%4*8))) * p.steps[col]
		}
	}
}
