package gemm

import (
	"fmt"

	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
	"kenserve/nn"
)

// Transposed is the transpose of activations X[M,K], in memory that is used again. Weight
// gradients need it: their sums are over the rows of X.
type Transposed struct {
	// view is Xᵀ[K,M]. Between its columns and the next multiple of 16 there are zeros.
	view View
	data []float32
	x    View
	act  nn.Activation

	words   lowPrecisionActivations // Xᵀ rounded to bfloat16
	rounded bool                    // words is current
}

// transposedRows is the number of rows of X that one part transposes.
const transposedRows = panelWidth

// reset makes t the transpose of x.
func (t *Transposed) reset(p *parallel.Pool, x View) { t.ResetActivated(p, x, nn.Identity) }

// ResetActivated makes t the transpose of the activations of x, which then need no memory of
// their own.
func (t *Transposed) ResetActivated(p *parallel.Pool, x View, act nn.Activation) {
	x.Check("transposed")
	stride := Stride(x.Rows)
	t.data = resize(t.data, x.Cols*stride)
	t.view, t.x = View{Data: t.data, Rows: x.Cols, Cols: x.Rows, Stride: stride}, x
	t.act, t.rounded = act, false
	if x.Rows*x.Cols < sharedProducts/16 {
		p = nil
	}
	p.Run((stride+transposedRows-1)/transposedRows, t)
}

// roundedFactor returns Xᵀ rounded to bfloat16.
func (t *Transposed) roundedFactor(p *parallel.Pool) factor {
	if !t.rounded {
		roundedFactor(p, &t.words, t.view)
		t.rounded = true
	}
	return factor{words: &t.words}
}

// Do implements parallel.Work: it transposes 32 rows of X.
func (t *Transposed) Do(i, _ int) {
	r0 := i * transposedRows
	end := min(r0+transposedRows, t.view.Stride)
	r1 := max(min(end, t.x.Rows), r0)
	const block = 64 // columns of X whose rows of Xᵀ stay in the first-level cache
	for k := 0; k < t.x.Cols && r1 > r0; k += block {
		k1 := min(k+block, t.x.Cols)
		kernel.TransposeTo(t.view.Slice(k, k1, r0, r1), t.x.Slice(r0, r1, k, k1))
		t.act.Apply(t.view.Slice(k, k1, r0, r1))
	}
	for k := 0; k < t.x.Cols && r1 < end; k++ {
		clear(t.data[k*t.view.Stride:][r1:end])
	}
}

// AddGradient adds the gradient of a loss with respect to a matrix's weights, and to the
// biases of its outputs, if bias is not nil:
//
//	grad[N,K] += DYᵀ·X,  bias[N] += Σ rows of DY
//
// X[M,K] are the inputs of the dense layer, given transposed; DY[M,N] is the gradient of its
// outputs. grad has the order of [Matrix.Values]. If fresh is true, grad and bias are
// overwritten. An element is one sum over M in rising order: the bits depend neither on the
// pool nor on how the rows are divided into calls. If compute is BFloat16, the factors of the
// products are rounded, and an odd number of rows in a call can change the last bits.
func (m *Matrix) AddGradient(p *parallel.Pool, grad, bias []float32, dy View, x *Transposed, fresh bool, compute Compute) {
	m.checkGradient(dy, x)
	if want := panelCount(m.n) * m.k * panelWidth; len(grad) != want || bias != nil && len(bias) != m.n {
		panic(fmt.Sprintf("gemm: gradient of a %d×%d matrix with %d values and %d biases, want %d values", m.n, m.k, len(grad), len(bias), want))
	}
	w := gradientWork{m: m, grad: grad, bias: bias, dy: dy, x: floatFactor(x.view), fresh: fresh}
	if compute == BFloat16 {
		w.x = x.roundedFactor(p)
	}
	panels := panelCount(m.n)
	w.groupRows, w.groups = rowGroups(p, m.k, panels)
	if dy.Rows*m.n*m.k < sharedProducts {
		p = nil
	}
	shared := gradientWorks.take()
	*shared = w
	p.Run(panels*w.groups, shared)
	*shared = gradientWork{}
	gradientWorks.release(shared)
}

// checkGradient panics unless the gradient of the outputs and the inputs fit the matrix.
func (m *Matrix) checkGradient(dy View, x *Transposed) {
	dy.Check("gradient of outputs")
	if dy.Cols != m.n || x.view.Rows != m.k || x.view.Cols != dy.Rows {
		panic(fmt.Sprintf("gemm: gradient of wrong sizes: [%d,%d] = [%d,%d]ᵀ·[%d,%d]", m.n, m.k, dy.Rows, dy.Cols, x.view.Cols, x.view.Rows))
	}
}

// gradientWork is one call of AddGradient. A part is a panel of 32 outputs by a group of
// inputs.
type gradientWork struct {
	m          *Matrix
	grad, bias []float32
	dy         View
	x          factor // [K,M]
	fresh      bool
	groupRows  int // inputs of a group, a multiple of kernel.ChunkRows
	groups     int
}

var gradientWorks freeList[gradientWork]

// Do performs one part.
func (w *gradientWork) Do(i, _ int) {
	panel, k0 := i/w.groups, i%w.groups*w.groupRows
	k1 := min(k0+w.groupRows, w.m.k)
	n0 := panel * panelWidth
	n1 := min(n0+panelWidth, w.m.n)
	scratch := takeScratch(w.dy.Rows)
	defer scratchPanels.release(scratch)
	rows := scratch.rows[:w.dy.Rows]
	for r := range rows {
		n := copy(rows[r][:], w.dy.Data[r*w.dy.Stride+n0:][:n1-n0])
		clear(rows[r][n:])
	}
	if w.bias != nil && k0 == 0 {
		addRows(w.bias[n0:n1], rows, w.fresh)
	}
	out := View{Data: w.grad[panel*w.m.k*panelWidth:], Rows: w.m.k, Cols: panelWidth, Stride: panelWidth}
	if len(rows) == 0 {
		if w.fresh {
			clear(out.Slice(k0, k1, 0, panelWidth).Data)
		}
		return
	}
	b, words := w.x.panel(rows)
	defer scratchPanels.release(words)
	for ; k0 < k1; k0 += kernel.ChunkRows {
		end := min(k0+kernel.ChunkRows, k1)
		w.x.addProduct(out.Slice(k0, end, 0, panelWidth), k0, b, !w.fresh)
	}
}

// addRows adds the rows to sums, in order, or to zero if fresh is true.
func addRows(sums []float32, rows []panelRow, fresh bool) {
	var total panelRow
	if !fresh {
		copy(total[:], sums)
	}
	kernel.ColumnSums(total[:], View{Data: panelValues(rows), Rows: len(rows), Cols: panelWidth, Stride: panelWidth})
	copy(sums, total[:])
}
