package viz

import (
	"sort"
)

// Shares is how much is kept by layer and by type of tensor.
type Shares struct {
	Layers []int       `json:"layers"`
	Kinds  []KindShare `json:"kinds"`
	Others []Tensor    `json:"others"` // tensors outside the layers
	Kept   int         `json:"kept"`   // of all tensors, the head's left out
	Values int         `json:"values"`
	Head   int         `json:"head"` // values of the head, all of them kept
}

// KindShare is what is kept of one type of tensor.
type KindShare struct {
	Kind string `json:"kind"`
	// Tensors has one entry a layer; a layer without such a tensor has one
	// without a name.
	Tensors []Tensor `json:"tensors"`
	Kept    int      `json:"kept"` // of all layers
	Values  int      `json:"values"`
}

// maxLayers bounds the layers that a table shows.
const maxLayers = 256

// Shares adds up what is kept.
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

// Share returns the share of the type's values that is kept.
func (k *KindShare) Share() float64 { return Share(k.Kept, k.Values) }

// Share returns the share of all values of the base that is kept.
func (s *Shares) Share() float64 { return Share(s.Kept, s.Values) }
