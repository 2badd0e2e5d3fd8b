package viz

import (
	"context"
)

// Neighbours shows how many of the values left, right, above and below each kept value of a
// matrix are kept too: the paper's neighbour count view.
type Neighbours struct {
	Tensor Tensor `json:"tensor"`
	// Counts[i] is the number of kept values with i kept neighbours.
	Counts [5]int `json:"counts"`
	// Expected[i] is the expectation of Counts[i] if each row kept as many values as it
	// does, at columns drawn at random.
	Expected     [5]float64 `json:"expected"`
	Mean         float64    `json:"mean"`          // of the number of kept neighbours
	ExpectedMean float64    `json:"expected_mean"` // of Expected
	Blocks       Blocks     `json:"blocks"`
	Window       Window     `json:"window"`
}

// Neighbours counts the kept neighbours of a tensor's kept values. The error wraps
// [ErrTensor] if there is no such tensor.
func (m *Model) Neighbours(ctx context.Context, tensor string, d Detail) (*Neighbours, error) {
	c, err := m.count(ctx, tensor, d)
	if err != nil {
		return nil, err
	}
	return c.Neighbours(), nil
}

// Neighbours returns the view of the kept neighbours.
func (c *Counts) Neighbours() *Neighbours {
	n := &Neighbours{
		Tensor: c.tensor, Counts: c.neighbours, Expected: expectedNeighbours(c.rows, c.pattern.columns),
		Blocks: c.blocks, Window: c.window,
	}
	if c.tensor.Kept > 0 {
		for i := range n.Counts {
			n.Mean += float64(i*n.Counts[i]) / float64(c.tensor.Kept)
			n.ExpectedMean += float64(i) * n.Expected[i] / float64(c.tensor.Kept)
		}
	}
	return n
}
