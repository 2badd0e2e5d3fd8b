package gemm

import (
	"fmt"

	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
	"kenserve/nn"
)

// Position is a weight that sparse training keeps: weight (Output, Input) of a matrix.
type Position struct{ Output, Input int32 }

// AddSparseGradient adds to grad[i] the gradient of the weight at positions[i], the scalar
// product of a column of DY and a column of act(X): X[M,K] is the input of the dense layer
// before its activation, DY[M,N] the gradient of its outputs. If fresh is true, grad is
// overwritten. Positions in the order of outputs are fastest.
//
// It transposes blocks of rows, which stay in the second-level cache, so that columns become
// vectors. The blocks depend on the sizes alone: the bits do not depend on the pool.
func (m *Matrix) AddSparseGradient(p *parallel.Pool, grad []float32, positions []Position, dy, x View, act nn.Activation, fresh bool) {
	dy.Check("gradient of outputs")
	x.Check("inputs")
	if dy.Cols != m.n || x.Cols != m.k || x.Rows != dy.Rows || len(grad) != len(positions) {
		panic(fmt.Sprintf("gemm: sparse gradient of wrong sizes: %d values at %d positions of [%d,%d] = [%d,%d]ᵀ·[%d,%d]",
			len(grad), len(positions), m.n, m.k, dy.Rows, dy.Cols, x.Rows, x.Cols))
	}
	if fresh {
		clear(grad)
	}
	work := sparseWorks.take()
	defer sparseWorks.release(work)
	work.grad, work.positions = grad, positions
	rows := sparseRows(m.n + m.k)
	for r := 0; r < x.Rows; r += rows {
		end := min(r+rows, x.Rows)
		work.dy.reset(p, dy.Slice(r, end, 0, dy.Cols))
		work.x.ResetActivated(p, x.Slice(r, end, 0, x.Cols), act)
		pool := p
		if len(positions)*(end-r) < sharedProducts {
			pool = nil
		}
		pool.Run((len(positions)+sparsePart-1)/sparsePart, work)
	}
	work.grad, work.positions = nil, nil
}

// sparseRows returns the number of rows of a block: with the given number of columns of X and
// DY together they take a megabyte.
func sparseRows(columns int) int {
	const values = 1 << 18
	return max(32, values/columns&^15)
}

// sparsePart is the number of positions of a part.
const sparsePart = 1 << 10

// sparseWork is one call of AddSparseGradient, for a block of rows. A part is some positions.
type sparseWork struct {
	grad      []float32
	positions []Position
	dy, x     Transposed
}

var sparseWorks freeList[sparseWork]

// Do performs one part.
func (w *sparseWork) Do(part, _ int) {
	first := part * sparsePart
	grad := w.grad[first:min(first+sparsePart, len(w.grad))]
	positions := w.positions[first:][:len(grad)]
	dy, x := w.dy.view, w.x.view
	length := (x.Cols + 15) &^ 15 // there are zeros after the last row
	var inputs [64]int32
	var sums [64]float32
	for i := 0; i < len(positions); {
		output, n := positions[i].Output, 0
		for ; n < len(inputs) && i+n < len(positions) && positions[i+n].Output == output; n++ {
			inputs[n] = positions[i+n].Input
		}
		kernel.Dots(sums[:n], dy.Data[int(output)*dy.Stride:][:length], x, inputs[:n])
		kernel.Add(grad[i:i+n], grad[i:i+n], sums[:n])
		i += n
	}
}
