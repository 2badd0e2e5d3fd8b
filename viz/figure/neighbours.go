package figure

import (
	"fmt"
	"strconv"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kenserve/viz"
	"kenserve/viz/internal/canvas"
	"kenserve/viz/internal/format"
	"kenserve/viz/internal/raster"
)

// neighboursPicture shows the kept neighbours of kept values, in the arrangement of keptPicture.
type neighboursPicture viz.Neighbours

func (n *neighboursPicture) height() vg.Length { return 470 }

// caption compares the mean number of neighbours with chance.
func (n *neighboursPicture) caption() string {
	return fmt.Sprintf("%s kept values have %.2f kept neighbours on average; with random columns they would have %.2f", format.Count(n.Tensor.Kept), n.Mean, n.ExpectedMean)
}

func (n *neighboursPicture) draw(f canvas.Frame) {
	f = f.Titled("Kept neighbours of the kept values of "+n.Tensor.Name, n.caption())
	top := raster.MeanEnd(&n.Blocks)
	f.Write(canvas.TextSize, f.Ink, 0, 8, "The whole matrix: "+DescribeBlocks(&n.Blocks))
	whole := f.Part(0, mapTop, mapSide, mapSide).DrawMap(raster.Neighbours(&n.Blocks, top), wholeRegion(&n.Tensor))
	whole.Mark(wholeRegion(&n.Tensor), windowRegion(&n.Window))
	f.Part(0, mapTop+mapSide+12, mapSide, 30).DrawScale(raster.FirstCountLevel, top, "mean kept neighbours in a block", format.PlainTick)

	f.Write(canvas.TextSize, f.Ink, windowX, 8, "The marked window, value by value")
	exact := f.Part(windowX, windowTop, f.Width()-windowX, 232)
	inside := exact.DrawMap(raster.NeighboursWindow(&n.Window), windowRegion(&n.Window))
	below := f.Max.Y - inside.Min.Y + 40
	keys := []canvas.Key{{Level: raster.Blank, Text: "not kept"}}
	for i := range 5 {
		keys = append(keys, canvas.Key{Level: int(raster.CountLevel(i)), Text: strconv.Itoa(i)})
	}
	f.DrawKey(windowX, below, keys)
	n.drawBars(f.Part(windowX, below+22, f.Width()-windowX, f.Height()-below-22))
}

// drawBars draws the counts as bars, and the counts to expect by chance as lines across them.
func (n *neighboursPicture) drawBars(f canvas.Frame) {
	f.Write(canvas.TextSize, f.Ink, 0, 8, "All kept values by number of neighbours")
	const line, left, right = 15, 14, 46
	highest := 0.0
	for i := range n.Counts {
		highest = max(highest, float64(n.Counts[i]), n.Expected[i])
	}
	if highest == 0 {
		return
	}
	width := f.Width() - left - right
	for i, v := range n.Counts {
		top := vg.Length(16 + i*line)
		f.Write(canvas.TickSize, f.Soft, 0, top+9, strconv.Itoa(i))
		bar := f.Part(left, top, width*vg.Length(float64(v)/highest), line-4)
		bar.FillPolygon(f.Ramp(int(raster.CountLevel(i))), canvas.Corners(bar.Rectangle))
		canvas.Outline(bar)
		at := f.Min.X + left + width*vg.Length(n.Expected[i]/highest)
		f.StrokeLine2(draw.LineStyle{Color: f.Other, Width: 2}, at, f.Max.Y-top+1.5, at, f.Max.Y-top-line+2.5)
		f.WriteAligned(canvas.TickSize, f.Ink, text.XRight, f.Width(), top+9, format.Percent(viz.Share(v, n.Tensor.Kept)))
	}
	down := vg.Length(16 + 5*line + 10)
	f.StrokeLine2(draw.LineStyle{Color: f.Other, Width: 2}, f.Min.X+left+3, f.Max.Y-down+6, f.Min.X+left+3, f.Max.Y-down-3)
	f.Write(canvas.TickSize, f.Soft, left+10, down, "expected with random columns")
}
