package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The names of the files that Write writes.
const (
	reportFile = "tasks.json"
	plotFile   = "tasks.png"
)

// FileNames lists the names of the files that [TasksReport.Write] writes.
func FileNames() []string { return []string{reportFile, plotFile} }

// Write writes tasks.json, the report, and tasks.png, a plot of throughput and tail
// latency against the number of tasks, both relative to the first row. It creates the
// folder if it does not exist.
func (m *TasksReport) Write(dir string) error {
	if err := m.write(dir); err != nil {
		return fmt.Errorf("bench: write report: %w", err)
	}
	return nil
}

func (m *TasksReport) write(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, reportFile), append(text, '\n'), 0o644); err != nil {
		return err
	}
	var throughput, latency plotter.XYs
	for _, r := range m.Rows {
		throughput = append(throughput, plotter.XY{X: float64(r.Tasks), Y: r.Ratio})
		latency = append(latency, plotter.XY{X: float64(r.Tasks), Y: r.P99Ratio})
	}
	p := plot.New()
	p.Title.Text = "Throughput and tail latency against the number of tasks"
	p.X.Label.Text = "tasks"
	p.Y.Label.Text = fmt.Sprintf("relative to %d tasks", m.Rows[0].Tasks)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Min = 0
	p.Legend.Left = true
	for i, line := range []struct {
		name   string
		points plotter.XYs
	}{{"throughput", throughput}, {"99th percentile of latency at half load", latency}} {
		l, dots, err := plotter.NewLinePoints(line.points)
		if err != nil {
			return err
		}
		l.Dashes = []vg.Length{vg.Points(float64(1 + 5*i)), vg.Points(float64(2 * i))}
		if i == 0 {
			l.Dashes = nil
		}
		dots.Shape = draw.CircleGlyph{}
		p.Add(l, dots)
		p.Legend.Add(line.name, l, dots)
	}
	p.X.Max *= 1.2 // space to the right of the last points
	p.Y.Max *= 1.1
	return p.Save(6*vg.Inch, 4*vg.Inch, filepath.Join(dir, plotFile))
}
