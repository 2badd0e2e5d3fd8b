package viz

import "context"

// A Matrix is a tensor of a model with the positions of its kept values. Views of one
// tensor that are made from one Matrix read those positions from the delta only once.
type Matrix struct {
	Tensor *Tensor
	model  *Model
	kept   *pattern
}

// Matrix reads which values of a tensor are kept. The error wraps [ErrTensor] if there
// is no tensor of that name.
func (m *Model) Matrix(ctx context.Context, tensor string) (*Matrix, error) {
	t, err := m.Tensor(tensor)
	if err != nil {
		return nil, err
	}
	p, err := m.pattern(ctx, t)
	if err != nil {
		return nil, err
	}
	return &Matrix{Tensor: t, model: m, kept: p}, nil
}

// KeptRow returns which values of a row are kept: bit c%64 of word c/64 stands for
// column c. The slice must not be changed.
func (x *Matrix) KeptRow(row int) []uint64 { return x.kept.row(row) }

// Counts are the counts from which [Kept], [Neighbours] and [Layer] are made.
type Counts struct {
	tensor     Tensor
	pattern    *pattern
	rows       []int // kept values of each row
	blocks     Blocks
	neighbours [5]int // kept values by their number of kept neighbours
	window     Window
}

// Count counts the kept values and their neighbours, in blocks and within a window.
func (x *Matrix) Count(d Detail) *Counts {
	d = d.bounded()
	c := &Counts{tensor: *x.Tensor, pattern: x.kept, rows: x.kept.rowCounts(), window: x.kept.window(d)}
	c.blocks, c.neighbours = x.kept.countBlocks(d.Blocks)
	return c
}

// count is [Matrix.Count] for a tensor of the model.
func (m *Model) count(ctx context.Context, tensor string, d Detail) (*Counts, error) {
	x, err := m.Matrix(ctx, tensor)
	if err != nil {
		return nil, err
	}
	return x.Count(d), nil
}
