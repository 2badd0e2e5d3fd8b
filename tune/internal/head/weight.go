package head

import (
	"fmt"
	"slices"

	"kenserve/models"
)

// Weight is one tensor of a head while it is trained. It has the shape of grad.Parameter:
// Values are what is trained, Grad the sum of their gradients, Shown what the forward pass
// uses in their place if it is not nil.
type Weight struct {
	models.Parameter
	Values, Grad, Shown []float32

	initial   []float32 // all values, row-major, before training
	all       []float32 // all values, row-major, as the forward pass uses them
	positions []int     // of Values; nil: all are trained
	frozen    bool
}

// newWeight returns a weight with these values, row-major, of which all are trained.
func newWeight(p models.Parameter, initial []float32) *Weight {
	w := &Weight{Parameter: p, initial: initial}
	w.Reset()
	return w
}

// Reset gives the weight its first values, and trains all of them.
func (w *Weight) Reset() {
	w.frozen, w.positions, w.Shown = false, nil, nil
	w.Values = slices.Clone(w.initial)
	w.Grad = make([]float32, len(w.initial))
	w.all = slices.Clone(w.initial)
}

// Freeze ends the training of the weight, which keeps its present values.
func (w *Weight) Freeze() {
	w.frozen, w.Values, w.Grad, w.Shown, w.positions = true, nil, nil, nil, nil
}

// Keep trains the values at these positions alone, in rising order. The weight must be in
// the state after newWeight or Reset.
func (w *Weight) Keep(positions []int) error {
	last := -1
	for _, p := range positions {
		if p <= last || p >= len(w.initial) {
			return fmt.Errorf("head: keep values of %s: position %d after %d, of %d values", w.Name, p, last, len(w.initial))
		}
		last = p
	}
	w.positions = slices.Clone(positions)
	if w.positions == nil {
		w.positions = []int{}
	}
	w.Values, w.Grad = make([]float32, len(positions)), make([]float32, len(positions))
	for i, p := range positions {
		w.Values[i] = w.initial[p]
	}
	return nil
}

// Position returns the index in the tensor, row-major, of Values[i].
func (w *Weight) Position(i int) int {
	if w.positions != nil {
		return w.positions[i]
	}
	return i
}

// Read fills dst with all values that the forward pass uses, row-major.
func (w *Weight) Read(dst []float32) { copy(dst, w.all) }

// update gives the forward pass the present values.
func (w *Weight) update() {
	values := w.Values
	if w.Shown != nil {
		values = w.Shown
	}
	switch {
	case w.frozen:
	case w.positions == nil:
		copy(w.all, values)
	default:
		for i, p := range w.positions {
			w.all[p] = values[i]
		}
	}
}

// add adds the gradient of all values.
func (w *Weight) add(gradient []float32) {
	switch {
	case w.frozen:
	case w.positions == nil:
		for i, g := range gradient {
			w.Grad[i] += g
		}
	default:
		for i, p := range w.positions {
			w.Grad[i] += gradient[p]
		}
	}
}

// Settle makes the present values those that Reset gives the weight.
func (w *Weight) Settle() { copy(w.initial, w.all) }

// Initial returns the values that Reset gives the weight.
func (w *Weight) Initial() []float32 { return w.initial }

// SetInitial sets the values that Reset gives the weight.
func (w *Weight) SetInitial(values []float32) error {
	if len(values) != len(w.initial) {
		return fmt.Errorf("head: tensor %s: %d values, want %d", w.Name, len(values), len(w.initial))
	}
	copy(w.initial, values)
	return nil
}
