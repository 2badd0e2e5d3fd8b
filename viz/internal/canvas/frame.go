package canvas

import (
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sizes of text, in points.
const (
	titleSize = 13
	TextSize  = 10
	TickSize  = 8.5
)

// frame is a rectangle to draw in, with the colours to use.
type Frame struct {
	draw.Canvas
	*Theme
}

// part returns a part of the frame, given by its distances from the left and
// upper edge and its size.
func (f Frame) Part(left, top, width, height vg.Length) Frame {
	f.Canvas = draw.Crop(f.Canvas, left, left+width-(f.Max.X-f.Min.X), f.Max.Y-f.Min.Y-top-height, -top)
	return f
}

func (f Frame) Width() vg.Length { return f.Max.X - f.Min.X }

func (f Frame) Height() vg.Length { return f.Max.Y - f.Min.Y }

func TextStyle(size float64, c color.Color) text.Style {
	return text.Style{Color: c, Font: font.From(sans, vg.Length(size)), Handler: plot.DefaultTextHandler}
}

// write puts text with its left end and baseline at a distance from the upper
// left corner.
func (f Frame) Write(size float64, c color.Color, left, down vg.Length, s string) {
	f.WriteAligned(size, c, text.XLeft, left, down, s)
}

// writeAligned puts text with its horizontal anchor at left.
func (f Frame) WriteAligned(size float64, c color.Color, align text.XAlignment, left, down vg.Length, s string) {
	sty := TextStyle(size, c)
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
func (f Frame) Titled(title, line string) Frame {
	const size = 44
	f.Write(titleSize, f.Ink, 0, 13, Fit(title, titleSize, f.Width()))
	f.Write(TextSize, f.Soft, 0, 29, Fit(line, TextSize, f.Width()))
	return f.Part(0, size, f.Width(), f.Height()-size)
}

// fit shortens text in its middle until it is no wider than width.
func Fit(s string, size float64, width vg.Length) string {
	sty := TextStyle(size, color.Black)
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

func Corners(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}}
}

// outline draws a thin frame.
func Outline(f Frame) {
	f.SetLineStyle(draw.LineStyle{Color: f.Line, Width: 0.5})
	f.Stroke(f.Rectangle.Path())
}
