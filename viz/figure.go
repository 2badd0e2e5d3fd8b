package viz

import (
	"image"
	"image/color"
	stddraw "image/draw"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// figureWidth is the width in points in which every picture is laid out; a
// picture of more pixels is the same one, finer.
const figureWidth vg.Length = 640

// Sizes of text, in points.
const (
	titleSize = 13
	textSize  = 10
	tickSize  = 8.5
)

// frame is a rectangle to draw in, with the colours to use.
type frame struct {
	draw.Canvas
	*theme
}

// part returns a part of the frame, given by its distances from the left and
// upper edge and its size.
func (f frame) part(left, top, width, height vg.Length) frame {
	f.Canvas = draw.Crop(f.Canvas, left, left+width-(f.Max.X-f.Min.X), f.Max.Y-f.Min.Y-top-height, -top)
	return f
}

func (f frame) width() vg.Length  { return f.Max.X - f.Min.X }
func (f frame) height() vg.Length { return f.Max.Y - f.Min.Y }

func style(size float64, c color.Color) text.Style {
	return text.Style{Color: c, Font: font.From(sans, vg.Length(size)), Handler: plot.DefaultTextHandler}
}

// write puts text with its left end and baseline at a distance from the upper
// left corner.
func (f frame) write(size float64, c color.Color, left, down vg.Length, s string) {
	f.writeAligned(size, c, text.XLeft, left, down, s)
}

// writeAligned puts text with its horizontal anchor at left.
func (f frame) writeAligned(size float64, c color.Color, align text.XAlignment, left, down vg.Length, s string) {
	sty := style(size, c)
	sty.XAlign = align
	f.FillText(sty, vg.Point{X: f.Min.X + left, Y: f.Max.Y - down}, printable(s))
}

// printable replaces what XML cannot hold: a tensor's name comes from a file.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// head writes a figure's title and the line below it, and returns the rest of
// the frame.
func (f frame) head(title, line string) frame {
	const size = 44
	f.write(titleSize, f.ink, 0, 13, fit(title, titleSize, f.width()))
	f.write(textSize, f.soft, 0, 29, fit(line, textSize, f.width()))
	return f.part(0, size, f.width(), f.height()-size)
}

// fit shortens text in its middle until it is no wider than width.
func fit(s string, size float64, width vg.Length) string {
	sty := style(size, color.Black)
	runes := []rune(printable(s))
	if len(runes) > 1000 {
		runes = append(append([]rune(nil), runes[:500]...), runes[len(runes)-500:]...)
	}
	cut := 0
	short := string(runes)
	for sty.Width(short) > width && cut < len(runes)-2 {
		cut++
		half := (len(runes) - cut) / 2
		short = string(runes[:half]) + "…" + string(runes[half+cut:])
	}
	return short
}

// axes returns an empty plot in the theme's colours.
func (f frame) axes(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for axis, label := range map[*plot.Axis]string{&p.X: x, &p.Y: y} {
		axis.Label.Text = label
		axis.Label.Padding = 3
		rotation, xAlign, yAlign := axis.Label.TextStyle.Rotation, axis.Label.TextStyle.XAlign, axis.Label.TextStyle.YAlign
		axis.Label.TextStyle = style(tickSize, f.soft)
		axis.Label.TextStyle.Rotation, axis.Label.TextStyle.XAlign, axis.Label.TextStyle.YAlign = rotation, xAlign, yAlign
		xAlign, yAlign = axis.Tick.Label.XAlign, axis.Tick.Label.YAlign
		axis.Tick.Label = style(tickSize, f.soft)
		axis.Tick.Label.XAlign, axis.Tick.Label.YAlign = xAlign, yAlign
		axis.Tick.Length = 3
		axis.Padding = 0
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = f.line, f.line
		axis.LineStyle.Width, axis.Tick.LineStyle.Width = 0.5, 0.5
	}
	return p
}

// region is what part of a matrix a raster shows.
type region struct {
	row, column   int // of the first value
	rows, columns int // values
}

// drawMap draws a raster of a region with its rows and columns numbered, as
// large as the frame allows without changing the raster's proportions, in the
// upper left corner. It returns the part that the raster covers.
func (f frame) drawMap(r raster, of region) frame {
	const left, below = 40, 28 // for the numbers
	width, height := f.width()-left, f.height()-below
	scale := min(width/vg.Length(r.columns), height/vg.Length(r.rows))
	// A matrix of few rows or columns is drawn larger than it is, to be seen.
	const least = 12
	inside := f.part(left, 0, max(scale*vg.Length(r.columns), least), max(scale*vg.Length(r.rows), least))
	inside.drawRaster(r)
	outline(inside)

	thin := draw.LineStyle{Color: f.line, Width: 0.5}
	label := style(tickSize, f.soft)
	label.XAlign = text.XCenter
	for _, tick := range indexTicks(of.column, of.columns) {
		x := inside.Min.X + inside.width()*vg.Length((float64(tick-of.column)+0.5)/float64(of.columns))
		f.StrokeLine2(thin, x, inside.Min.Y, x, inside.Min.Y-3)
		f.FillText(label, vg.Point{X: x, Y: inside.Min.Y - 12}, strconv.Itoa(tick))
	}
	f.FillText(label, vg.Point{X: inside.Center().X, Y: inside.Min.Y - 23}, "column")
	label.XAlign = text.XRight
	for _, tick := range indexTicks(of.row, of.rows) {
		y := inside.Max.Y - inside.height()*vg.Length((float64(tick-of.row)+0.5)/float64(of.rows))
		f.StrokeLine2(thin, inside.Min.X-3, y, inside.Min.X, y)
		f.FillText(label, vg.Point{X: inside.Min.X - 5, Y: y - 3}, strconv.Itoa(tick))
	}
	label.XAlign = text.XCenter
	label.Rotation = math.Pi / 2
	f.FillText(label, vg.Point{X: inside.Min.X - 32, Y: inside.Center().Y}, "row")
	return inside
}

// mark draws the outline of a window on the map of a region.
func (f frame) mark(of, window region) {
	x := func(c int) vg.Length {
		return f.Min.X + f.width()*vg.Length(c-of.column)/vg.Length(of.columns)
	}
	y := func(r int) vg.Length { return f.Max.Y - f.height()*vg.Length(r-of.row)/vg.Length(of.rows) }
	outline := vg.Rectangle{
		Min: vg.Point{X: x(window.column), Y: y(window.row + window.rows)},
		Max: vg.Point{X: x(window.column + window.columns), Y: y(window.row)},
	}
	// A window of a few pixels is still to be found.
	if d := 3 - outline.Size().Y; d > 0 {
		outline.Min.Y -= d / 2
		outline.Max.Y += d / 2
	}
	for _, line := range []draw.LineStyle{{Color: f.paper, Width: 3}, {Color: f.other, Width: 1.5}} {
		f.SetLineStyle(line)
		f.Stroke(outline.Path())
	}
}

// drawScale draws the colours from level first up, with the values that they
// stand for, 0 to top.
func (f frame) drawScale(first int, top float64, label string, format func(float64) string) {
	const barWidth, barHeight = 180, 8
	bar := f.part(0, 0, min(barWidth, f.width()), barHeight)
	colors := newRaster(1, levels-first)
	for i := range colors.pix {
		colors.pix[i] = uint8(first + i)
	}
	bar.drawRaster(colors)
	bar.SetLineStyle(draw.LineStyle{Color: f.line, Width: 0.5})
	bar.Stroke(bar.Rectangle.Path())
	for i, v := range []float64{0, top / 2, top} {
		align := []text.XAlignment{text.XLeft, text.XCenter, text.XRight}[i]
		f.writeAligned(tickSize, f.soft, align, bar.width()*vg.Length(v/top), barHeight+10, format(v))
	}
	f.write(tickSize, f.soft, bar.width()+10, barHeight, label)
}

// drawRaster fills the frame with a raster.
func (f frame) drawRaster(r raster) {
	canvas, ok := innermost(f.Canvas).(*vgimg.Canvas)
	if !ok {
		f.DrawImage(f.Rectangle, r.image(f.ramp))
		return
	}
	// The canvas would smooth what it scales: pixels are set one by one.
	out := canvas.Image()
	pixel := func(v vg.Length) int { return int(math.Round(v.Dots(canvas.DPI()))) }
	left, right := pixel(f.Min.X), pixel(f.Max.X)
	top, bottom := out.Bounds().Dy()-pixel(f.Max.Y), out.Bounds().Dy()-pixel(f.Min.Y)
	scaled := r.scaled(max(bottom-top, 1), max(right-left, 1))
	img := scaled.image(f.ramp)
	stddraw.Draw(out, img.Bounds().Add(image.Pt(left, top)), img, image.Point{}, stddraw.Over)
}

// innermost returns the canvas that others are parts of.
func innermost(c vg.Canvas) vg.Canvas {
	for {
		part, ok := c.(draw.Canvas)
		if !ok {
			return c
		}
		c = part.Canvas
	}
}

// indexTicks returns the numbers to write beside n rows or columns from first:
// at most six, whole multiples of 1, 2 or 5 times a power of ten.
func indexTicks(first, n int) []int {
	step := 1
	for i := 0; n/step > 5; i++ {
		step = int(math.Pow10(i/3)) * [3]int{1, 2, 5}[i%3]
	}
	var ticks []int
	for v := ceil(first, step) * step; v < first+n; v += step {
		ticks = append(ticks, v)
	}
	return ticks
}

func corners(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}}
}

// outline draws a thin frame.
func outline(f frame) {
	f.SetLineStyle(draw.LineStyle{Color: f.line, Width: 0.5})
	f.Stroke(f.Rectangle.Path())
}

// fill draws the inside of a line of points in data coordinates.
type fill struct {
	xys   plotter.XYs
	color color.Color
}

// Plot implements plot.Plotter.
func (p *fill) Plot(c draw.Canvas, plt *plot.Plot) {
	x, y := plt.Transforms(&c)
	points := make([]vg.Point, len(p.xys))
	for i, xy := range p.xys {
		points[i] = vg.Point{X: x(xy.X), Y: y(xy.Y)}
	}
	c.FillPolygon(p.color, points)
}

// valueTicks are the usual ticks, but none below a value, with labels as short
// as they can be.
type valueTicks struct{ from float64 }

// Ticks implements plot.Ticker.
func (t valueTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(max(low, t.from), high)
	for i := range ticks {
		if !ticks[i].IsMinor() {
			ticks[i].Label = plainTick(ticks[i].Value)
		}
	}
	return ticks
}
