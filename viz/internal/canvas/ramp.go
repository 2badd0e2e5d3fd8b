package canvas

import (
	"fmt"
	"image/color"
	"math"

	"kenserve/viz/internal/raster"

	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"
)

// rampControls run from almost black over blue and green to almost white. What
// carries the value is the lightness, which rises steadily, so that equal steps
// look equal, and so that no kind of colour blindness, nor a printer without
// colour, hides any of it; the hues only help to tell the steps apart.
var rampControls = []color.Color{
	color.RGBA{0x12, 0x16, 0x2c, 0xff},
	color.RGBA{0x2a, 0x38, 0x7e, 0xff},
	color.RGBA{0x1b, 0x6f, 0x96, 0xff},
	color.RGBA{0x3f, 0xa5, 0x8c, 0xff},
	color.RGBA{0xae, 0xd5, 0x81, 0xff},
	color.RGBA{0xfd, 0xfb, 0xee, 0xff},
}

// rampMap interpolates in CIELAB with lightness linear in the value.
var rampMap = func() palette.ColorMap {
	m, err := moreland.NewLuminance(rampControls)
	if err != nil { // the controls' lightness does not rise: a programming error
		panic(fmt.Sprintf("viz: colour ramp: %v", err))
	}
	m.SetMin(0)
	m.SetMax(1)
	return m
}()

// rampColor returns the colour of a level. Level 0 is the tone of the paper:
// light, or dark for a dark theme; the highest level contrasts most with it.
func RampColor(level int, dark bool) color.RGBA {
	v := float64(level) / (raster.Levels - 1)
	if !dark {
		v = 1 - v
	}
	c, err := rampMap.At(min(max(v, 0), 1))
	if err != nil { // v is in the map's range
		panic(fmt.Sprintf("viz: colour ramp: %v", err))
	}
	return color.RGBAModel.Convert(c).(color.RGBA)
}

// textOn returns black or white, whichever is easier to read on a colour.
func TextOn(c color.RGBA) color.RGBA {
	linear := func(v uint8) float64 { return math.Pow(float64(v)/255, 2.2) }
	luminance := 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
	if luminance > 0.18 { // where the contrast with both is the same
		return gray(0)
	}
	return gray(0xff)
}
