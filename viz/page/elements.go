package page

import (
	"encoding/base64"
	"fmt"
	"html/template"
	"math"

	"kenserve/viz"
	"kenserve/viz/internal/format"
	"kenserve/viz/internal/raster"
)

// chart is a drawing with what it says in words.
type chart struct {
	SVG  template.HTML
	Text string
}

// picture is a raster of the page.
type picture struct {
	Src           template.URL
	Alt           string
	Width, Height int // on the page, in CSS pixels
}

// scale explains the colours of a map.
type scale struct {
	First            int // level of 0
	Zero, Half, Full string
	Label            string
}

// cell is a cell of the table of shares.
type cell struct {
	Share string
	Level int
	Panel string
}

func newCell(t viz.Tensor, top float64, panel string) cell {
	return cell{format.Percent(t.Share()), raster.TableLevel(t.Share(), top), panel}
}

// Sides of square maps on the page, in CSS pixels.
const (
	mapPixels   = 384
	layerPixels = 86
)

// pageSize returns the size of a map on the page: all have about the area of a
// square of that side, and none is wider than widest.
func mapSize(b *viz.Blocks, side, widest float64) (width, height int) {
	aspect := math.Sqrt(float64(b.Rows) / float64(b.Columns))
	width = int(min(math.Round(side/aspect), widest))
	return width, max(int(math.Round(float64(width)*float64(b.Rows)/float64(b.Columns))), 8)
}

func newPicture(r raster.Raster, width, height int, alt string) picture {
	return picture{template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(r.PNG())), alt, width, height}
}

func cssPercent(part, whole int) string { return fmt.Sprintf("%.4g%%", 100*viz.Share(part, whole)) }
