package figure

import (
	"fmt"

	"gonum.org/v1/plot/vg"

	"kenserve/viz"
	"kenserve/viz/internal/canvas"
	"kenserve/viz/internal/format"
	"kenserve/viz/internal/raster"
)

// keptPicture shows which values of a matrix are kept: the whole matrix in blocks on the left,
// the window on the right.
type keptPicture viz.Kept

// Positions and sizes of the two maps of a picture, in points.
const (
	mapTop    = 18
	mapSide   = 345
	windowX   = 385
	windowTop = mapTop
)

func (k *keptPicture) height() vg.Length { return 470 }

func (k *keptPicture) draw(f canvas.Frame) {
	f = f.Titled("Kept values of "+k.Tensor.Name, tensorCaption(&k.Tensor))
	top := raster.ShareEnd(&k.Blocks)
	f.Write(canvas.TextSize, f.Ink, 0, 8, "The whole matrix: "+DescribeBlocks(&k.Blocks))
	const strip, gap = 7, 3 // strips with the shares of whole columns above the map, of whole rows on its right
	whole := f.Part(0, mapTop+strip+gap, mapSide-strip-gap, mapSide-strip-gap).DrawMap(raster.Kept(&k.Blocks, top), wholeRegion(&k.Tensor))
	whole.Mark(wholeRegion(&k.Tensor), windowRegion(&k.Window))
	for _, edge := range []struct {
		at     canvas.Frame
		shares raster.Raster
	}{
		{whole.Part(0, -strip-gap, whole.Width(), strip), raster.Columns(&k.Blocks, top)},
		{whole.Part(whole.Width()+gap, 0, strip, whole.Height()), raster.Rows(&k.Blocks, top)},
	} {
		edge.at.DrawRaster(edge.shares)
		canvas.Outline(edge.at)
	}
	f.Part(0, mapTop+mapSide+12, mapSide, 30).DrawScale(0, top, "share kept of a block;", format.PercentTick)
	f.Write(canvas.TickSize, f.Soft, 190, mapTop+mapSide+32, "strips: of whole columns and rows")

	f.Write(canvas.TextSize, f.Ink, windowX, 8, "The marked window, value by value")
	exact := f.Part(windowX, windowTop, f.Width()-windowX, mapSide)
	inside := exact.DrawMap(raster.KeptWindow(&k.Window), windowRegion(&k.Window))
	below := f.Max.Y - inside.Min.Y + 40
	f.DrawKey(windowX, below, []canvas.Key{{Level: raster.Levels - 1, Text: "kept"}, {Level: 0, Text: "from the base"}})
	f.Write(canvas.TickSize, f.Soft, windowX, below+20, fmt.Sprintf("%s: %s of %s kept", DescribeWindow(&k.Window), format.Count(k.Window.Kept()), format.Count(k.Window.Rows*k.Window.Columns)))
}
