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

// chart is a drawing with its caption.
type chart struct {
	SVG  template.HTML
	Text string
}

// picture is a raster on the page.
type picture struct {
	Src           template.URL
	Alt           string
	Width, Height int // in CSS pixels
}

// scale is the legend of the colours of a map.
type scale struct {
	First            int    // level of the value 0
	Zero, Half, Full string // values at the beginning, middle and end
	Label            string
}

// cell is a cell in the table of shares.
type cell struct {
	Share string
	Level int
	Panel string // id of the tensor's panel; may be empty
}

// newCell returns the cell of a tensor; top is the end of the table's colour scale.
func newCell(t viz.Tensor, top float64, panel string) cell {
	return cell{format.Percent(t.Share()), raster.TableLevel(t.Share(), top), panel}
}

// Sides of square maps, in CSS pixels.
const (
	mapPixels   = 384
	layerPixels = 86
)

// mapSize returns the size of a map in CSS pixels. Its area is about that of a square of that
// side, and it is at most maxWidth wide.
func mapSize(b *viz.Blocks, side, maxWidth float64) (width, height int) {
	aspect := math.Sqrt(float64(b.Rows) / float64(b.Columns))
	width = int(min(math.Round(side/aspect), maxWidth))
	return width, max(int(math.Round(float64(width)*float64(b.Rows)/float64(b.Columns))), 8)
}

// newPicture embeds a raster as a PNG.
func newPicture(r raster.Raster, width, height int, alt string) picture {
	return picture{template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(r.PNG())), alt, width, height}
}

// cssPercent returns part/whole as a CSS percentage.
func cssPercent(part, whole int) string { return fmt.Sprintf("%.4g%%", 100*viz.Share(part, whole)) }
