package page

import (
	"context"
	"fmt"
	"html/template"
	"runtime"

	"kenserve/viz"
	"kenserve/viz/figure"
	"kenserve/viz/internal/format"
	"kenserve/viz/internal/raster"

	"golang.org/x/sync/errgroup"
)

// page is what the template shows.
type content struct {
	Name     string
	Facts    [][2]string
	CSS      template.CSS
	JS       template.JS
	Ramps    [2]filterTable // light, dark
	Grays    string         // for the script: no neighbours to four, and kept
	Window   int
	Shares   *viz.Shares
	Top      float64 // of the colours of Shares
	Scale    scale
	Panels   map[string]string // by tensor, the panel's id
	Changes  chart
	Kinds    []kindSection
	Vectors  []vectorPicture
	Groups   []panelGroup
	Matrices []*panel
	Movable  int // panels with a window that can be moved
}

// tensorWork is what the page needs of one tensor.
type tensorContent struct {
	panel   *panel    // nil for what has none
	layer   viz.Layer // of tensors in layers
	changes *viz.Changes
}

func newContent(ctx context.Context, m *viz.Model, o Options) (*content, error) {
	workers := o.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	tensors := m.Tensors()
	done := make([]tensorContent, len(tensors))
	group, work := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range tensors {
		group.Go(func() (err error) {
			if done[i], err = newTensorContent(work, m, i, o); err == nil && o.Progress != nil {
				o.Progress()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	p := &content{
		Name: o.Name, Facts: facts(m), CSS: template.CSS(pageCSS + rampCSS()), JS: template.JS(pageJS),
		Ramps: [2]filterTable{rampTable("light", false), rampTable("dark", true)}, Grays: grays(),
		Window: viz.DefaultWindow, Shares: m.Shares(), Panels: map[string]string{},
	}
	p.Top = raster.SharesEnd(p.Shares)
	p.Scale = scale{0, "0", format.PercentTick(p.Top / 2), format.PercentTick(p.Top), "share kept (a head is always whole)"}
	var changes []*viz.Changes
	for i := range done {
		changes = append(changes, done[i].changes)
		if panel := done[i].panel; panel != nil {
			p.Matrices = append(p.Matrices, panel)
			p.Panels[panel.Tensor.Name] = panel.ID
		}
	}
	p.Changes = newChart("Histogram of the changes from the base", figure.ChangesChart(m.SumChanges(changes)))
	byName := map[string]*tensorContent{}
	for i := range done {
		byName[tensors[i].Name] = &done[i]
	}
	for _, kind := range m.Kinds() {
		p.addKind(kind, m.OfKind(kind), byName)
	}
	p.groupPanels()
	p.embedPatterns(o.Exact)
	return p, nil
}

// pageTensor does the work for tensor i.
func newTensorContent(ctx context.Context, m *viz.Model, i int, o Options) (work tensorContent, err error) {
	x, err := m.Matrix(ctx, m.Tensors()[i].Name)
	if err != nil {
		return work, err
	}
	t := x.Tensor
	if work.changes, err = x.Changes(ctx); err != nil {
		return work, err
	}
	if t.Layer >= 0 {
		work.layer = x.Count(viz.Detail{Blocks: viz.DefaultBlocks / 4}).Layer()
	}
	if t.IsMatrix() && t.IsShown() {
		row, ok := o.Rows[t.Name]
		if !ok {
			row = work.changes.MostChanged
		}
		work.panel, err = newPanel(ctx, x, work.changes, row)
		if err == nil {
			work.panel.ID = fmt.Sprintf("m%d", i)
		}
	}
	return work, err
}
