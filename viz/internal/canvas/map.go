package canvas

import (
	"image"
	stddraw "image/draw"
	"math"
	"strconv"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"kenserve/viz/internal/raster"
)

// Region is a part of a matrix that a raster shows.
type Region struct {
	Row, Column   int // of the first value
	Rows, Columns int // in values
}

// DrawMap draws a raster of a region, with numbers of rows and columns beside it. The map is
// in the upper left corner, as large as the frame and the raster's proportions allow. It
// returns the part of the frame that the raster covers.
func (f Frame) DrawMap(r raster.Raster, of Region) Frame {
	const left, below = 40, 28 // for the numbers
	width, height := f.Width()-left, f.Height()-below
	scale := min(width/vg.Length(r.Columns), height/vg.Length(r.Rows))
	// A raster of few rows or columns is stretched to be visible.
	const minSide = 12
	inside := f.Part(left, 0, max(scale*vg.Length(r.Columns), minSide), max(scale*vg.Length(r.Rows), minSide))
	inside.DrawRaster(r)
	Outline(inside)

	thin := draw.LineStyle{Color: f.Line, Width: 0.5}
	label := TextStyle(TickSize, f.Soft)
	label.XAlign = text.XCenter
	for _, tick := range indexTicks(of.Column, of.Columns) {
		x := inside.Min.X + inside.Width()*vg.Length((float64(tick-of.Column)+0.5)/float64(of.Columns))
		f.StrokeLine2(thin, x, inside.Min.Y, x, inside.Min.Y-3)
		f.FillText(label, vg.Point{X: x, Y: inside.Min.Y - 12}, strconv.Itoa(tick))
	}
	f.FillText(label, vg.Point{X: inside.Center().X, Y: inside.Min.Y - 23}, "column")
	label.XAlign = text.XRight
	for _, tick := range indexTicks(of.Row, of.Rows) {
		y := inside.Max.Y - inside.Height()*vg.Length((float64(tick-of.Row)+0.5)/float64(of.Rows))
		f.StrokeLine2(thin, inside.Min.X-3, y, inside.Min.X, y)
		f.FillText(label, vg.Point{X: inside.Min.X - 5, Y: y - 3}, strconv.Itoa(tick))
	}
	label.XAlign = text.XCenter
	label.Rotation = math.Pi / 2
	f.FillText(label, vg.Point{X: inside.Min.X - 32, Y: inside.Center().Y}, "row")
	return inside
}

// Mark draws the outline of a window on the map of a region.
func (f Frame) Mark(of, window Region) {
	x := func(c int) vg.Length {
		return f.Min.X + f.Width()*vg.Length(c-of.Column)/vg.Length(of.Columns)
	}
	y := func(r int) vg.Length { return f.Max.Y - f.Height()*vg.Length(r-of.Row)/vg.Length(of.Rows) }
	outline := vg.Rectangle{
		Min: vg.Point{X: x(window.Column), Y: y(window.Row + window.Rows)},
		Max: vg.Point{X: x(window.Column + window.Columns), Y: y(window.Row)},
	}
	// A window of a few pixels is enlarged to be visible.
	if d := 3 - outline.Size().Y; d > 0 {
		outline.Min.Y -= d / 2
		outline.Max.Y += d / 2
	}
	for _, line := range []draw.LineStyle{{Color: f.Paper, Width: 3}, {Color: f.Other, Width: 1.5}} {
		f.SetLineStyle(line)
		f.Stroke(outline.Path())
	}
}

// DrawRaster fills the frame with a raster.
func (f Frame) DrawRaster(r raster.Raster) {
	canvas, ok := innermost(f.Canvas).(*vgimg.Canvas)
	if !ok {
		f.DrawImage(f.Rectangle, r.Image(f.Ramp))
		return
	}
	// The canvas would smooth a scaled picture, so the raster is scaled here, by repeating
	// pixels.
	out := canvas.Image()
	pixel := func(v vg.Length) int { return int(math.Round(v.Dots(canvas.DPI()))) }
	left, right := pixel(f.Min.X), pixel(f.Max.X)
	top, bottom := out.Bounds().Dy()-pixel(f.Max.Y), out.Bounds().Dy()-pixel(f.Min.Y)
	scaled := r.Scaled(max(bottom-top, 1), max(right-left, 1))
	img := scaled.Image(f.Ramp)
	stddraw.Draw(out, img.Bounds().Add(image.Pt(left, top)), img, image.Point{}, stddraw.Over)
}

// innermost returns the canvas of which c is a part.
func innermost(c vg.Canvas) vg.Canvas {
	for {
		part, ok := c.(draw.Canvas)
		if !ok {
			return c
		}
		c = part.Canvas
	}
}

// indexTicks returns the numbers to write beside n rows or columns from number first on: at
// most six multiples of 1, 2 or 5 times a power of ten.
func indexTicks(first, n int) []int {
	step := 1
	for i := 0; n/step > 5; i++ {
		step = int(math.Pow10(i/3)) * [3]int{1, 2, 5}[i%3]
	}
	var ticks []int
	for v := (first + step - 1) / step * step; v < first+n; v += step {
		ticks = append(ticks, v)
	}
	return ticks
}
