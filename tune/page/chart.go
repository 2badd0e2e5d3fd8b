package page

import (
	"fmt"
	"math"
	"strings"
)

// series is a curve.
type series struct {
	Name string
	x, y []float64
}

// add adds a point, unless it is NaN or infinite.
func (s *series) add(x, y float64) {
	if !math.IsNaN(y) && !math.IsInf(y, 0) {
		s.x, s.y = append(s.x, x), append(s.y, y)
	}
}

// The size of a chart and of its frame, in units of the picture.
const (
	chartWidth, chartHeight = 460, 240
	left, right             = 56, 12
	top, bottom             = 12, 34
)

// chart is a picture of curves over epochs, as the template draws it.
type chart struct {
	Title         string
	Width, Height int
	Curves        []curve
	XTicks        []tick
	YTicks        []tick
	BestX         float64 // of the best evaluation
	Left, Right   float64
	Top, Bottom   float64
}

type curve struct {
	Name   string
	Class  string // for its colour and dashes
	Points string // as SVG's polyline has them
}

type tick struct {
	At   float64
	Text string
}

// newChart draws curves. best is the epoch of the best evaluation.
func newChart(title string, best float64, curves ...series) *chart {
	c := &chart{Title: title, Width: chartWidth, Height: chartHeight, Left: left, Right: chartWidth - right, Top: top, Bottom: chartHeight - bottom}
	x0, x1 := 0.0, best
	y0, y1 := math.Inf(1), math.Inf(-1)
	for _, s := range curves {
		for i := range s.x {
			x1 = max(x1, s.x[i])
			y0, y1 = min(y0, s.y[i]), max(y1, s.y[i])
		}
	}
	if y0 > y1 { // no points
		y0, y1 = 0, 1
	}
	if y1-y0 < 1e-9 {
		y0, y1 = y0-0.5, y1+0.5
	}
	step := niceStep((y1 - y0) / 4)
	y0, y1 = step*math.Floor(y0/step), step*math.Ceil(y1/step)
	xAt := func(x float64) float64 { return c.Left + (c.Right-c.Left)*(x-x0)/max(x1-x0, 1e-9) }
	yAt := func(y float64) float64 { return c.Bottom - (c.Bottom-c.Top)*(y-y0)/(y1-y0) }
	for i, s := range curves {
		points := make([]string, len(s.x))
		for j := range s.x {
			points[j] = fmt.Sprintf("%.1f,%.1f", xAt(s.x[j]), yAt(s.y[j]))
		}
		c.Curves = append(c.Curves, curve{s.Name, fmt.Sprintf("c%d", i), strings.Join(points, " ")})
	}
	for n := 0; n <= int(math.Round((y1-y0)/step)); n++ {
		y := y0 + float64(n)*step
		c.YTicks = append(c.YTicks, tick{yAt(y), fmt.Sprintf("%.4g", y)})
	}
	xStep := max(1, niceStep((x1-x0)/5))
	if x1 < 2 {
		xStep = niceStep(max(x1, 1e-3) / 4)
	}
	for x := x0; x <= x1+1e-9; x += xStep {
		c.XTicks = append(c.XTicks, tick{xAt(x), fmt.Sprintf("%.3g", x)})
	}
	c.BestX = xAt(best)
	return c
}

// niceStep returns 1, 2 or 5 times a power of ten that is at least x.
func niceStep(x float64) float64 {
	if !(x > 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= x*(1-1e-9) {
			return n * power
		}
	}
	return 10 * power
}
