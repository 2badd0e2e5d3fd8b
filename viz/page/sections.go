package page

import (
	"fmt"
	"strings"

	"kenserve/viz"
	"kenserve/viz/figure"
	"kenserve/viz/internal/format"
	"kenserve/viz/internal/raster"
)

// kindSection has the layer-wise views of one type of matrix.
type kindSection struct {
	Kind    string
	Text    string
	Aspects []aspectSection
}

// aspectSection is one of these views.
type aspectSection struct {
	Title  string
	Scale  scale
	Layers []layerPicture
}

// layerPicture is one layer of a view.
type layerPicture struct {
	Tensor viz.Tensor
	Panel  string // id of the panel; may be empty
	Number string // share kept, or mean number of neighbours
	Image  picture
}

// vectorPicture shows one type of vector, all layers in one picture.
type vectorPicture struct {
	Kind  string
	Share string
	Image picture
}

// panelGroup is a group of choices in the selector of matrices.
type panelGroup struct {
	Label  string
	Panels []*panel
}

// addKind adds the layer-wise views of a type of tensor: maps of matrices, or for vectors one
// picture with a line for each layer. contents has the content of tensors by name.
func (p *content) addKind(kind string, tensors []*viz.Tensor, contents map[string]*tensorContent) {
	var layers []viz.Layer
	kept, values := 0, 0
	for _, t := range tensors {
		layers = append(layers, contents[t.Name].layer)
		kept, values = kept+t.Kept, values+t.Values()
	}
	if kept == 0 {
		return
	}
	first := &layers[0]
	if !first.Tensor.IsMatrix() {
		stacked := raster.New(len(layers), 0)
		for i := range layers {
			r := raster.Kept(&layers[i].Blocks, 1)
			if stacked.Columns == 0 {
				stacked = raster.New(len(layers), r.Columns)
			}
			copy(stacked.Pix[i*stacked.Columns:(i+1)*stacked.Columns], r.Pix)
		}
		alt := fmt.Sprintf("One line for each of %d layers, %s.", len(layers), figure.DescribeBlocks(&first.Blocks))
		p.Vectors = append(p.Vectors, vectorPicture{kind, format.Percent(viz.Share(kept, values)), newPicture(stacked, 384, 6*len(layers), alt)})
		return
	}
	k := kindSection{Kind: kind, Text: fmt.Sprintf("%s of %s × %s; %s", format.Plural(len(layers), "layer"), format.Count(first.Tensor.Rows), format.Count(first.Tensor.Columns), figure.DescribeBlocks(&first.Blocks))}
	for _, of := range []viz.Aspect{viz.OfKept, viz.OfNeighbours} {
		view := &viz.Layers{Kind: kind, Of: of, Layers: layers}
		rasters, top := raster.Layers(view)
		a := aspectSection{Title: "Kept values", Scale: scale{0, "0", format.PercentTick(top / 2), format.PercentTick(top), "share kept"}}
		if of == viz.OfNeighbours {
			a.Title = "Kept neighbours"
			a.Scale = scale{raster.FirstCountLevel, "0", format.PlainTick(top / 2), format.PlainTick(top), "mean neighbours"}
		}
		for i := range layers {
			l := &layers[i]
			number := format.Percent(l.Tensor.Share())
			if of == viz.OfNeighbours {
				number = fmt.Sprintf("%.2f", l.Mean)
			}
			width, height := mapSize(&l.Blocks, layerPixels, layerPixels*2)
			a.Layers = append(a.Layers, layerPicture{
				Tensor: l.Tensor, Panel: p.Panels[l.Tensor.Name], Number: number,
				Image: newPicture(rasters[i], width, height, fmt.Sprintf("Layer %d: %s %s.", l.Tensor.Layer, strings.ToLower(a.Title), number)),
			})
		}
		k.Aspects = append(k.Aspects, a)
	}
	p.Kinds = append(p.Kinds, k)
}

// groupPanels groups the panels by layer, for the selector.
func (p *content) groupPanels() {
	const others = "Outside the layers"
	for _, panel := range p.Matrices {
		name := others
		if panel.Tensor.Layer >= 0 {
			name = fmt.Sprintf("Layer %d", panel.Tensor.Layer)
		}
		if n := len(p.Groups); n == 0 || p.Groups[n-1].Label != name {
			p.Groups = append(p.Groups, panelGroup{Label: name})
		}
		g := &p.Groups[len(p.Groups)-1]
		g.Panels = append(g.Panels, panel)
	}
}
