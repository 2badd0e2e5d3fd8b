package train

import (
	"slices"

	"kenserve/delta"
	"kenserve/models"
)

// Codings are the value codings of a delta. Training sees values as they will be stored.
type Codings struct {
	Matrices delta.Coding // of kept values of matrices and tables
	Vectors  delta.Coding // of biases and layer norms
	Head     delta.Coding // of layers that the base does not have
}

// of returns the coding of a weight.
func (c Codings) of(w *Weight) delta.Coding {
	switch {
	case w.OfHead && w.Role == models.Vector:
		return delta.Float32 // a few values
	case w.OfHead:
		return c.Head
	case w.Role == models.Vector:
		return c.Vectors
	}
	return c.Matrices
}

// exact reports whether no coding rounds.
func (c Codings) exact() bool {
	return c.Matrices == delta.Float32 && c.Vectors == delta.Float32 && c.Head == delta.Float32
}

// begin notes the values with which training starts, from which changes count.
func (w *Weight) begin() {
	if w.OfHead {
		w.start = make([]float32, len(*w.values)) // a new layer is stored as a change from 0
		return
	}
	w.start = slices.Clone(*w.values)
}

// show makes the forward pass use the values as the coding stores them: the gradient is taken
// there and applied to the exact values (straight-through; Bengio et al., 2013).
func (m *Model) show(c Codings) {
	for _, w := range m.trained() {
		w.coding = c.of(w)
		if w.coding == delta.Float32 || len(*w.values) != len(w.start) {
			continue // a table that grows is stored exactly
		}
		if w.rows == nil {
			w.rows = make([]int32, len(w.start))
			columns := w.Shape[len(w.Shape)-1]
			if len(w.Shape) == 1 {
				columns = w.Elements()
			}
			for i := range w.rows {
				w.rows[i] = int32(max(0, w.tensor.Position(i)) / columns)
			}
		}
		changes := slices.Grow((*w.shown)[:0], len(w.start))[:len(w.start)]
		for i, v := range *w.values {
			changes[i] = v - w.start[i]
		}
		delta.Round(w.coding, w.rows, changes)
		for i, x := range changes {
			changes[i] = w.start[i] + x
		}
		*w.shown = changes
	}
}
