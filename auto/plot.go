package auto

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kenserve/ken"
	"kenserve/safetensors"
)

// ParseFormat returns the format of a picture, "svg" or "png", by the extension of its
// path.
func ParseFormat(path string) (string, error) {
	switch ending := filepath.Ext(path); ending {
	case ".svg", ".png":
		return ending[1:], nil
	}
	return "", fmt.Errorf("auto: %s: unknown picture format, want a name that ends in .svg or .png", path)
}

// WritePlot draws a result to an SVG or PNG file: the accuracy of every point over the
// size of its delta, on a logarithmic axis, with the confidence interval of the best.
func WritePlot(path string, r *Result) error {
	format, err := ParseFormat(path)
	if err != nil {
		return err
	}
	p, err := newPlot(r)
	if err != nil {
		return fmt.Errorf("auto: draw points: %w", err)
	}
	const width, height = 640, 400
	drawn, err := p.WriterTo(width, height, format)
	if err != nil {
		return fmt.Errorf("auto: draw points: %w", err)
	}
	return safetensors.Replace(path, func(w io.Writer) error {
		_, err := drawn.WriteTo(w)
		return err
	})
}

// Colours that are distinct for all common kinds of colour blindness.
var (
	black     = color.Gray{0x1c}
	darkGray  = color.Gray{0x59}
	lightGray = color.Gray{0xc4}
	blue      = color.RGBA{0x1f, 0x5f, 0xb4, 0xff}
	orange    = color.RGBA{0xb8, 0x56, 0x00, 0xff}
)

func newPlot(r *Result) (*plot.Plot, error) {
	p := plot.New()
	sans := font.Font{Typeface: "Liberation", Variant: "Sans"}
	p.Title.Text = fmt.Sprintf("%d points on %d texts, tolerance %g", len(r.Points), r.Texts, r.Tolerance)
	p.X.Label.Text, p.Y.Label.Text = "delta file, MB", "accuracy"
	for _, f := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font} {
		size := f.Size
		*f = font.From(sans, size)
	}
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = plot.TickerFunc(sizeTicks)

	// Points far below the full model are drawn at the floor, to keep the rest readable.
	floor := r.Full.Accuracy - max(0.1, 4*r.Tolerance)
	smallest, largest := math.Inf(1), 0.0
	var others, kens, within plotter.XYs
	for _, point := range r.Points {
		xy := plotter.XY{X: megabytes(point), Y: max(point.Accuracy, floor)}
		smallest, largest = min(smallest, xy.X), max(largest, xy.X)
		switch {
		case point.Selection == ken.KEN:
			kens = append(kens, xy)
		case point.Within:
			within = append(within, xy)
		default:
			others = append(others, xy)
		}
	}
	p.X.Min, p.X.Max = smallest/1.2, largest*1.2
	for _, level := range []struct {
		accuracy float64
		c        color.Color
		name     string
	}{{r.Full.Accuracy, darkGray, "full model"}, {r.Full.Accuracy - r.Tolerance, lightGray, "tolerance"}} {
		line, err := plotter.NewLine(plotter.XYs{{X: p.X.Min, Y: level.accuracy}, {X: p.X.Max, Y: level.accuracy}})
		if err != nil {
			return nil, err
		}
		line.Color = level.c
		p.Add(line)
		p.Legend.Add(level.name, line)
	}
	for _, group := range []struct {
		xys   plotter.XYs
		c     color.Color
		shape draw.GlyphDrawer
		name  string
	}{
		{others, darkGray, draw.RingGlyph{}, "delta, beyond the tolerance"},
		{within, blue, draw.CircleGlyph{}, "delta, within"},
		{kens, orange, draw.PyramidGlyph{}, "ken"},
	} {
		if len(group.xys) == 0 {
			continue
		}
		points, err := plotter.NewScatter(group.xys)
		if err != nil {
			return nil, err
		}
		points.GlyphStyle = draw.GlyphStyle{Color: group.c, Radius: 2.5, Shape: group.shape}
		p.Add(points)
		p.Legend.Add(group.name, points)
	}
	if r.Best.Bytes > 0 {
		x := megabytes(r.Best)
		bar, err := plotter.NewLine(plotter.XYs{{X: x, Y: max(floor, r.Full.Accuracy+r.Best.Low)}, {X: x, Y: r.Full.Accuracy + r.Best.High}})
		if err != nil {
			return nil, err
		}
		bar.LineStyle = draw.LineStyle{Color: black, Width: 1.2}
		p.Add(bar)
		p.Legend.Add("the smallest: 95% interval", bar)
	}
	p.Legend.XOffs = -vg.Points(8)
	return p, nil
}

func megabytes(p Point) float64 { return float64(p.Bytes) / 1e6 }

// sizeTicks puts ticks at 1, 2 and 5 times the powers of ten.
func sizeTicks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for decade := math.Pow(10, math.Floor(math.Log10(low))); decade <= high; decade *= 10 {
		for _, n := range [...]float64{1, 2, 5} {
			if v := n * decade; v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 4, 64)})
			}
		}
	}
	return ticks
}
