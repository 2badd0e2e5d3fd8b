package viz

import (
	"context"
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kenserve/kde"
	"kenserve/ken"
)

// ErrRow means a row that the tensor does not have, or one too long to show.
var ErrRow = errors.New("no such row")

// maxRow bounds the values of a row whose density is shown.
const maxRow = 1 << 16

// curvePoints is how many points a density is drawn with.
const curvePoints = 241

// Density is the Gaussian kernel density of one row, as KEN estimates it, with
// what it keeps of it.
type Density struct {
	Tensor Tensor `json:"tensor"`
	Row    int    `json:"row"`
	// Tuned says that the row is the tuned checkpoint's, which the selection
	// looked at; otherwise it is the task's, which has the base's values where
	// none is kept.
	Tuned     bool    `json:"tuned"`
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"`
	Bandwidth float64 `json:"bandwidth"` // 0 if the values do not differ: there is no curve

	Curve []Point `json:"curve"` // from the smallest to the largest value
	// Points are those at which KEN takes the density, evenly spaced: each
	// takes the value nearest to it, the densest first. Other selections have
	// none.
	Points []float64 `json:"points"`
	Kept   []float32 `json:"kept"`
	Rest   []float32 `json:"rest"` // values that are not kept
}

// Point is one of a density's.
type Point struct {
	X       float64 `json:"x"`
	Density float64 `json:"density"`
}

// Density estimates the density of a row of a tensor.
func (m *Model) Density(ctx context.Context, tensor string, row int) (*Density, error) {
	t, err := m.Tensor(tensor)
	if err != nil {
		return nil, err
	}
	p, err := m.pattern(ctx, t)
	if err != nil {
		return nil, err
	}
	return m.density(ctx, t, p, row)
}

func (m *Model) density(ctx context.Context, t *Tensor, p *pattern, row int) (*Density, error) {
	if row < 0 || row >= t.Rows || t.Columns == 0 {
		return nil, fmt.Errorf("viz: tensor %s: row %d of %d: %w", t.Name, row, t.Rows, ErrRow)
	}
	if t.Columns > maxRow {
		return nil, fmt.Errorf("viz: tensor %s: rows of %d values, at most %d can be shown: %w", t.Name, t.Columns, maxRow, ErrRow)
	}
	d := &Density{Tensor: *t, Row: row}
	var values []float32
	if err := m.readRow(ctx, t, p, row, func(v []float32, tuned bool) {
		values, d.Tuned = append(values, v...), tuned
	}); err != nil {
		return nil, err
	}
	low, high := values[0], values[0]
	for c, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("viz: tensor %s: row %d, column %d is %g", t.Name, row, c, v)
		}
		low, high = min(low, v), max(high, v)
		if p.has(row, c) {
			d.Kept = append(d.Kept, v)
		} else {
			d.Rest = append(d.Rest, v)
		}
	}
	mean, deviation := kde.Moments(values)
	d.Mean, d.Deviation = float64(mean), float64(deviation)
	perRow := m.delta.Budget == "" || m.delta.Budget == "row"
	if m.delta.Selection == string(ken.KEN) && perRow && t.Form == Masked {
		if k := ken.Kept(t.Columns, m.delta.K, m.delta.Keep); k > 0 && k < t.Columns {
			d.Points = make([]float64, k)
			kde.Grid(d.Points, low, high)
		}
	}
	h := kde.Bandwidth(deviation, t.Columns)
	if !(h > 0) || math.IsInf(h, 0) {
		return d, nil
	}
	d.Bandwidth = h
	at := make([]float64, curvePoints)
	kde.Grid(at, low, high)
	for i, x := range at {
		if i%16 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		d.Curve = append(d.Curve, Point{x, kde.Density(values, h, x)})
	}
	return d, nil
}

// readRow calls f with one row: the tuned checkpoint's if it is known.
func (m *Model) readRow(ctx context.Context, t *Tensor, p *pattern, row int, f func(v []float32, tuned bool)) error {
	done := false
	if err := m.scan(ctx, t, p, row, row+1, func(_ int, v values) {
		done = true
		if v.tuned != nil {
			f(v.tuned, true)
		} else {
			f(v.task, false)
		}
	}); err != nil || done {
		return err
	}
	// A row that scan left out keeps nothing: it is the base's.
	base, _ := m.base.Tensor(t.Name)
	v := make([]float32, t.Columns)
	if err := base.Float32s(v, row*t.Columns); err != nil {
		return fmt.Errorf("viz: %w", err)
	}
	f(v, false)
	return nil
}

func (d *Density) height() vg.Length { return 300 }

func (d *Density) line() string {
	of := "the tuned checkpoint's values"
	if !d.Tuned {
		of = "the task's values: the base's where none is kept"
	}
	return fmt.Sprintf("%s of %s values kept; %s", count(len(d.Kept)), count(len(d.Kept)+len(d.Rest)), of)
}

func (d *Density) draw(f frame) {
	f = f.head(fmt.Sprintf("Density of row %d of %s", d.Row, d.Tensor.Name), d.line())
	d.drawChart(f)
}

// drawChart draws the curve, and below it a line for each point, kept and
// other value.
func (d *Density) drawChart(f frame) {
	highest := 0.0
	curve := make(plotter.XYs, len(d.Curve))
	for i, p := range d.Curve {
		curve[i] = plotter.XY{X: p.X, Y: p.Density}
		highest = max(highest, p.Density)
	}
	if highest == 0 {
		highest = 1
	}
	const strip = 0.13 // height of a rug, of the curve's
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
		{draw.LineStyle{Color: f.main, Width: 0.7}}, {draw.LineStyle{Color: f.soft, Width: 0.7}}, {draw.LineStyle{Color: f.other, Width: 0.7}},
	}
	const labels = 84 // points right of the plot for the rugs' names
	p := f.axes("weight", "density")
	p.X.Min, p.X.Max = d.bounds()
	p.Y.Min, p.Y.Max = -strip*highest*float64(len(rugs)), highest*1.04
	p.Y.Tick.Marker = valueTicks{0}
	p.X.Tick.Marker = valueTicks{math.Inf(-1)}
	if len(curve) > 0 {
		area := make(plotter.XYs, 0, len(curve)+2)
		area = append(area, plotter.XY{X: curve[0].X})
		area = append(append(area, curve...), plotter.XY{X: curve[len(curve)-1].X})
		p.Add(&fill{area, f.rest}, &plotter.Line{XYs: curve, LineStyle: draw.LineStyle{Color: f.ink, Width: 1.2}})
	}
	left := f.part(0, 0, f.width()-labels, f.height())
	p.Draw(left.Canvas)
	inside := p.DataCanvas(left.Canvas)
	_, y := p.Transforms(&inside)
	x, _ := p.Transforms(&inside)
	for i, r := range rugs {
		upper := y(-strip * highest * (float64(i) + 0.16))
		lower := y(-strip * highest * (float64(i) + 0.90))
		f.drawRug(r.at, x, lower, upper, colors[r.color].c)
		sty := style(tickSize, colors[r.color].c.Color)
		sty.YAlign = draw.YCenter
		f.FillText(sty, vg.Point{X: inside.Max.X + 6, Y: (lower+upper)/2 + sty.FontExtents().Descent}, fmt.Sprintf("%s %s", count(len(r.at)), r.label))
	}
}

// bounds returns the range of the values, widened if they do not differ.
func (d *Density) bounds() (low, high float64) {
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

// drawRug draws a line for each value, but no two that lie within a third of a
// point.
func (f frame) drawRug(values []float64, x func(float64) vg.Length, lower, upper vg.Length, sty draw.LineStyle) {
	const apart = 1.0 / 3
	const atOnce = 32 // a rasterizer slows down with the lines of a path
	f.SetLineStyle(sty)
	drawn := map[int]bool{}
	var path vg.Path
	for _, v := range values {
		at := x(v)
		if i := int(math.Round(float64(at) / apart)); !drawn[i] {
			drawn[i] = true
			path.Move(vg.Point{X: at, Y: lower})
			path.Line(vg.Point{X: at, Y: upper})
			if len(path) == 2*atOnce {
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
