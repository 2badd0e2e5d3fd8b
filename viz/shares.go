package viz

import (
	"sort"
)

// Shares is the share of kept values, by layer and type of tensor.
type Shares struct {
	Layers []int       `json:"layers"` // numbers, rising; columns of KindShare.Tensors
	Kinds  []KindShare `json:"kinds"`
	Others []Tensor    `json:"others"` // tensors in no numbered layer
	Kept   int         `json:"kept"`   // values kept of the base's tensors
	Values int         `json:"values"` // of the base's tensors
	Head   int         `json:"head"`   // values of the head, all of which are kept
}

// KindShare is the share of kept values of one type of tensor.
type KindShare struct {
	Kind string `json:"kind"`
	// Tensors has one entry for each of [Shares.Layers]; its name is empty if the layer
	// has no such tensor.
	Tensors []Tensor `json:"tensors"`
	Kept    int      `json:"kept"`   // values in all layers
	Values  int      `json:"values"` // in all layers
}

// maxLayers bounds the number of layers in the table.
const maxLayers = 256

// Shares adds up the kept values.
func (m *Model) Shares() *Shares {
	s := &Shares{}
	column := map[int]int{}
	for _, kind := range m.Kinds() {
		for _, t := range m.OfKind(kind) {
			column[t.Layer] = 0
		}
	}
	for layer := range column {
		s.Layers = append(s.Layers, layer)
	}
	sort.Ints(s.Layers)
	s.Layers = s.Layers[:min(len(s.Layers), maxLayers)]
	column = map[int]int{}
	for i, layer := range s.Layers {
		column[layer] = i
	}
	for _, kind := range m.Kinds() {
		k := KindShare{Kind: kind, Tensors: make([]Tensor, len(s.Layers))}
		for _, t := range m.OfKind(kind) {
			if i, ok := column[t.Layer]; ok {
				k.Tensors[i] = *t
			}
			k.Kept += t.Kept
			k.Values += t.Values()
		}
		s.Kinds = append(s.Kinds, k)
	}
	for i := range m.tensors {
		t := &m.tensors[i]
		if t.Layer < 0 {
			s.Others = append(s.Others, *t)
		}
		if t.Form == Head {
			s.Head += t.Kept
			continue
		}
		s.Kept += t.Kept
		s.Values += t.Values()
	}
	return s
}

// Share returns the share of the type's values that are kept.
func (k *KindShare) Share() float64 { return Share(k.Kept, k.Values) }

// Share returns the share of the base's values that are kept.
func (s *Shares) Share() float64 { return Share(s.Kept, s.Values) }
