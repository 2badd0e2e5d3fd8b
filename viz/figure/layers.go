package figure

import (
	"fmt"

	"gonum.org/v1/plot/vg"

	"kenserve/viz"
	"kenserve/viz/internal/canvas"
	"kenserve/viz/internal/format"
	"kenserve/viz/internal/raster"
)

// Arrangement of the layers in a picture; gaps and labels are in points.
const (
	layersAcross = 6
	layerGap     = 14
	layerLabel   = 34
)

// layersPicture shows one type of tensor in all layers.
type layersPicture viz.Layers

// tile returns the number of maps in a row, and the width and largest height of a map.
func (l *layersPicture) tile() (across int, width, height vg.Length) {
	across = min(len(l.Layers), layersAcross)
	width = (figureWidth - layerGap*vg.Length(layersAcross-1)) / layersAcross
	aspect := vg.Length(0)
	for i := range l.Layers {
		b := &l.Layers[i].Blocks
		aspect = max(aspect, vg.Length(b.Rows)/vg.Length(max(b.Columns, 1)))
	}
	return across, width, max(width*aspect, 8)
}

func (l *layersPicture) height() vg.Length {
	across, _, height := l.tile()
	return 44 + vg.Length((len(l.Layers)+max(across, 1)-1)/max(across, 1))*(height+layerLabel) + 36
}

func (l *layersPicture) draw(f canvas.Frame) {
	title := "Kept values"
	if l.Of == viz.OfNeighbours {
		title = "Kept neighbours of the kept values"
	}
	t := &l.Layers[0].Tensor
	f = f.Titled(title+" of "+l.Kind, fmt.Sprintf("%d layers of %s × %s, %s", len(l.Layers), format.Count(t.Rows), format.Count(t.Columns), DescribeBlocks(&l.Layers[0].Blocks)))
	rasters, top := raster.Layers((*viz.Layers)(l))
	across, width, height := l.tile()
	for i := range l.Layers {
		layer := &l.Layers[i]
		at := f.Part(vg.Length(i%across)*(width+layerGap), vg.Length(i/across)*(height+layerLabel), width, height+layerLabel)
		at.Write(canvas.TextSize, f.Ink, 0, 9, fmt.Sprintf("Layer %d", layer.Tensor.Layer))
		number := format.Percent(layer.Tensor.Share())
		if l.Of == viz.OfNeighbours {
			number = fmt.Sprintf("%.2f", layer.Mean)
		}
		at.Write(canvas.TickSize, f.Soft, width-canvas.TextStyle(canvas.TickSize, f.Soft).Width(number), 9, number)
		b := &layer.Blocks
		picture := at.Part(0, 14, width, max(width*vg.Length(b.Rows)/vg.Length(max(b.Columns, 1)), 8))
		picture.DrawRaster(rasters[i])
		canvas.Outline(picture)
	}
	scale := f.Part(0, f.Height()-30, f.Width(), 30)
	if l.Of == viz.OfKept {
		scale.DrawScale(0, top, "share kept of a block", format.PercentTick)
	} else {
		scale.DrawScale(raster.FirstCountLevel, top, "mean kept neighbours of a block's kept values; blocks that keep nothing are blank", format.PlainTick)
	}
}
