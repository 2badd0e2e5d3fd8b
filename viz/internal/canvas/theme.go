package canvas

import (
	"image/color"

	"gonum.org/v1/plot/font"
)

// Theme is the colours of a picture. Beside the ramp there are greys, and blue and orange,
// which people with all common kinds of colour blindness can tell apart.
type Theme struct {
	Paper color.Color                // background
	Ink   color.Color                // text
	Soft  color.Color                // secondary text and lines
	Line  color.Color                // axes and frames
	Main  color.Color                // kept values
	Other color.Color                // values to compare with
	Rest  color.Color                // everything else
	Ramp  func(level int) color.RGBA // colour of a level, see package raster
}

// gray returns an opaque grey.
func gray(v uint8) color.RGBA { return color.RGBA{v, v, v, 0xff} }

// NewTheme returns the light or the dark theme.
func NewTheme(dark bool) *Theme {
	t := &Theme{
		Paper: gray(0xff), Ink: gray(0x1c), Soft: gray(0x59), Line: gray(0x8a),
		Main: color.RGBA{0x1f, 0x5f, 0xb4, 0xff}, Other: color.RGBA{0xb8, 0x56, 0x00, 0xff}, Rest: gray(0xc4),
		Ramp: func(l int) color.RGBA { return RampColor(l, dark) },
	}
	if dark {
		t.Paper, t.Ink, t.Soft, t.Line = color.RGBA{0x14, 0x16, 0x1b, 0xff}, gray(0xec), gray(0xb0), gray(0x80)
		t.Main, t.Other, t.Rest = color.RGBA{0x7f, 0xb4, 0xff, 0xff}, color.RGBA{0xff, 0xac, 0x5f, 0xff}, gray(0x56)
	}
	return t
}

// sans is the typeface of all text. It has the metrics of Arial.
var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}
