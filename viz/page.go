package viz

import (
	"bufio"
	"context"
	_ "embed" // the page's template, style and script
	"fmt"
	"html/template"
	"io"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
)

// PageOptions say what a page shows.
type PageOptions struct {
	Name string // the task's; it is the page's title

	// Rows names, for some tensors, the row whose density is shown. For the
	// others it is the one that changed most.
	Rows map[string]int

	// Exact bounds the bytes of the page that are spent on exact patterns,
	// through which the page can move its windows; 0: 4 MB, negative: none.
	// What does not fit keeps the one window that is drawn in any case.
	Exact int

	Workers  int    // goroutines; 0: one for each processor
	Progress func() // if not nil, called for each tensor, from several goroutines
}

// defaultExact is the default of [PageOptions.Exact].
const defaultExact = 4 << 20

//go:embed page/page.html
var pageHTML string

//go:embed page/page.css
var pageCSS string

//go:embed page/page.js
var pageJS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": count, "median": median, "percent": percent, "number": number, "plural": plural, "label": label,
	"last": func(n int) string { return count(n - 1) }, "cell": newCell,
}).Parse(pageHTML))

// page is what the template shows.
type page struct {
	Name     string
	Facts    [][2]string
	CSS      template.CSS
	JS       template.JS
	Ramps    [2]filterTable // light, dark
	Grays    string         // for the script: no neighbours to four, and kept
	Window   int
	Shares   *Shares
	Top      float64 // of the colours of Shares
	Scale    scale
	Panels   map[string]string // by tensor, the panel's id
	Changes  chart
	Kinds    []pageKind
	Vectors  []pageVector
	Groups   []pageGroup
	Matrices []*panel
	Movable  int // panels with a window that can be moved
}

// chart is a drawing with what it says in words.
type chart struct {
	SVG  template.HTML
	Text string
}

// picture is a raster of the page.
type picture struct {
	Src           template.URL
	Alt           string
	Width, Height int // on the page, in CSS pixels
}

// scale explains the colours of a map.
type scale struct {
	First            int // level of 0
	Zero, Half, Full string
	Label            string
}

// cell is a cell of the table of shares.
type cell struct {
	Share string
	Level int
	Panel string
}

func newCell(t Tensor, top float64, panel string) cell {
	return cell{percent(t.Share()), tableLevel(t.Share(), top), panel}
}

// pageKind is the layer-wise views of one type of matrix.
type pageKind struct {
	Kind    string
	Text    string
	Aspects []pageAspect
}

// pageAspect is one of them.
type pageAspect struct {
	Title  string
	Scale  scale
	Layers []pageLayer
}

// pageLayer is one layer of it.
type pageLayer struct {
	Tensor Tensor
	Panel  string
	Number string
	Image  picture
}

// pageVector is a type of vector, all layers in one picture.
type pageVector struct {
	Kind  string
	Share string
	Image picture
}

// pageGroup is a group of the selector's choices.
type pageGroup struct {
	Label  string
	Panels []*panel
}

// WritePage writes a page of all views: self-contained HTML without any
// reference to another host, light or dark as the reader's system is. Its
// length is a few megabytes for a small model, and grows with the number of
// matrices, not with their size.
func WritePage(ctx context.Context, w io.Writer, m *Model, o PageOptions) error {
	for name, row := range o.Rows {
		t, err := m.Tensor(name)
		if err != nil {
			return err
		}
		if row < 0 || row >= t.Rows {
			return fmt.Errorf("viz: tensor %s: row %d of %d: %w", name, row, t.Rows, ErrRow)
		}
	}
	p, err := newPage(ctx, m, o)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	if err := pageTemplate.Execute(out, p); err != nil {
		return fmt.Errorf("viz: write page: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("viz: write page: %w", err)
	}
	return nil
}

// tensorWork is what the page needs of one tensor.
type tensorWork struct {
	panel   *panel // nil for what has none
	layer   Layer  // of tensors in layers
	changes *Changes
}

func newPage(ctx context.Context, m *Model, o PageOptions) (*page, error) {
	workers := o.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	done := make([]tensorWork, len(m.tensors))
	group, work := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range m.tensors {
		group.Go(func() (err error) {
			if done[i], err = m.pageTensor(work, i, o); err == nil && o.Progress != nil {
				o.Progress()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	p := &page{
		Name: o.Name, Facts: m.facts(), CSS: template.CSS(pageCSS + rampCSS()), JS: template.JS(pageJS),
		Ramps: [2]filterTable{rampTable("light", false), rampTable("dark", true)}, Grays: grays(),
		Window: DefaultWindow, Shares: m.Shares(), Panels: map[string]string{},
	}
	p.Top = p.Shares.top()
	p.Scale = scale{0, "0", percentTick(p.Top / 2), percentTick(p.Top), "share kept (a head is always whole)"}
	all := m.noChanges("")
	for i := range done {
		all.merge(done[i].changes)
		if panel := done[i].panel; panel != nil {
			p.Matrices = append(p.Matrices, panel)
			p.Panels[panel.Tensor.Name] = panel.ID
		}
	}
	p.Changes = chart{inlineSVG(chartWidth, chartHeight, "Histogram of the changes from the base", all.drawChart), all.line()}
	for _, kind := range m.Kinds() {
		p.addKind(m, kind, done)
	}
	p.group()
	p.spendExact(o.Exact)
	return p, nil
}

// pageTensor does the work for tensor i.
func (m *Model) pageTensor(ctx context.Context, i int, o PageOptions) (work tensorWork, err error) {
	t := &m.tensors[i]
	pattern, err := m.pattern(ctx, t)
	if err != nil {
		return work, err
	}
	work.changes = m.noChanges(t.Name)
	if t.Form != Head && t.Form != Absent {
		if work.changes, err = m.changes(ctx, t, pattern); err != nil {
			return work, err
		}
	}
	if t.Layer >= 0 {
		work.layer = countPattern(*t, pattern, Detail{Blocks: DefaultBlocks / 4}).layer()
	}
	if t.IsMatrix() && t.IsShown() {
		row, ok := o.Rows[t.Name]
		if !ok {
			row = work.changes.MostChanged
		}
		work.panel, err = m.newPanel(ctx, t, pattern, work.changes, row)
		if err == nil {
			work.panel.ID = fmt.Sprintf("m%d", i)
		}
	}
	return work, err
}

// addKind adds a type of tensor to the layer-wise views: maps of matrices, and
// for vectors one picture with a line a layer.
func (p *page) addKind(m *Model, kind string, done []tensorWork) {
	var layers []Layer
	kept, values := 0, 0
	for _, t := range m.ofKind(kind) {
		layers = append(layers, done[m.index[t.Name]].layer)
		kept, values = kept+t.Kept, values+t.Values()
	}
	if kept == 0 {
		return
	}
	first := &layers[0]
	if !first.Tensor.IsMatrix() {
		stacked := newRaster(len(layers), 0)
		for i := range layers {
			r := layers[i].Blocks.keptRaster(1)
			if stacked.columns == 0 {
				stacked = newRaster(len(layers), r.columns)
			}
			copy(stacked.pix[i*stacked.columns:(i+1)*stacked.columns], r.pix)
		}
		alt := fmt.Sprintf("One line for each of %d layers, %s.", len(layers), first.Blocks.Describe())
		p.Vectors = append(p.Vectors, pageVector{kind, percent(share(kept, values)), pagePicture(stacked, 384, 6*len(layers), alt)})
		return
	}
	k := pageKind{Kind: kind, Text: fmt.Sprintf("%s of %s × %s; %s", plural(len(layers), "layer"), count(first.Tensor.Rows), count(first.Tensor.Columns), first.Blocks.Describe())}
	for _, of := range []Aspect{OfKept, OfNeighbours} {
		view := &Layers{Kind: kind, Of: of, Layers: layers}
		rasters, top := view.rasters()
		a := pageAspect{Title: "Kept values", Scale: scale{0, "0", percentTick(top / 2), percentTick(top), "share kept"}}
		if of == OfNeighbours {
			a.Title = "Kept neighbours"
			a.Scale = scale{faintest, "0", plainTick(top / 2), plainTick(top), "mean neighbours"}
		}
		for i := range layers {
			l := &layers[i]
			number := percent(l.Tensor.Share())
			if of == OfNeighbours {
				number = fmt.Sprintf("%.2f", l.Mean)
			}
			width, height := pageSize(&l.Blocks, layerPixels, layerPixels*2)
			a.Layers = append(a.Layers, pageLayer{
				Tensor: l.Tensor, Panel: p.Panels[l.Tensor.Name], Number: number,
				Image: pagePicture(rasters[i], width, height, fmt.Sprintf("Layer %d: %s %s.", l.Tensor.Layer, strings.ToLower(a.Title), number)),
			})
		}
		k.Aspects = append(k.Aspects, a)
	}
	p.Kinds = append(p.Kinds, k)
}

// group sorts the panels for the selector.
func (p *page) group() {
	const others = "Outside the layers"
	for _, panel := range p.Matrices {
		name := others
		if panel.Tensor.Layer >= 0 {
			name = fmt.Sprintf("Layer %d", panel.Tensor.Layer)
		}
		if n := len(p.Groups); n == 0 || p.Groups[n-1].Label != name {
			p.Groups = append(p.Groups, pageGroup{Label: name})
		}
		g := &p.Groups[len(p.Groups)-1]
		g.Panels = append(g.Panels, panel)
	}
}

// facts are what the delta says of itself.
func (m *Model) facts() [][2]string {
	d := m.delta
	var out [][2]string
	add := func(name, value string) {
		if value != "" {
			out = append(out, [2]string{name, value})
		}
	}
	s := m.Shares()
	add("Kept", fmt.Sprintf("%s of %s values (%s)", count(s.Kept), count(s.Values), percent(s.Share())))
	add("Head", fmt.Sprintf("%s values, whole", count(s.Head)))
	selection := d.Selection
	switch {
	case d.K > 0:
		selection += fmt.Sprintf(", %s of each row", count(d.K))
	case d.Keep > 0 && d.Budget != "" && d.Budget != "row":
		selection += fmt.Sprintf(", %s of the %s", percent(d.Keep), d.Budget)
	case d.Keep > 0:
		selection += fmt.Sprintf(", %s of each row", percent(d.Keep))
	}
	if d.Factor != 0 {
		selection += fmt.Sprintf(", factor %s", number(d.Factor))
	}
	if d.Scope != "" {
		selection += ", scope " + d.Scope
	}
	add("Selection", selection)
	add("Value coding", string(d.Coding))
	add("Size", fmt.Sprintf("%s bytes", count(int(d.Size))))
	add("Base", d.BaseName)
	add("Tuned checkpoint", d.SourceName)
	add("Architecture", d.Architecture)
	add("Labels", fmt.Sprint(len(d.Labels)))
	return out
}
