package raster

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
)

// levels is the number of steps in which pictures show a value.
const Levels = 64

// raster is a picture of levels, one a pixel; blank shows the paper.
type Raster struct {
	Rows, Columns int
	Pix           []uint8 // [rows, columns]
}

const Blank = Levels

// faintest is the level of a kept value without kept neighbours: well apart
// from the paper.
const FirstCountLevel = (Levels - 1) / 5

func New(rows, columns int) Raster {
	return Raster{rows, columns, make([]uint8, rows*columns)}
}

// image returns the raster in the colours that ramp gives its levels.
func (r *Raster) Image(ramp func(level int) color.RGBA) *image.Paletted {
	colors := make(color.Palette, Levels+1)
	for i := range Levels {
		colors[i] = ramp(i)
	}
	colors[Blank] = color.RGBA{}
	return &image.Paletted{Pix: r.Pix, Stride: r.Columns, Rect: image.Rect(0, 0, r.Columns, r.Rows), Palette: colors}
}

// scaled returns the raster at another size, each pixel repeated as it is.
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

// png returns the raster as a PNG whose palette has the levels that are used,
// as greys from 0 for level 0 to 255 for the highest.
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
	if err := encoder.Encode(&out, img); err != nil { // a buffer takes everything, and the picture is not empty
		panic(fmt.Sprintf("viz: encode picture: %v", err))
	}
	return out.Bytes()
}

// grayOf returns the grey that stands for a level in a page.
func Gray(level int) uint8 { return uint8(math.Round(255 * float64(level) / (Levels - 1))) }
