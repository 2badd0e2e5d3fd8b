// Package train is the training loop: it drives an encoder and its head through the stages of
// a run, step by step, and returns the best weights that the dev set has seen.
//
// # Stages
//
//	measure      gradients of some batches, which choose the positions of a sparse run
//	full         full training, whose largest changes choose the positions instead
//	contrastive  texts of the same class are brought together, for few examples
//	train        the training itself
//
// # Determinism
//
// Every random choice is a function of the seed and of where it is used: the order of an
// epoch, the first values of a head, dropout. Sums have a fixed order. So a run gives the same
// bits for any number of workers.
//
// # Checkpoints
//
// Between two steps the whole state of a run is: stage and step, the positions, the trained
// values with the averages of AdamW, the best values so far, and the history. A checkpoint
// has just that (state.go), so a run that was killed and resumed gives the same bits too.
package train

import (
	"fmt"
	"slices"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/models/grad"
	"kenserve/tune/internal/adamw"
	"kenserve/tune/internal/head"
	"kenserve/tune/internal/objective"
)

// Sample is one tokenised example.
type Sample struct {
	IDs, Types []int32
	objective.Target
}

// Encoder is what a run needs of *grad.Encoder.
type Encoder interface {
	Parameters() []*grad.Parameter
	Features(b *models.Batch, m grad.Mode) (gemm.View, error)
	Backward(d gemm.View) error
	ZeroGrad()
	Updated()
}

// Weight is a tensor of the encoder or of the head while it is trained.
type Weight struct {
	models.Parameter
	// OfHead is true for what a delta stores whole: a layer that the base does not have.
	OfHead bool

	values, grad, shown *[]float32
	tensor              tensor
	encoder             *grad.Parameter // nil for a layer of the head
	start               []float32       // the values with which training began
	coding              delta.Coding
	rows                []int32 // of the values, for a coding
	frozen              bool
}

// tensor is what *grad.Parameter and *head.Weight have in common.
type tensor interface {
	Keep(positions []int) error
	Freeze()
	Position(i int) int
	Read(dst []float32)
}

// Model is an encoder with a head.
type Model struct {
	encoder Encoder
	head    *head.Head
	weights []*Weight
}

// NewModel joins an encoder and a head. inBase reports whether the base has a tensor.
func NewModel(e Encoder, h *head.Head, inBase func(p models.Parameter) bool) *Model {
	m := &Model{encoder: e, head: h}
	for _, p := range e.Parameters() {
		m.weights = append(m.weights, &Weight{Parameter: p.Parameter, values: &p.Values, grad: &p.Grad, shown: &p.Shown, tensor: p, encoder: p})
	}
	for _, w := range h.Weights() {
		m.weights = append(m.weights, &Weight{Parameter: w.Parameter, OfHead: !inBase(w.Parameter), values: &w.Values, grad: &w.Grad, shown: &w.Shown, tensor: w})
	}
	return m
}

// Weights returns all weights, the encoder's first.
func (m *Model) Weights() []*Weight { return m.weights }

// Kept returns the positions of the trained values, row-major in the tensor, rising, and the
// values that the forward pass uses there. Without training there are none.
func (w *Weight) Kept() (positions []int, values []float32) {
	if w.frozen {
		return nil, nil
	}
	shown := *w.values
	if *w.shown != nil {
		shown = *w.shown
	}
	type entry struct {
		position int
		value    float32
	}
	entries := make([]entry, 0, len(shown))
	for i, v := range shown {
		if p := w.tensor.Position(i); p >= 0 {
			entries = append(entries, entry{p, v})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.position - b.position })
	for _, e := range entries {
		positions, values = append(positions, e.position), append(values, e.value)
	}
	return positions, values
}

// Coding returns the value coding in which the trained values are shown.
func (w *Weight) Coding() delta.Coding { return w.coding }

// Read fills dst with all values of the tensor, row-major.
func (w *Weight) Read(dst []float32) { w.tensor.Read(dst) }

// Elements returns the number of values of the tensor.
func (w *Weight) Elements() int {
	n := 1
	for _, d := range w.Shape {
		n *= d
	}
	return n
}

// reset gives all weights their first values and trains all of them.
func (m *Model) reset() error {
	for _, w := range m.weights {
		switch t := w.tensor.(type) {
		case *grad.Parameter:
			if err := t.Reset(); err != nil {
				return err
			}
		case *head.Weight:
			t.Reset()
		}
		w.frozen, w.rows, w.coding = false, nil, delta.Float32
		w.start = nil
	}
	m.updated()
	return nil
}

// keep trains these positions of a weight alone; nil trains all, an empty list none.
func (w *Weight) keep(positions []int) error {
	switch {
	case positions == nil:
	case len(positions) == 0:
		w.tensor.Freeze()
		w.frozen = true
		return nil
	default:
		if err := w.tensor.Keep(positions); err != nil {
			return err
		}
	}
	return nil
}

// updated tells encoder and head that values have changed.
func (m *Model) updated() {
	m.encoder.Updated()
	m.head.Updated()
}

// zeroGrad removes all gradients.
func (m *Model) zeroGrad() {
	m.encoder.ZeroGrad()
	m.head.ZeroGrad()
}

// trained returns the weights that are trained.
func (m *Model) trained() []*Weight {
	return slices.DeleteFunc(slices.Clone(m.weights), func(w *Weight) bool { return w.frozen })
}

// tensors returns the trained weights for the optimizer: the head's new layers with a rate of
// their own, vectors without decay.
func (m *Model) tensors(headRate, vectorRate, decay float64) []*adamw.Tensor {
	var list []*adamw.Tensor
	for _, w := range m.trained() {
		t := &adamw.Tensor{Name: w.Name, Weights: w.values, Gradient: w.grad, Rate: 1}
		switch {
		case w.OfHead:
			t.Rate = headRate
		case w.Role == models.Vector:
			t.Rate = vectorRate
		}
		if w.Role != models.Vector {
			t.Decay = decay
		}
		list = append(list, t)
	}
	return list
}

// batch joins samples without padding.
func batch(samples []*Sample) *models.Batch {
	b := &models.Batch{}
	for _, s := range samples {
		b.IDs, b.TypeIDs = append(b.IDs, s.IDs...), append(b.TypeIDs, s.Types...)
		b.Ends = append(b.Ends, len(b.IDs))
	}
	return b
}

// logits returns the logits of samples, [samples, labels], in passes of about tokens tokens.
func (m *Model) logits(samples []Sample, labels, tokens int, between func() error) ([]float32, error) {
	order := make([]int, len(samples))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(samples[a].IDs) - len(samples[b].IDs) })
	out := make([]float32, len(samples)*labels)
	for len(order) > 0 {
		if err := between(); err != nil {
			return nil, err
		}
		var part []*Sample
		n := 0
		for _, i := range order {
			if n += len(samples[i].IDs); n > tokens && len(part) > 0 {
				break
			}
			part = append(part, &samples[i])
		}
		features, err := m.encoder.Features(batch(part), grad.Mode{})
		if err != nil {
			return nil, fmt.Errorf("train: dev set: %w", err)
		}
		logits := m.head.Logits(features)
		for j := range part {
			copy(out[order[j]*labels:][:labels], logits[j*labels:])
		}
		order = order[len(part):]
	}
	return out, nil
}
