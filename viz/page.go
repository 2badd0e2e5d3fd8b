package viz

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	_ "embed" // the page's template, style and script
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"io"
	"math"
	"runtime"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/plot/vg"
)

// PageOptions say what a page shows.
type PageOptions struct {
	Name string // the task's; it is the page's title

	// Rows names, for some tensors, the row whose density is shown. For the
	// others it is the one that changed most.
	Rows map[string]int

	// Exact bounds the bytes of the page that are spent on exact patterns,
	// through which the page can move its windows; 0: 4 MB. What does not
	// fit keeps the one window that is drawn in any case.
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
	"count": count, "percent": percent, "number": number, "plural": plural, "label": label,
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

// filterTable is a ramp as an SVG filter's table: the three channels' values.
type filterTable struct{ Name, R, G, B string }

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

type pageKind struct {
	Kind    string
	Text    string
	Aspects []pageAspect
}

type pageAspect struct {
	Title  string
	Scale  scale
	Layers []pageLayer
}

type pageLayer struct {
	Tensor Tensor
	Panel  string
	Number string
	Image  picture
}

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

// panel is all views of one matrix.
type panel struct {
	ID         string
	Tensor     Tensor
	Kept       *Kept
	Neighbours *Neighbours
	Changes    *Changes // nil for the head
	Density    *Density // nil if its rows are too long

	KeptScale, NeighboursScale                    scale
	KeptMap, ColumnStrip, RowStrip, NeighboursMap picture
	KeptWindow, NeighboursWindow                  picture
	Mark                                          [4]string // the window in the map: left, top, width, height in percent
	Bars                                          []bar
	DensityChart, ChangesChart                    chart

	Bits string // exact pattern for the script, base64url of raw deflate

	packed []byte
}

// bar is a line of the table of neighbours.
type bar struct {
	Neighbours     int
	Count          int
	Share          string
	ExpectedShare  string
	Level          int
	Width          string // of the bar, in percent
	ExpectedOffset string
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

// The size of a page's charts, in points: about that at which the page shows
// them.
const (
	chartWidth  vg.Length = 480
	chartHeight vg.Length = 220
)

func (m *Model) newPanel(ctx context.Context, t *Tensor, p *pattern, changes *Changes, row int) (*panel, error) {
	c := countPattern(*t, p, Detail{Row: row, Column: t.Columns / 2})
	out := &panel{Tensor: *t, Kept: c.kept(), Neighbours: c.neighbourView()}
	b, w := &c.blocks, &c.window
	top := topShare(b)
	out.KeptScale = scale{0, "0", percentTick(top / 2), percentTick(top), "share kept"}
	width, height := pageSize(b, mapPixels, mapPixels*4/3)
	out.KeptMap = pagePicture(b.keptRaster(top), width, height, fmt.Sprintf("Map of the kept values, %s; colours stand for 0 to %s kept.", b.Describe(), percentTick(top)))
	out.ColumnStrip = pagePicture(b.columnsRaster(top), width, 8, "Share kept of each column.")
	out.RowStrip = pagePicture(b.rowsRaster(top), 8, height, "Share kept of each row.")
	out.KeptWindow = pagePicture(w.keptRaster(), 7*w.Columns, 7*w.Rows, "Every value of the window: kept or not.")

	top = topMean(b)
	out.NeighboursScale = scale{faintest, "0", plainTick(top / 2), plainTick(top), "mean neighbours"}
	out.NeighboursMap = pagePicture(b.neighboursRaster(top), width, height, fmt.Sprintf("Map of the mean number of kept neighbours, %s; colours stand for 0 to %s.", b.Describe(), plainTick(top)))
	out.NeighboursWindow = pagePicture(w.neighboursRaster(), 7*w.Columns, 7*w.Rows, "Every kept value of the window by its number of kept neighbours.")
	out.Mark = [4]string{
		cssPercent(w.Column, t.Columns), cssPercent(w.Row, t.Rows), cssPercent(w.Columns, t.Columns), cssPercent(w.Rows, t.Rows),
	}
	out.Bars = out.Neighbours.bars()

	if t.Form != Head {
		out.Changes = changes
		out.ChangesChart = chart{inlineSVG(chartWidth, chartHeight, "Histogram of the changes from the base", changes.drawChart), changes.line()}
	}
	if t.Columns <= maxRow {
		density, err := m.density(ctx, t, p, row)
		if err != nil {
			return nil, err
		}
		out.Density = density
		out.DensityChart = chart{inlineSVG(chartWidth, chartHeight, fmt.Sprintf("Density of row %d", row), density.drawChart), density.line()}
	}
	out.packed = p.pack()
	return out, nil
}

// Sides of square maps on the page, in CSS pixels.
const (
	mapPixels   = 384
	layerPixels = 86
)

// pageSize returns the size of a map on the page: all have about the area of a
// square of that side, and none is wider than widest.
func pageSize(b *Blocks, side, widest float64) (width, height int) {
	aspect := math.Sqrt(float64(b.Rows) / float64(b.Columns))
	width = int(min(math.Round(side/aspect), widest))
	return width, max(int(math.Round(float64(width)*float64(b.Rows)/float64(b.Columns))), 8)
}

func pagePicture(r raster, width, height int, alt string) picture {
	return picture{template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(r.png())), alt, width, height}
}

func cssPercent(part, whole int) string { return fmt.Sprintf("%.4g%%", 100*share(part, whole)) }

func (n *Neighbours) bars() []bar {
	highest := 1.0
	for i := range n.Counts {
		highest = max(highest, float64(n.Counts[i]), n.Expected[i])
	}
	out := make([]bar, len(n.Counts))
	for i, v := range n.Counts {
		out[i] = bar{
			Neighbours: i, Count: v, Level: int(neighbourLevel(i)),
			Share:          percent(share(v, n.Tensor.Kept)),
			ExpectedShare:  percent(n.Expected[i] / float64(max(n.Tensor.Kept, 1))),
			Width:          fmt.Sprintf("%.4g%%", 100*float64(v)/highest),
			ExpectedOffset: fmt.Sprintf("%.4g%%", 100*n.Expected[i]/highest),
		}
	}
	return out
}

// pack compresses a pattern: rows of whole bytes, bit c%8 of byte c/8 for
// column c, as raw deflate.
func (p *pattern) pack() []byte {
	var out bytes.Buffer
	z, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil { // the level is one that there is
		panic(fmt.Sprintf("viz: compress: %v", err))
	}
	line := make([]byte, 8*p.words)
	for r := range p.rows {
		for w, word := range p.row(r) {
			binary.LittleEndian.PutUint64(line[8*w:], word)
		}
		_, _ = z.Write(line[:(p.columns+7)/8]) // a buffer takes everything
	}
	_ = z.Close()
	return out.Bytes()
}

// spendExact gives panels their exact patterns, the shortest first, as far as
// most bytes reach.
func (p *page) spendExact(most int) {
	if most == 0 {
		most = defaultExact
	}
	order := append([]*panel(nil), p.Matrices...)
	sort.SliceStable(order, func(i, j int) bool { return len(order[i].packed) < len(order[j].packed) })
	for _, panel := range order {
		if most -= base64.RawURLEncoding.EncodedLen(len(panel.packed)); most >= 0 {
			panel.Bits = base64.RawURLEncoding.EncodeToString(panel.packed)
			p.Movable++
		}
		panel.packed = nil
	}
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

// rampTable returns the ramp as a filter's table: it maps the grey of a level
// to the level's colour.
func rampTable(name string, dark bool) filterTable {
	channel := func(of func(color.RGBA) uint8) string {
		values := make([]string, levels)
		for l := range values {
			values[l] = fmt.Sprintf("%.3f", float64(of(rampColor(l, dark)))/255)
		}
		return strings.Join(values, " ")
	}
	return filterTable{
		name,
		channel(func(c color.RGBA) uint8 { return c.R }),
		channel(func(c color.RGBA) uint8 { return c.G }),
		channel(func(c color.RGBA) uint8 { return c.B }),
	}
}

// rampCSS defines the colours of all levels, of text on them, and of the
// charts as variables.
func rampCSS() string {
	var out strings.Builder
	for _, dark := range []bool{false, true} {
		out.WriteString(map[bool]string{false: "\n:root{", true: "\n@media (prefers-color-scheme:dark){:root{"}[dark])
		t := newTheme(dark)
		for _, v := range pageColors {
			fmt.Fprintf(&out, "--%s:%s;", v.name, hex(v.of(t)))
		}
		for l := range levels {
			c := rampColor(l, dark)
			fmt.Fprintf(&out, "--r%d:%s;--t%d:%s;", l, hex(c), l, hex(textOn(c)))
		}
		out.WriteString(map[bool]string{false: "}", true: "}}"}[dark])
	}
	return out.String() + "\n"
}

func hex(c color.Color) string {
	v := color.RGBAModel.Convert(c).(color.RGBA)
	return fmt.Sprintf("#%02x%02x%02x", v.R, v.G, v.B)
}

// grays are the greys that the script draws with: of 0 to 4 neighbours, of a
// kept value, and of one that is not.
func grays() string {
	out := make([]string, 0, 7)
	for i := range 5 {
		out = append(out, fmt.Sprint(grayOf(int(neighbourLevel(i)))))
	}
	return strings.Join(append(out, fmt.Sprint(grayOf(levels-1)), fmt.Sprint(grayOf(0))), ",")
}

// pageColors are the colours of charts that a page takes from its style sheet.
// In a drawing each is stood for by a colour that nothing else has.
var pageColors = []struct {
	name string
	of   func(*theme) color.Color
	mark color.RGBA
}{
	{"paper", func(t *theme) color.Color { return t.paper }, color.RGBA{1, 2, 1, 255}},
	{"ink", func(t *theme) color.Color { return t.ink }, color.RGBA{1, 2, 2, 255}},
	{"soft", func(t *theme) color.Color { return t.soft }, color.RGBA{1, 2, 3, 255}},
	{"line", func(t *theme) color.Color { return t.line }, color.RGBA{1, 2, 4, 255}},
	{"main", func(t *theme) color.Color { return t.main }, color.RGBA{1, 2, 5, 255}},
	{"other", func(t *theme) color.Color { return t.other }, color.RGBA{1, 2, 6, 255}},
	{"rest", func(t *theme) color.Color { return t.rest }, color.RGBA{1, 2, 7, 255}},
}

var (
	pageTheme = &theme{
		paper: pageColors[0].mark, ink: pageColors[1].mark, soft: pageColors[2].mark, line: pageColors[3].mark,
		main: pageColors[4].mark, other: pageColors[5].mark, rest: pageColors[6].mark,
		ramp: func(l int) color.RGBA { return rampColor(l, false) },
	}
	pageReplacer = func() *strings.Replacer {
		var pairs []string
		for _, v := range pageColors {
			pairs = append(pairs, strings.ToUpper(hex(v.mark)), "var(--"+v.name+")")
		}
		return strings.NewReplacer(append(pairs, fontFamilies+";", "")...)
	}()
)

// inlineSVG returns a chart as an element of the page, in the page's colours.
func inlineSVG(width, height vg.Length, label string, drawing func(f frame)) template.HTML {
	svg := string(drawSVG(width, height, pageTheme, false, drawing))
	// What the document's head says, the page's element says in its own way.
	_, inside, _ := strings.Cut(svg, "<svg")
	_, inside, _ = strings.Cut(inside, ">")
	head := fmt.Sprintf(`<svg class="chart" role="img" aria-label="%s" viewBox="0 0 %g %g">`, html.EscapeString(label), width.Points(), height.Points())
	return template.HTML(head + pageReplacer.Replace(strings.TrimSpace(inside)))
}
