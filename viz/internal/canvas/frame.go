// Package canvas draws the parts of pictures: text, maps of matrices, axes, legends. It has
// the colours of both themes, but knows no view.
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

// Frame is a rectangle to draw in and the colours to use. Lengths are in points; the y axis
// of the embedded canvas points up.
type Frame struct {
	draw.Canvas
	*Theme
}

// Part returns a part of the frame, given by its distances from the left and upper edge and
// by its size.
func (f Frame) Part(left, top, width, height vg.Length) Frame {
	f.Canvas = draw.Crop(f.Canvas, left, left+width-(f.Max.X-f.Min.X), f.Max.Y-f.Min.Y-top-height, -top)
	return f
}

// Width returns the width of the frame.
func (f Frame) Width() vg.Length { return f.Max.X - f.Min.X }

// Height returns the height of the frame.
func (f Frame) Height() vg.Length { return f.Max.Y - f.Min.Y }

// TextStyle returns the style for text of a size in points.
func TextStyle(size float64, c color.Color) text.Style {
	return text.Style{Color: c, Font: font.From(sans, vg.Length(size)), Handler: plot.DefaultTextHandler}
}

// Write draws text. Its left end is at a distance left from the left edge, its baseline at a
// distance down from the upper edge.
func (f Frame) Write(size float64, c color.Color, left, down vg.Length, s string) {
	f.WriteAligned(size, c, text.XLeft, left, down, s)
}

// WriteAligned draws text like [Frame.Write], with its left end, centre or right end at left.
func (f Frame) WriteAligned(size float64, c color.Color, align text.XAlignment, left, down vg.Length, s string) {
	sty := TextStyle(size, c)
	sty.XAlign = align
	f.FillText(sty, vg.Point{X: f.Min.X + left, Y: f.Max.Y - down}, printable(s))
}

// printable replaces characters that XML does not allow. Names of tensors come from files and
// can have any.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// Titled draws the title of a picture and the caption below it. It returns the rest of the
// frame.
func (f Frame) Titled(title, caption string) Frame {
	const size = 44
	f.Write(titleSize, f.Ink, 0, 13, Fit(title, titleSize, f.Width()))
	f.Write(TextSize, f.Soft, 0, 29, Fit(caption, TextSize, f.Width()))
	return f.Part(0, size, f.Width(), f.Height()-size)
}

// Fit shortens text in its middle until it is at most width wide.
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

// Corners returns the corners of a rectangle, to fill it as a polygon.
func Corners(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}}
}

// Outline draws a thin line around a frame.
func Outline(f Frame) {
	f.SetLineStyle(draw.LineStyle{Color: f.Line, Width: 0.5})
	f.Stroke(f.Rectangle.Path())
}
