package viz

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"gonum.org/v1/plot/vg"
)

// Layers is one type of tensor over all layers: the paper's layer-wise view of
// the kept values, or of their neighbours.
type Layers struct {
	Kind   string  `json:"kind"`
	Of     Aspect  `json:"of"`
	Layers []Layer `json:"layers"` // in the order of their numbers
}

// Aspect is what a layer-wise view shows of each layer.
type Aspect string

// The aspects.
const (
	OfKept       Aspect = "kept"
	OfNeighbours Aspect = "neighbours"
)

// Layer is one layer's tensor in a layer-wise view.
type Layer struct {
	Tensor       Tensor  `json:"tensor"`
	Mean         float64 `json:"mean"` // neighbours of a kept value
	ExpectedMean float64 `json:"expected_mean"`
	Blocks       Blocks  `json:"blocks"`
}

// maxLayerBlocks bounds the blocks of all layers together.
const maxLayerBlocks = 1 << 17

// Kinds lists the types of tensors that layers have, in the order of
// [Model.Tensors].
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

// Layers shows one aspect of a type of tensor, one of [Model.Kinds], for all
// layers. The detail's window is of no account; its blocks are those of one
// layer, 0 for a quarter of DefaultBlocks.
func (m *Model) Layers(ctx context.Context, kind string, of Aspect, d Detail) (*Layers, error) {
	if of != OfKept && of != OfNeighbours {
		return nil, fmt.Errorf("viz: layers of %q: it is %q or %q", of, OfKept, OfNeighbours)
	}
	tensors := m.ofKind(kind)
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
		view.Layers = append(view.Layers, c.layer())
	}
	return view, nil
}

func (c *counted) layer() Layer {
	n := c.neighbourView()
	return Layer{Tensor: c.tensor, Mean: n.Mean, ExpectedMean: n.ExpectedMean, Blocks: c.blocks}
}

// ofKind lists the tensors of a type that belong to layers, in their order.
func (m *Model) ofKind(kind string) []*Tensor {
	var out []*Tensor
	for i := range m.tensors {
		if t := &m.tensors[i]; t.Layer >= 0 && t.Kind == kind {
			out = append(out, t)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Layer < out[j].Layer })
	return out
}

// label shortens a type's name to what comes after the layer's number.
func label(kind string) string {
	if _, rest, ok := strings.Cut(kind, ".*."); ok {
		return rest
	}
	return kind
}

// rasters draws all layers on one scale, whose end is top.
func (l *Layers) rasters() (rasters []raster, top float64) {
	var blocks []*Blocks
	for i := range l.Layers {
		blocks = append(blocks, &l.Layers[i].Blocks)
	}
	draw := (*Blocks).keptRaster
	if top = topShare(blocks...); l.Of == OfNeighbours {
		draw, top = (*Blocks).neighboursRaster, topMean(blocks...)
	}
	for _, b := range blocks {
		rasters = append(rasters, draw(b, top))
	}
	return rasters, top
}

// How the layers stand in a picture.
const (
	layersAcross = 6
	layerGap     = 14
	layerLabel   = 34
)

// tile returns the size of each layer's map.
func (l *Layers) tile() (across int, width, height vg.Length) {
	across = min(len(l.Layers), layersAcross)
	width = (figureWidth - layerGap*vg.Length(layersAcross-1)) / layersAcross
	aspect := vg.Length(0)
	for i := range l.Layers {
		b := &l.Layers[i].Blocks
		aspect = max(aspect, vg.Length(b.Rows)/vg.Length(max(b.Columns, 1)))
	}
	return across, width, max(width*aspect, 8)
}

func (l *Layers) height() vg.Length {
	across, _, height := l.tile()
	return 44 + vg.Length(ceil(len(l.Layers), max(across, 1)))*(height+layerLabel) + 36
}

func (l *Layers) draw(f frame) {
	what := "Kept values"
	if l.Of == OfNeighbours {
		what = "Kept neighbours of the kept values"
	}
	t := &l.Layers[0].Tensor
	f = f.head(what+" of "+l.Kind, fmt.Sprintf("%d layers of %s × %s, %s", len(l.Layers), count(t.Rows), count(t.Columns), l.Layers[0].Blocks.Describe()))
	rasters, top := l.rasters()
	across, width, height := l.tile()
	for i := range l.Layers {
		layer := &l.Layers[i]
		at := f.part(vg.Length(i%across)*(width+layerGap), vg.Length(i/across)*(height+layerLabel), width, height+layerLabel)
		at.write(textSize, f.ink, 0, 9, fmt.Sprintf("Layer %d", layer.Tensor.Layer))
		number := percent(layer.Tensor.Share())
		if l.Of == OfNeighbours {
			number = fmt.Sprintf("%.2f", layer.Mean)
		}
		at.write(tickSize, f.soft, width-style(tickSize, f.soft).Width(number), 9, number)
		b := &layer.Blocks
		picture := at.part(0, 14, width, max(width*vg.Length(b.Rows)/vg.Length(max(b.Columns, 1)), 8))
		picture.drawRaster(rasters[i])
		outline(picture)
	}
	scale := f.part(0, f.height()-30, f.width(), 30)
	if l.Of == OfKept {
		scale.drawScale(0, top, "share of the block kept", percentTick)
	} else {
		scale.drawScale(faintest, top, "mean neighbours of the block's kept values; blocks that keep nothing are left blank", plainTick)
	}
}
