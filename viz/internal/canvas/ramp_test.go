package canvas

import (
	"image/color"
	"math"
	"testing"

	"kenserve/viz/internal/raster"
)

// lightness returns L* of CIELAB, 0 to 100, of a colour in linear sRGB.
func lightness(r, g, b float64) float64 {
	y := 0.2126*r + 0.7152*g + 0.0722*b
	if y <= 216.0/24389 {
		return y * 24389 / 27
	}
	return 116*math.Cbrt(y) - 16
}

// linear converts a component from sRGB to linear sRGB.
func linear(v uint8) float64 {
	x := float64(v) / 255
	if x <= 0.04045 {
		return x / 12.92
	}
	return math.Pow((x+0.055)/1.055, 2.4)
}

// vision simulates kinds of colour vision: matrices on linear sRGB for the total loss of one
// type of cone, from Machado, Oliveira and Fernandes, "A physiologically-based
// model for simulation of color vision deficiency" (2009), severity 1.
var vision = map[string][3][3]float64{
	"common":       {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"tritanopia":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

// seen returns the lightness of a colour as a kind of vision sees it.
func seen(c color.RGBA, m [3][3]float64) float64 {
	in := [3]float64{linear(c.R), linear(c.G), linear(c.B)}
	var out [3]float64
	for i := range out {
		for j := range in {
			out[i] += m[i][j] * in[j]
		}
		out[i] = min(max(out[i], 0), 1)
	}
	return lightness(out[0], out[1], out[2])
}

// TestRampIsEven checks for every kind of vision that each level is lighter than the one
// before, and for common vision that the steps are even.
func TestRampIsEven(t *testing.T) {
	for name, m := range vision {
		first, last := seen(RampColor(0, true), m), seen(RampColor(raster.Levels-1, true), m)
		even := (last - first) / (raster.Levels - 1)
		if even < 1 {
			t.Errorf("%s: %g units of lightness for each level, want at least 1", name, even)
		}
		for l := 1; l < raster.Levels; l++ {
			step := seen(RampColor(l, true), m) - seen(RampColor(l-1, true), m)
			minStep := even / 3
			if name == "common" {
				minStep = even * 0.7 // colours are rounded to 8 bits
			}
			if step < minStep || step > 2*even {
				t.Errorf("%s: level %d is %.2f lighter than the one before, want about %.2f", name, l, step, even)
			}
		}
	}
}

func TestDarkRampIsReversed(t *testing.T) {
	for l := range raster.Levels {
		if a, b := RampColor(l, false), RampColor(raster.Levels-1-l, true); a != b {
			t.Errorf("level %d is %v in the light theme, the reversed level %v in the dark one", l, a, b)
		}
	}
}

// TestCountLevels checks that the levels of 0 to 4 neighbours differ clearly from each other
// and from the background.
func TestCountLevels(t *testing.T) {
	for _, dark := range []bool{false, true} {
		last := seen(color.RGBAModel.Convert(NewTheme(dark).Paper).(color.RGBA), vision["common"])
		for n := range 5 {
			is := seen(RampColor(int(raster.CountLevel(n)), dark), vision["common"])
			if d := math.Abs(is - last); d < 12 {
				t.Errorf("dark %t: lightness of %d neighbours differs from the step before by %.1f, want at least 12", dark, n, d)
			}
			last = is
		}
	}
}

// TestTextIsReadable checks that text has a contrast of at least 4.5, as the accessibility
// guidelines (WCAG) require.
func TestTextIsReadable(t *testing.T) {
	luminance := func(c color.Color) float64 {
		v := color.RGBAModel.Convert(c).(color.RGBA)
		return 0.2126*linear(v.R) + 0.7152*linear(v.G) + 0.0722*linear(v.B)
	}
	contrast := func(a, b color.Color) float64 {
		x, y := luminance(a), luminance(b)
		return (max(x, y) + 0.05) / (min(x, y) + 0.05)
	}
	for _, dark := range []bool{false, true} {
		theme := NewTheme(dark)
		for name, c := range map[string]color.Color{"ink": theme.Ink, "soft": theme.Soft, "main": theme.Main, "other": theme.Other} {
			if got := contrast(c, theme.Paper); got < 4.5 {
				t.Errorf("dark %t: contrast of %s is %.1f, want at least 4.5", dark, name, got)
			}
		}
		for l := range raster.Levels {
			if c := RampColor(l, dark); contrast(TextOn(c), c) < 4.5 {
				t.Errorf("dark %t: contrast of text on level %d is %.1f, want at least 4.5", dark, l, contrast(TextOn(c), c))
			}
		}
	}
}
