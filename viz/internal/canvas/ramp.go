package canvas

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"

	"kenserve/viz/internal/raster"
)

// rampControls go from almost black over blue and green to almost white. The lightness
// carries the value: it rises evenly, so that equal steps look equal and the scale can be read
// with every kind of colour blindness and in greyscale. The hues only help to tell steps apart.
var rampControls = []color.Color{
	color.RGBA{0x12, 0x16, 0x2c, 0xff},
	color.RGBA{0x2a, 0x38, 0x7e, 0xff},
	color.RGBA{0x1b, 0x6f, 0x96, 0xff},
	color.RGBA{0x3f, 0xa5, 0x8c, 0xff},
	color.RGBA{0xae, 0xd5, 0x81, 0xff},
	color.RGBA{0xfd, 0xfb, 0xee, 0xff},
}

// rampMap interpolates the controls in CIELAB; lightness is linear in the value.
var rampMap = func() palette.ColorMap {
	m, err := moreland.NewLuminance(rampControls)
	if err != nil { // the lightness of the controls does not rise: a programming error
		panic(fmt.Sprintf("canvas: colour ramp: %v", err))
	}
	m.SetMin(0)
	m.SetMax(1)
	return m
}()

// RampColor returns the colour of a level. Level 0 is close to the background, light or dark;
// the highest level has the strongest contrast with it.
func RampColor(level int, dark bool) color.RGBA {
	v := float64(level) / (raster.Levels - 1)
	if !dark {
		v = 1 - v
	}
	c, err := rampMap.At(min(max(v, 0), 1))
	if err != nil { // impossible: v is in range
		panic(fmt.Sprintf("canvas: colour ramp: %v", err))
	}
	return color.RGBAModel.Convert(c).(color.RGBA)
}

// TextOn returns black or white, whichever has more contrast with a background colour.
func TextOn(c color.RGBA) color.RGBA {
	linear := func(v uint8) float64 { return math.Pow(float64(v)/255, 2.2) }
	luminance := 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
	if luminance > 0.18 { // luminance at which both contrasts are equal
		return gray(0)
	}
	return gray(0xff)
}
