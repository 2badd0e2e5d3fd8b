package canvas

import (
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kenserve/viz/internal/raster"
)

// Key is an entry of a legend: a level and its meaning.
type Key struct {
	Level int
	Text  string
}

// DrawKey draws the entries of a legend side by side.
func (f Frame) DrawKey(left, down vg.Length, keys []Key) {
	const box = 9
	for _, k := range keys {
		swatch := f.Part(left, down-8, box, box)
		if k.Level != raster.Blank {
			swatch.FillPolygon(f.Ramp(k.Level), Corners(swatch.Rectangle))
		}
		Outline(swatch)
		f.Write(TickSize, f.Ink, left+box+4, down, k.Text)
		left += box + 4 + TextStyle(TickSize, f.Ink).Width(k.Text) + 12
	}
}

// DrawScale draws the legend of a colour scale: the colours from level first up, with the
// values 0, top/2 and top that they stand for.
func (f Frame) DrawScale(first int, top float64, label string, format func(float64) string) {
	const barWidth, barHeight = 180, 8
	bar := f.Part(0, 0, min(barWidth, f.Width()), barHeight)
	colors := raster.New(1, raster.Levels-first)
	for i := range colors.Pix {
		colors.Pix[i] = uint8(first + i)
	}
	bar.DrawRaster(colors)
	bar.SetLineStyle(draw.LineStyle{Color: f.Line, Width: 0.5})
	bar.Stroke(bar.Rectangle.Path())
	for i, v := range []float64{0, top / 2, top} {
		align := []text.XAlignment{text.XLeft, text.XCenter, text.XRight}[i]
		f.WriteAligned(TickSize, f.Soft, align, bar.Width()*vg.Length(v/top), barHeight+10, format(v))
	}
	f.Write(TickSize, f.Soft, bar.Width()+10, barHeight, label)
}
