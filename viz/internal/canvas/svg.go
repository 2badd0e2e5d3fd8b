package canvas

import (
	"bytes"
	"fmt"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// FontFamilies is the SVG style for text: first the typeface of the layout and one with the
// same metrics.
const FontFamilies = "font-family:Liberation Sans,Arial,Helvetica,sans-serif"

// SVG returns what drawing draws on a canvas of a size in points, as an SVG file.
func SVG(width, height vg.Length, t *Theme, background bool, drawing func(f Frame)) []byte {
	svg := vgsvg.New(width, height)
	f := Frame{draw.New(svg), t}
	if background {
		f.FillPolygon(t.Paper, Corners(f.Rectangle))
	}
	drawing(f)
	var out bytes.Buffer
	if _, err := svg.WriteTo(&out); err != nil { // impossible: a buffer does not fail
		panic(fmt.Sprintf("canvas: write SVG: %v", err))
	}
	// vgsvg writes one typeface only, the type JPEG for every picture, and no instruction
	// against smoothing. Text is escaped, so the replaced strings can only be attributes
	// that vgsvg wrote.
	return []byte(fixSVG.Replace(out.String()))
}

var fixSVG = strings.NewReplacer(
	"font-family:Liberation Sans", FontFamilies,
	";font-variant:normal;font-weight:normal;font-style:normal", "",
	`xlink:href="data:image/jpg;base64,`, `style="image-rendering:pixelated" preserveAspectRatio="none" xlink:href="data:image/png;base64,`,
)
