package viz

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Changes is how the changes from the base are distributed. Which of the two
// last parts are there depends on whether the tuned checkpoint is known.
type Changes struct {
	Tensor string `json:"tensor"` // empty for all tensors of the base
	// Stored are the changes of the kept values as the delta stores them.
	Stored *Histogram `json:"stored"`
	// Kept are the changes of the kept values in the tuned checkpoint; they
	// differ from Stored by what the value coding loses.
	Kept *Histogram `json:"kept,omitempty"`
	// All are the changes of all values in the tuned checkpoint.
	All *Histogram `json:"all,omitempty"`

	// MostChanged is the row with the greatest sum of squares of stored
	// changes, the first of equal ones. It is 0 for all tensors.
	MostChanged int `json:"most_changed"`
}

// Changes counts the changes of a tensor of the base, or of all of them if
// tensor is empty.
func (m *Model) Changes(ctx context.Context, tensor string) (*Changes, error) {
	if tensor != "" {
		t, err := m.Tensor(tensor)
		if err != nil {
			return nil, err
		}
		p, err := m.pattern(ctx, t)
		if err != nil {
			return nil, err
		}
		return m.changes(ctx, t, p)
	}
	all := m.noChanges("")
	for i := range m.tensors {
		t := &m.tensors[i]
		if t.Form == Head || t.Form == Absent {
			continue
		}
		c, err := m.Changes(ctx, t.Name)
		if err != nil {
			return nil, err
		}
		all.merge(c)
	}
	return all, nil
}

func (m *Model) noChanges(tensor string) *Changes {
	c := &Changes{Tensor: tensor, Stored: &Histogram{}}
	if m.tuned != nil {
		c.Kept, c.All = &Histogram{}, &Histogram{}
	}
	return c
}

func (c *Changes) merge(other *Changes) {
	c.Stored.merge(other.Stored)
	if c.All != nil {
		c.Kept.merge(other.Kept)
		c.All.merge(other.All)
	}
}

func (m *Model) changes(ctx context.Context, t *Tensor, p *pattern) (*Changes, error) {
	out := m.noChanges(t.Name)
	if t.Form == Head {
		return out, nil // there is nothing that it could have changed from
	}
	most := 0.0
	var bad error
	err := m.scan(ctx, t, p, 0, t.Rows, func(r int, v values) {
		norm := 0.0
		for c, b := range v.base {
			kept := v.kept[c/64]>>(c%64)&1 == 1
			if kept {
				x := float64(v.task[c]) - float64(b)
				if !(math.Abs(x) <= math.MaxFloat32) {
					bad = fmt.Errorf("viz: tensor %s: row %d, column %d changes by %g", t.Name, r, c, x)
					return
				}
				out.Stored.add(x)
				norm += x * x
			}
			if v.tuned != nil {
				x := float64(v.tuned[c]) - float64(b)
				if !(math.Abs(x) <= 2*math.MaxFloat32) {
					bad = fmt.Errorf("viz: tensor %s: row %d, column %d changes by %g", t.Name, r, c, x)
					return
				}
				out.All.add(x)
				if kept {
					out.Kept.add(x)
				}
			}
		}
		if norm > most {
			most, out.MostChanged = norm, r
		}
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *Changes) height() vg.Length { return 300 }

func (c *Changes) draw(f frame) {
	title := "Changes from the base"
	if c.Tensor != "" {
		title += " of " + c.Tensor
	}
	f = f.head(title, c.line())
	c.drawChart(f)
}

func (c *Changes) line() string {
	s := fmt.Sprintf("%s kept values, mean change %s, standard deviation %s", count(c.Stored.N), number(c.Stored.Mean()), number(c.Stored.Deviation()))
	if c.All != nil {
		s += fmt.Sprintf("; %s of all %s values changed", percent(share(c.All.N-c.All.Zero, c.All.N)), count(c.All.N))
	}
	return s
}

// series is one histogram of the chart.
type series struct {
	of     *Histogram
	label  string
	counts []int
	low    float64
	width  float64
}

// drawChart draws the counts, on a logarithmic scale: the tails matter.
func (c *Changes) drawChart(f frame) {
	const mostBins = 120
	// What lies behind is drawn first.
	var all []series
	if c.All != nil {
		all = append(all, series{of: c.All, label: "all values"}, series{of: c.Kept, label: "kept, as tuned"})
	}
	if c.All == nil || *c.Stored != *c.Kept {
		all = append(all, series{of: c.Stored, label: "kept, as stored"})
	}
	widest, most := 0.0, 0
	for i := range all {
		s := &all[i]
		s.counts, s.low, s.width = s.of.Bins(mostBins)
		widest = max(widest, s.width)
	}
	low, high := 0.0, 0.0
	for i := range all {
		s := &all[i]
		for n := mostBins; s.width != 0 && s.width < widest && n >= 2; n-- {
			s.counts, s.low, s.width = s.of.Bins(n) // bins of one width for all
		}
		for _, n := range s.counts {
			most = max(most, n)
		}
		low, high = min(low, s.low), max(high, s.low+float64(len(s.counts))*s.width)
	}
	if most == 0 {
		f.write(textSize, f.soft, 0, 20, "no value changed")
		return
	}
	legend := vg.Length(12 * len(all))
	plotted := f.part(0, legend, f.width(), f.height()-legend)
	p := f.axes("change from the base", "values")
	p.X.Min, p.X.Max = low, high
	p.Y.Min, p.Y.Max = 0.7, float64(most)*1.2
	p.X.Tick.Marker = valueTicks{low}
	p.Y.Scale = plot.LogScale{}
	p.Y.Tick.Marker = decades{}
	styles := map[string]draw.LineStyle{
		"all values":      {},
		"kept, as tuned":  {Color: f.main, Width: 1.2},
		"kept, as stored": {Color: f.other, Width: 1.2, Dashes: []vg.Length{4, 2}},
	}
	if c.All == nil {
		styles["kept, as stored"] = draw.LineStyle{Color: f.main, Width: 1.2}
	}
	for i := range all {
		s := &all[i]
		if len(s.counts) == 0 {
			continue
		}
		line := s.outline(p.Y.Min)
		if s.label == "all values" {
			p.Add(&fill{line, f.rest})
			continue
		}
		p.Add(&plotter.Line{XYs: line, LineStyle: styles[s.label]})
	}
	p.Draw(plotted.Canvas)
	for i := range all {
		s := &all[i]
		down := vg.Length(8 + 12*i)
		name := fmt.Sprintf("%s: %s", s.label, count(s.of.N-s.of.Zero))
		if s.of.Zero > 0 {
			name += fmt.Sprintf(" (and %s unchanged)", count(s.of.Zero))
		}
		f.writeAligned(tickSize, f.ink, text.XRight, f.width()-18, down, name)
		if s.label == "all values" {
			box := f.part(f.width()-14, down-7, 10, 7)
			box.FillPolygon(f.rest, corners(box.Rectangle))
			continue
		}
		at := f.Max.Y - down + 3
		f.StrokeLine2(styles[s.label], f.Max.X-14, at, f.Max.X-4, at)
	}
}

// outline returns the upper edge of the bars; empty bins are at floor.
func (s *series) outline(floor float64) plotter.XYs {
	xys := plotter.XYs{{X: s.low, Y: floor}}
	for i, n := range s.counts {
		y := max(float64(n), floor)
		left := s.low + float64(i)*s.width
		xys = append(xys, plotter.XY{X: left, Y: y}, plotter.XY{X: left + s.width, Y: y})
	}
	return append(xys, plotter.XY{X: s.low + float64(len(s.counts))*s.width, Y: floor})
}

// decades marks the powers of ten.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for v := 1.0; v <= high; v *= 10 {
		if v >= low {
			ticks = append(ticks, plot.Tick{Value: v, Label: count(int(v))})
		}
	}
	return ticks
}
