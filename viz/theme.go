package viz

import (
	"image/color"

	"gonum.org/v1/plot/font"
)

// theme is the colours of a picture. Beside the ramp a picture uses two that
// all common kinds of colour blindness tell apart, blue and orange, and greys.
type theme struct {
	paper color.Color
	ink   color.Color // text
	soft  color.Color // text and lines of less weight
	line  color.Color // axes and frames
	main  color.Color // what is kept
	other color.Color // what it is compared with
	rest  color.Color // everything else
	ramp  func(level int) color.RGBA
}

func gray(v uint8) color.RGBA { return color.RGBA{v, v, v, 0xff} }

func newTheme(dark bool) *theme {
	t := &theme{
		paper: gray(0xff), ink: gray(0x1c), soft: gray(0x59), line: gray(0x8a),
		main: color.RGBA{0x1f, 0x5f, 0xb4, 0xff}, other: color.RGBA{0xb8, 0x56, 0x00, 0xff}, rest: gray(0xc4),
		ramp: func(l int) color.RGBA { return rampColor(l, dark) },
	}
	if dark {
		t.paper, t.ink, t.soft, t.line = color.RGBA{0x14, 0x16, 0x1b, 0xff}, gray(0xec), gray(0xb0), gray(0x80)
		t.main, t.other, t.rest = color.RGBA{0x7f, 0xb4, 0xff, 0xff}, color.RGBA{0xff, 0xac, 0x5f, 0xff}, gray(0x56)
	}
	return t
}

// sans is the typeface of all text; its metrics are Arial's.
var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}
