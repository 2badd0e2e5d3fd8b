package viz

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
)

// raster is a picture of levels, one a pixel; blank shows the paper.
type raster struct {
	rows, columns int
	pix           []uint8 // [rows, columns]
}

const blank = levels

// faintest is the level of a kept value without kept neighbours: well apart
// from the paper.
const faintest = (levels - 1) / 5

func newRaster(rows, columns int) raster {
	return raster{rows, columns, make([]uint8, rows*columns)}
}

// level returns the level of v in 0 … top, above bottom unless v is 0.
func level(v, top float64, bottom int) uint8 {
	if v <= 0 || top <= 0 {
		return uint8(bottom)
	}
	steps := float64(levels - 1 - bottom)
	return uint8(bottom) + uint8(min(max(math.Round(v/top*steps), 1), steps))
}

// keptRaster shows the share of each block that is kept; top is the share of
// the highest level. A block that keeps anything differs from one that does not.
func (b *Blocks) keptRaster(top float64) raster {
	out := newRaster(b.Rows, b.Columns)
	for i := range out.pix {
		out.pix[i] = level(b.share(i/b.Columns, i%b.Columns), top, 0)
	}
	return out
}

// neighboursRaster shows the mean number of neighbours of each block's kept
// values; a block without any is blank.
func (b *Blocks) neighboursRaster(top float64) raster {
	out := newRaster(b.Rows, b.Columns)
	for i := range out.pix {
		out.pix[i] = blank
		if mean, ok := b.mean(i/b.Columns, i%b.Columns); ok {
			out.pix[i] = level(mean, top, faintest)
		}
	}
	return out
}

// keptRaster shows kept values at the highest level and the others at 0.
func (w *Window) keptRaster() raster {
	return w.raster(func(c byte) uint8 {
		if c == notKept {
			return 0
		}
		return levels - 1
	})
}

// neighboursRaster shows the kept neighbours of kept values in five steps.
func (w *Window) neighboursRaster() raster {
	return w.raster(func(c byte) uint8 {
		if c == notKept {
			return blank
		}
		return neighbourLevel(int(c - '0'))
	})
}

// neighbourLevel returns the level for a number of neighbours, 0 to 4.
func neighbourLevel(n int) uint8 { return level(float64(n), 4, faintest) }

func (w *Window) raster(level func(byte) uint8) raster {
	out := newRaster(w.Rows, w.Columns)
	for r, line := range w.Lines {
		for c := range len(line) {
			out.pix[r*w.Columns+c] = level(line[c])
		}
	}
	return out
}

// image returns the raster in the colours that ramp gives its levels.
func (r *raster) image(ramp func(level int) color.RGBA) *image.Paletted {
	colors := make(color.Palette, levels+1)
	for i := range levels {
		colors[i] = ramp(i)
	}
	colors[blank] = color.RGBA{}
	return &image.Paletted{Pix: r.pix, Stride: r.columns, Rect: image.Rect(0, 0, r.columns, r.rows), Palette: colors}
}

// scaled returns the raster at another size, each pixel repeated as it is.
func (r *raster) scaled(rows, columns int) raster {
	out := newRaster(rows, columns)
	for i := range rows {
		from := r.pix[i*r.rows/rows*r.columns:]
		for j := range columns {
			out.pix[i*columns+j] = from[j*r.columns/columns]
		}
	}
	return out
}

// top rounds the highest value of a colour scale up to a number that is easy
// to read, but to no more than most.
func top(highest, most float64) float64 {
	if highest <= 0 {
		return most
	}
	unit := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, step := range []float64{1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10} {
		if v := step * unit; v >= highest*(1-1e-9) {
			return min(v, most)
		}
	}
	return most
}

// topShare and topMean are the scales' ends for pictures of several matrices.
func topShare(blocks ...*Blocks) float64 {
	highest := 0.0
	for _, b := range blocks {
		for i := range b.Kept {
			highest = max(highest, b.share(i/b.Columns, i%b.Columns))
		}
	}
	return top(highest, 1)
}

func topMean(blocks ...*Blocks) float64 {
	highest := 0.0
	for _, b := range blocks {
		for i := range b.Kept {
			mean, _ := b.mean(i/b.Columns, i%b.Columns)
			highest = max(highest, mean)
		}
	}
	return top(highest, 4)
}

// columnsRaster and rowsRaster show the share of each column of blocks, and of
// each row of them, that is kept.
func (b *Blocks) columnsRaster(top float64) raster {
	out := newRaster(1, b.Columns)
	for j := range out.pix {
		kept, values := 0, 0
		for i := range b.Rows {
			kept, values = kept+b.Kept[i*b.Columns+j], values+b.size(i, j)
		}
		out.pix[j] = level(share(kept, values), top, 0)
	}
	return out
}

func (b *Blocks) rowsRaster(top float64) raster {
	out := newRaster(b.Rows, 1)
	for i := range out.pix {
		kept, values := 0, 0
		for j := range b.Columns {
			kept, values = kept+b.Kept[i*b.Columns+j], values+b.size(i, j)
		}
		out.pix[i] = level(share(kept, values), top, 0)
	}
	return out
}

// png returns the raster as a PNG whose palette has the levels that are used,
// as greys from 0 for level 0 to 255 for the highest.
func (r *raster) png() []byte {
	var index [levels + 1]int
	for _, l := range r.pix {
		index[l] = 1
	}
	var colors color.Palette
	for l, used := range index {
		if used == 0 {
			continue
		}
		index[l] = len(colors)
		if l == blank {
			colors = append(colors, color.NRGBA{})
		} else {
			colors = append(colors, color.NRGBA{grayOf(l), grayOf(l), grayOf(l), 0xff})
		}
	}
	img := image.NewPaletted(image.Rect(0, 0, r.columns, r.rows), colors)
	for i, l := range r.pix {
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
func grayOf(level int) uint8 { return uint8(math.Round(255 * float64(level) / (levels - 1))) }
