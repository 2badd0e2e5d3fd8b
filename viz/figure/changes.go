package figure

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kenserve/viz"
	"kenserve/viz/internal/canvas"
	"kenserve/viz/internal/format"
)

// changesPicture is the histogram of the changes from the base.
type changesPicture viz.Changes

func (c *changesPicture) height() vg.Length { return 300 }

func (c *changesPicture) draw(f canvas.Frame) {
	title := "Changes from the base"
	if c.Tensor != "" {
		title += " of " + c.Tensor
	}
	f = f.Titled(title, c.caption())
	c.drawChart(f)
}

// caption gives the number, mean and deviation of the changes.
func (c *changesPicture) caption() string {
	s := fmt.Sprintf("%s kept values, mean change %s, standard deviation %s", format.Count(c.Stored.N), format.Number(c.Stored.Mean()), format.Number(c.Stored.Deviation()))
	if c.All != nil {
		s += fmt.Sprintf("; %s of all %s values changed", format.Percent(viz.Share(c.All.N-c.All.Zero, c.All.N)), format.Count(c.All.N))
	}
	return s
}

// bins is one histogram of the chart.
type bins struct {
	of     *viz.Histogram
	label  string
	counts []int
	low    float64 // lower edge of the first bin
	width  float64 // of a bin
}

// drawChart draws the counts on a logarithmic scale, which shows the tails.
func (c *changesPicture) drawChart(f canvas.Frame) {
	const maxBins = 120
	// In drawing order: the last one is in front.
	var all []bins
	if c.All != nil {
		all = append(all, bins{of: c.All, label: "all values"}, bins{of: c.Kept, label: "kept, in the tuned checkpoint"})
	}
	if c.All == nil || *c.Stored != *c.Kept {
		all = append(all, bins{of: c.Stored, label: "kept, in the delta"})
	}
	widest, highest := 0.0, 0
	for i := range all {
		s := &all[i]
		s.counts, s.low, s.width = s.of.Bins(maxBins)
		widest = max(widest, s.width)
	}
	low, high := 0.0, 0.0
	for i := range all {
		s := &all[i]
		for n := maxBins; s.width != 0 && s.width < widest && n >= 2; n-- {
			s.counts, s.low, s.width = s.of.Bins(n) // the same width for all histograms
		}
		for _, n := range s.counts {
			highest = max(highest, n)
		}
		low, high = min(low, s.low), max(high, s.low+float64(len(s.counts))*s.width)
	}
	if highest == 0 {
		f.Write(canvas.TextSize, f.Soft, 0, 20, "no value changed")
		return
	}
	legend := vg.Length(12 * len(all))
	plotted := f.Part(0, legend, f.Width(), f.Height()-legend)
	p := f.Axes("change from the base", "values")
	p.X.Min, p.X.Max = low, high
	p.Y.Min, p.Y.Max = 0.7, float64(highest)*1.2
	p.X.Tick.Marker = canvas.ValueTicks{From: low}
	p.Y.Scale = plot.LogScale{}
	p.Y.Tick.Marker = decades{}
	styles := map[string]draw.LineStyle{
		"all values":                    {},
		"kept, in the tuned checkpoint": {Color: f.Main, Width: 1.2},
		"kept, in the delta":            {Color: f.Other, Width: 1.2, Dashes: []vg.Length{4, 2}},
	}
	if c.All == nil {
		styles["kept, in the delta"] = draw.LineStyle{Color: f.Main, Width: 1.2}
	}
	for i := range all {
		s := &all[i]
		if len(s.counts) == 0 {
			continue
		}
		line := s.outline(p.Y.Min)
		if s.label == "all values" {
			p.Add(&canvas.Area{XYs: line, Color: f.Rest})
			continue
		}
		p.Add(&plotter.Line{XYs: line, LineStyle: styles[s.label]})
	}
	p.Draw(plotted.Canvas)
	for i := range all {
		s := &all[i]
		down := vg.Length(8 + 12*i)
		name := fmt.Sprintf("%s: %s", s.label, format.Count(s.of.N-s.of.Zero))
		if s.of.Zero > 0 {
			name += fmt.Sprintf(" (and %s unchanged)", format.Count(s.of.Zero))
		}
		f.WriteAligned(canvas.TickSize, f.Ink, text.XRight, f.Width()-18, down, name)
		if s.label == "all values" {
			box := f.Part(f.Width()-14, down-7, 10, 7)
			box.FillPolygon(f.Rest, canvas.Corners(box.Rectangle))
			continue
		}
		at := f.Max.Y - down + 3
		f.StrokeLine2(styles[s.label], f.Max.X-14, at, f.Max.X-4, at)
	}
}

// outline returns the upper edge of the bars. Empty bins are at floor.
func (s *bins) outline(floor float64) plotter.XYs {
	xys := plotter.XYs{{X: s.low, Y: floor}}
	for i, n := range s.counts {
		y := max(float64(n), floor)
		left := s.low + float64(i)*s.width
		xys = append(xys, plotter.XY{X: left, Y: y}, plotter.XY{X: left + s.width, Y: y})
	}
	return append(xys, plotter.XY{X: s.low + float64(len(s.counts))*s.width, Y: floor})
}

// decades puts ticks at the powers of ten.
type decades struct{}

// Ticks implements [plot.Ticker].
func (decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for v := 1.0; v <= high; v *= 10 {
		if v >= low {
			ticks = append(ticks, plot.Tick{Value: v, Label: format.Count(int(v))})
		}
	}
	return ticks
}
