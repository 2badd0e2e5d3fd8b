package viz

import (
	"context"
	"math/bits"
)

// Kept shows which values of a matrix are kept: the paper's single matrix view.
type Kept struct {
	Tensor    Tensor  `json:"tensor"`
	Share     float64 `json:"share"`
	PerRow    Summary `json:"per_row"`
	PerColumn Summary `json:"per_column"`
	Blocks    Blocks  `json:"blocks"`
	Window    Window  `json:"window"`
}

// Kept counts the kept values of a tensor, in blocks and within a window. The error wraps
// [ErrTensor] if there is no such tensor.
func (m *Model) Kept(ctx context.Context, tensor string, d Detail) (*Kept, error) {
	c, err := m.count(ctx, tensor, d)
	if err != nil {
		return nil, err
	}
	return c.Kept(), nil
}

// Kept returns the view of the kept values.
func (c *Counts) Kept() *Kept {
	columns := make([]int, c.pattern.columns)
	for r := range c.pattern.rows {
		for w, word := range c.pattern.row(r) {
			for ; word != 0; word &= word - 1 {
				columns[64*w+bits.TrailingZeros64(word)]++
			}
		}
	}
	return &Kept{
		Tensor: c.tensor, Share: c.tensor.Share(), PerRow: summarize(c.rows), PerColumn: summarize(columns),
		Blocks: c.blocks, Window: c.window,
	}
}
