package figure

import (
	"fmt"
	"math"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kenserve/viz"
	"kenserve/viz/internal/canvas"
	"kenserve/viz/internal/format"
)

// densityPicture is the density of a row with the values of the row.
type densityPicture viz.Density

func (d *densityPicture) height() vg.Length { return 300 }

// caption says how many values are kept and whose values they are.
func (d *densityPicture) caption() string {
	source := "values of the tuned checkpoint"
	if !d.Tuned {
		source = "values of the task: the base's where none is kept"
	}
	return fmt.Sprintf("%s of %s values kept; %s", format.Count(len(d.Kept)), format.Count(len(d.Kept)+len(d.Rest)), source)
}

func (d *densityPicture) draw(f canvas.Frame) {
	f = f.Titled(fmt.Sprintf("Density of row %d of %s", d.Row, d.Tensor.Name), d.caption())
	d.drawChart(f)
}

// drawChart draws the curve, and rugs below it: one line for each point of KEN, each kept
// value and each other value.
func (d *densityPicture) drawChart(f canvas.Frame) {
	highest := 0.0
	curve := make(plotter.XYs, len(d.Curve))
	for i, p := range d.Curve {
		curve[i] = plotter.XY{X: p.X, Y: p.Density}
		highest = max(highest, p.Density)
	}
	if highest == 0 {
		highest = 1
	}
	const strip = 0.13 // height of a rug as a fraction of the curve's height
	type rug struct {
		label string
		at    []float64
		color int
	}
	rugs := []rug{{"kept", float64s(d.Kept), 0}, {"not kept", float64s(d.Rest), 1}}
	if d.Points != nil {
		rugs = append([]rug{{"points of KEN", d.Points, 2}}, rugs...)
	}
	colors := []struct{ c draw.LineStyle }{
		{draw.LineStyle{Color: f.Main, Width: 0.7}}, {draw.LineStyle{Color: f.Soft, Width: 0.7}}, {draw.LineStyle{Color: f.Other, Width: 0.7}},
	}
	const labels = 84 // space to the right of the plot for the labels of the rugs, in points
	p := f.Axes("weight", "density")
	p.X.Min, p.X.Max = d.bounds()
	p.Y.Min, p.Y.Max = -strip*highest*float64(len(rugs)), highest*1.04
	p.Y.Tick.Marker = canvas.ValueTicks{From: 0}
	p.X.Tick.Marker = canvas.ValueTicks{From: math.Inf(-1)}
	if len(curve) > 0 {
		area := make(plotter.XYs, 0, len(curve)+2)
		area = append(area, plotter.XY{X: curve[0].X})
		area = append(append(area, curve...), plotter.XY{X: curve[len(curve)-1].X})
		p.Add(&canvas.Area{XYs: area, Color: f.Rest}, &plotter.Line{XYs: curve, LineStyle: draw.LineStyle{Color: f.Ink, Width: 1.2}})
	}
	left := f.Part(0, 0, f.Width()-labels, f.Height())
	p.Draw(left.Canvas)
	inside := p.DataCanvas(left.Canvas)
	_, y := p.Transforms(&inside)
	x, _ := p.Transforms(&inside)
	for i, r := range rugs {
		upper := y(-strip * highest * (float64(i) + 0.16))
		lower := y(-strip * highest * (float64(i) + 0.90))
		drawRug(f, r.at, x, lower, upper, colors[r.color].c)
		sty := canvas.TextStyle(canvas.TickSize, colors[r.color].c.Color)
		sty.YAlign = draw.YCenter
		f.FillText(sty, vg.Point{X: inside.Max.X + 6, Y: (lower+upper)/2 + sty.FontExtents().Descent}, fmt.Sprintf("%s %s", format.Count(len(r.at)), r.label))
	}
}

// bounds returns the range of the values, widened if all are equal.
func (d *densityPicture) bounds() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, values := range [][]float32{d.Kept, d.Rest} {
		for _, v := range values {
			low, high = min(low, float64(v)), max(high, float64(v))
		}
	}
	if low == high {
		room := max(math.Abs(low)*0.01, 1e-6)
		return low - room, high + room
	}
	return low, high
}

// drawRug draws a vertical line for each value. It skips lines closer than a third of a point
// to one that is drawn.
func drawRug(f canvas.Frame, values []float64, x func(float64) vg.Length, lower, upper vg.Length, sty draw.LineStyle) {
	const spacing = 1.0 / 3
	const pathLines = 32 // rasterizers are slow for paths of many lines
	f.SetLineStyle(sty)
	drawn := map[int]bool{}
	var path vg.Path
	for _, v := range values {
		at := x(v)
		if i := int(math.Round(float64(at) / spacing)); !drawn[i] {
			drawn[i] = true
			path.Move(vg.Point{X: at, Y: lower})
			path.Line(vg.Point{X: at, Y: upper})
			if len(path) == 2*pathLines {
				f.Stroke(path)
				path = path[:0]
			}
		}
	}
	if len(path) > 0 {
		f.Stroke(path)
	}
}

func float64s(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}
