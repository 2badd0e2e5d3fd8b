// Package raster makes pictures of levels from the blocks and windows of matrices. A level is
// a step of a colour scale, one for each pixel; package canvas gives it a colour.
package raster

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
)

// Levels is the number of steps of a colour scale.
const Levels = 64

// Raster is a picture of levels, 0 … Levels-1 or Blank, one for each pixel.
type Raster struct {
	Rows, Columns int
	Pix           []uint8 // [rows, columns]
}

// Blank is the level of a pixel that shows the background.
const Blank = Levels

// FirstCountLevel is the level of a kept value without kept neighbours. It is above 0 so that
// the value is clearly visible on the background.
const FirstCountLevel = (Levels - 1) / 5

// New returns a raster of level 0.
func New(rows, columns int) Raster {
	return Raster{rows, columns, make([]uint8, rows*columns)}
}

// Image returns the raster with the colours that ramp gives to levels. Blank is transparent.
func (r *Raster) Image(ramp func(level int) color.RGBA) *image.Paletted {
	colors := make(color.Palette, Levels+1)
	for i := range Levels {
		colors[i] = ramp(i)
	}
	colors[Blank] = color.RGBA{}
	return &image.Paletted{Pix: r.Pix, Stride: r.Columns, Rect: image.Rect(0, 0, r.Columns, r.Rows), Palette: colors}
}

// Scaled returns the raster at another size, by repeating pixels.
func (r *Raster) Scaled(rows, columns int) Raster {
	out := New(rows, columns)
	for i := range rows {
		from := r.Pix[i*r.Rows/rows*r.Columns:]
		for j := range columns {
			out.Pix[i*columns+j] = from[j*r.Columns/columns]
		}
	}
	return out
}

// PNG returns the raster as a PNG. Its palette has only the levels that occur, as greys: see
// [Gray].
func (r *Raster) PNG() []byte {
	var index [Levels + 1]int
	for _, l := range r.Pix {
		index[l] = 1
	}
	var colors color.Palette
	for l, used := range index {
		if used == 0 {
			continue
		}
		index[l] = len(colors)
		if l == Blank {
			colors = append(colors, color.NRGBA{})
		} else {
			colors = append(colors, color.NRGBA{Gray(l), Gray(l), Gray(l), 0xff})
		}
	}
	img := image.NewPaletted(image.Rect(0, 0, r.Columns, r.Rows), colors)
	for i, l := range r.Pix {
		img.Pix[i] = uint8(index[l])
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, img); err != nil { // impossible: a buffer does not fail, and the picture is not empty
		panic(fmt.Sprintf("raster: encode PNG: %v", err))
	}
	return out.Bytes()
}

// Gray returns the grey of a level in the pictures of a page, 0 for level 0 to 255 for the
// highest. The page's style sheet replaces greys by colours.
func Gray(level int) uint8 { return uint8(math.Round(255 * float64(level) / (Levels - 1))) }
