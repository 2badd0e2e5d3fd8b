package viz

import (
	"fmt"
	"sort"
	"strconv"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
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
		for _, t := range m.ofKind(kind) {
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
		for _, t := range m.ofKind(kind) {
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
func (k *KindShare) Share() float64 { return share(k.Kept, k.Values) }

// Share returns the share of all values of the base that is kept.
func (s *Shares) Share() float64 { return share(s.Kept, s.Values) }

// top is the share that the table's last colour stands for. Heads are whole
// whatever was kept, and do not count.
func (s *Shares) top() float64 {
	highest := 0.0
	for i := range s.Kinds {
		for j := range s.Kinds[i].Tensors {
			highest = max(highest, s.Kinds[i].Tensors[j].Share())
		}
	}
	for i := range s.Others {
		if s.Others[i].Form != Head {
			highest = max(highest, s.Others[i].Share())
		}
	}
	return top(highest, 1)
}

// tableLevel returns the colour of a table's cell.
func tableLevel(share, top float64) int { return int(level(share, top, 0)) }

// Sizes of the table, in points.
const (
	tableLine   = 18
	tableNames  = 210
	tableAll    = 52
	tableNumber = 30 // narrowest cell with a number in it
)

func (s *Shares) lines() int { return len(s.Kinds) + len(s.Others) }

func (s *Shares) height() vg.Length {
	return 44 + vg.Length(s.lines()+3)*tableLine + 40
}

func (s *Shares) draw(f frame) {
	f = f.head("Share kept by layer and type of tensor", fmt.Sprintf("%s of %s values of the base's tensors kept (%s), and a head of %s", count(s.Kept), count(s.Values), percent(s.Share()), count(s.Head)))
	line, most := 0, s.top()
	at := func() vg.Length { return vg.Length(line) * tableLine }
	cell := func(left, width vg.Length, value float64) {
		c := f.part(left+1, at()+1, width-2, tableLine-2)
		l := tableLevel(value, most)
		c.FillPolygon(f.ramp(l), corners(c.Rectangle))
		outline(c)
		if width >= tableNumber {
			c.writeAligned(tickSize, textOn(f.ramp(l)), text.XCenter, c.width()/2, 11, percent(value))
		}
	}
	if len(s.Kinds) > 0 {
		width := (f.width() - tableNames - tableAll) / vg.Length(len(s.Layers))
		width = min(width, 60)
		all := tableNames + width*vg.Length(len(s.Layers))
		for i, layer := range s.Layers {
			f.writeAligned(tickSize, f.soft, text.XCenter, tableNames+width*(vg.Length(i)+0.5), at()+12, strconv.Itoa(layer))
		}
		f.write(tickSize, f.soft, 0, at()+12, "layer")
		f.writeAligned(tickSize, f.soft, text.XCenter, all+tableAll/2, at()+12, "all")
		line++
		for i := range s.Kinds {
			k := &s.Kinds[i]
			f.write(tickSize, f.ink, 0, at()+12, fit(label(k.Kind), tickSize, tableNames-6))
			for j := range k.Tensors {
				if t := &k.Tensors[j]; t.Name != "" {
					cell(tableNames+width*vg.Length(j), width, t.Share())
				}
			}
			cell(all, tableAll, k.Share())
			line++
		}
		line++
	}
	for i := range s.Others {
		t := &s.Others[i]
		f.write(tickSize, f.ink, 0, at()+12, fit(t.Name, tickSize, tableNames-6))
		cell(tableNames, tableAll, t.Share())
		f.write(tickSize, f.soft, tableNames+tableAll+6, at()+12, fmt.Sprintf("%s of %s, %s", count(t.Kept), count(t.Values()), t.Form))
		line++
	}
	f.part(0, at()+12, f.width(), 30).drawScale(0, most, "share kept; a head is always whole", percentTick)
}
