package canvas

import (
	"bytes"
	"fmt"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// fontFamilies follow the typeface of the layout: those with its metrics first.
const FontFamilies = "font-family:Liberation Sans,Arial,Helvetica,sans-serif"

// drawSVG draws an SVG of a size in points.
func SVG(width, height vg.Length, t *Theme, background bool, drawing func(f Frame)) []byte {
	canvas := vgsvg.New(width, height)
	f := Frame{draw.New(canvas), t}
	if background {
		f.FillPolygon(t.Paper, Corners(f.Rectangle))
	}
	drawing(f)
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil { // a buffer takes everything
		panic(fmt.Sprintf("viz: draw: %v", err))
	}
	// The canvas names one typeface, calls every picture a JPEG, and leaves
	// it to the viewer whether pixels are smoothed. Text is escaped, so these
	// can only be the canvas's own attributes.
	return []byte(fixSVG.Replace(out.String()))
}

var fixSVG = strings.NewReplacer(
	"font-family:Liberation Sans", FontFamilies,
	";font-variant:normal;font-weight:normal;font-style:normal", "",
	`xlink:href="data:image/jpg;base64,`, `style="image-rendering:pixelated" preserveAspectRatio="none" xlink:href="data:image/png;base64,`,
)
