package viz

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"html/template"
	"math"
	"sort"

	"gonum.org/v1/plot/vg"
)

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

// The size of a page's charts, in points: about that at which the page shows
// them.
const (
	chartWidth  vg.Length = 480
	chartHeight vg.Length = 240
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
