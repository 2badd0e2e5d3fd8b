package page

import (
	"context"
	"fmt"
	"html/template"
	"runtime"

	"golang.org/x/sync/errgroup"

	"kenserve/internal/fault"
	"kenserve/viz"
	"kenserve/viz/figure"
	"kenserve/viz/internal/format"
	"kenserve/viz/internal/raster"
)

// content is the data of the template.
type content struct {
	Name     string
	Facts    [][2]string // names and values
	CSS      template.CSS
	JS       template.JS
	Ramps    [2]filterTable // of the light and the dark theme
	Grays    string         // for the script, see grays
	Window   int            // rows and columns of a window
	Shares   *viz.Shares
	Top      float64           // end of the colour scale of Shares
	Scale    scale             // of Shares
	Panels   map[string]string // ids of the panels by tensor
	Changes  chart             // of all tensors
	Kinds    []kindSection
	Vectors  []vectorPicture
	Groups   []panelGroup
	Matrices []*panel
	Movable  int // number of panels whose window can be moved
}

// tensorContent is the content that comes from one tensor. Tensors are independent of each
// other and done in parallel.
type tensorContent struct {
	panel   *panel    // nil for vectors and for tensors that keep nothing
	layer   viz.Layer // only for tensors in layers
	changes *viz.Changes
}

// newContent computes the content of the page.
func newContent(ctx context.Context, m *viz.Model, o Options) (*content, error) {
	workers := o.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	tensors := m.Tensors()
	done := make([]tensorContent, len(tensors))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range tensors {
		group.Go(func() (err error) {
			defer fault.Contain(&err)()
			if done[i], err = newTensorContent(groupCtx, m, i, o); err == nil && o.Progress != nil {
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
	p.Scale = scale{0, "0", format.PercentTick(p.Top / 2), format.PercentTick(p.Top), "share kept (a head is always kept whole)"}
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

// newTensorContent computes the content of tensor i.
func newTensorContent(ctx context.Context, m *viz.Model, i int, o Options) (c tensorContent, err error) {
	x, err := m.Matrix(ctx, m.Tensors()[i].Name)
	if err != nil {
		return c, err
	}
	t := x.Tensor
	if c.changes, err = x.Changes(ctx); err != nil {
		return c, err
	}
	if t.Layer >= 0 {
		c.layer = x.Count(viz.Detail{Blocks: viz.DefaultBlocks / 4}).Layer()
	}
	if t.IsMatrix() && t.IsShown() {
		row, ok := o.Rows[t.Name]
		if !ok {
			row = c.changes.MostChanged
		}
		c.panel, err = newPanel(ctx, x, c.changes, row)
		if err == nil {
			c.panel.ID = fmt.Sprintf("m%d", i)
		}
	}
	return c, err
}
