package viz

import (
	"context"
	"fmt"
	"sort"
)

// Layers shows one type of tensor in all layers: the paper's layer-wise view, of the kept
// values or of their neighbours.
type Layers struct {
	Kind   string  `json:"kind"`
	Of     Aspect  `json:"of"`
	Layers []Layer `json:"layers"` // by number
}

// Aspect says what a layer-wise view shows of each layer.
type Aspect string

// The aspects.
const (
	OfKept       Aspect = "kept"       // the kept values
	OfNeighbours Aspect = "neighbours" // their kept neighbours
)

// Layer is the tensor of one layer in a layer-wise view.
type Layer struct {
	Tensor       Tensor  `json:"tensor"`
	Mean         float64 `json:"mean"`          // kept neighbours of a kept value
	ExpectedMean float64 `json:"expected_mean"` // of columns drawn at random
	Blocks       Blocks  `json:"blocks"`
}

// maxLayerBlocks bounds the blocks of all layers together.
const maxLayerBlocks = 1 << 17

// Kinds lists the types of tensors in layers, in the order of [Model.Tensors].
func (m *Model) Kinds() []string {
	var kinds []string
	seen := map[string]bool{}
	for i := range m.tensors {
		if t := &m.tensors[i]; t.Layer >= 0 && !seen[t.Kind] {
			seen[t.Kind] = true
			kinds = append(kinds, t.Kind)
		}
	}
	return kinds
}

// Layers counts one aspect of a type of tensor, one of [Model.Kinds], in all layers.
// d.Blocks bounds the blocks of one layer; 0: a quarter of [DefaultBlocks]. The window of d
// is not used. The error wraps [ErrTensor] if there is no such type.
func (m *Model) Layers(ctx context.Context, kind string, of Aspect, d Detail) (*Layers, error) {
	if of != OfKept && of != OfNeighbours {
		return nil, fmt.Errorf("viz: unknown aspect %q of layers, want %q or %q", of, OfKept, OfNeighbours)
	}
	tensors := m.OfKind(kind)
	if len(tensors) == 0 {
		return nil, fmt.Errorf("viz: tensors of type %q: %w", kind, ErrTensor)
	}
	if d.Blocks <= 0 {
		d.Blocks = DefaultBlocks / 4
	}
	d.Blocks = max(min(d.Blocks, maxLayerBlocks/len(tensors)), 1)
	view := &Layers{Kind: kind, Of: of}
	for _, t := range tensors {
		c, err := m.count(ctx, t.Name, d)
		if err != nil {
			return nil, err
		}
		view.Layers = append(view.Layers, c.Layer())
	}
	return view, nil
}

// Layer returns the counts as one layer of a layer-wise view.
func (c *Counts) Layer() Layer {
	n := c.Neighbours()
	return Layer{Tensor: c.tensor, Mean: n.Mean, ExpectedMean: n.ExpectedMean, Blocks: c.blocks}
}

// OfKind lists the tensors of a type, one of [Model.Kinds], by layer.
func (m *Model) OfKind(kind string) []*Tensor {
	var out []*Tensor
	for i := range m.tensors {
		if t := &m.tensors[i]; t.Layer >= 0 && t.Kind == kind {
			out = append(out, t)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Layer < out[j].Layer })
	return out
}
