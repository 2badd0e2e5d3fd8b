package canvas

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kenserve/viz/internal/format"
)

// Axes returns an empty plot in the theme's colours, with labels for both axes.
func (f Frame) Axes(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for axis, label := range map[*plot.Axis]string{&p.X: x, &p.Y: y} {
		axis.Label.Text = label
		axis.Label.Padding = 3
		rotation, xAlign, yAlign := axis.Label.TextStyle.Rotation, axis.Label.TextStyle.XAlign, axis.Label.TextStyle.YAlign
		axis.Label.TextStyle = TextStyle(TickSize, f.Soft)
		axis.Label.TextStyle.Rotation, axis.Label.TextStyle.XAlign, axis.Label.TextStyle.YAlign = rotation, xAlign, yAlign
		xAlign, yAlign = axis.Tick.Label.XAlign, axis.Tick.Label.YAlign
		axis.Tick.Label = TextStyle(TickSize, f.Soft)
		axis.Tick.Label.XAlign, axis.Tick.Label.YAlign = xAlign, yAlign
		axis.Tick.Length = 3
		axis.Padding = 0
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = f.Line, f.Line
		axis.LineStyle.Width, axis.Tick.LineStyle.Width = 0.5, 0.5
	}
	return p
}

// Area fills a polygon given in data coordinates.
type Area struct {
	XYs   plotter.XYs
	Color color.Color
}

// Plot implements [plot.Plotter].
func (p *Area) Plot(c draw.Canvas, plt *plot.Plot) {
	x, y := plt.Transforms(&c)
	points := make([]vg.Point, len(p.XYs))
	for i, xy := range p.XYs {
		points[i] = vg.Point{X: x(xy.X), Y: y(xy.Y)}
	}
	c.FillPolygon(p.Color, points)
}

// ValueTicks are the default ticks with short labels, without those below From.
type ValueTicks struct{ From float64 }

// Ticks implements [plot.Ticker].
func (t ValueTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(max(low, t.From), high)
	for i := range ticks {
		if !ticks[i].IsMinor() {
			ticks[i].Label = format.PlainTick(ticks[i].Value)
		}
	}
	return ticks
}
