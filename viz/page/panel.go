package page

import (
	"context"
	"fmt"

	"gonum.org/v1/plot/vg"

	"kenserve/viz"
	"kenserve/viz/figure"
	"kenserve/viz/internal/format"
	"kenserve/viz/internal/raster"
)

// panel has all views of one matrix.
type panel struct {
	ID         string
	Tensor     viz.Tensor
	Kept       *viz.Kept
	Neighbours *viz.Neighbours
	Changes    *viz.Changes // nil for the head
	Density    *viz.Density // nil if the rows are too long

	KeptScale, NeighboursScale                    scale
	KeptMap, ColumnStrip, RowStrip, NeighboursMap picture
	KeptWindow, NeighboursWindow                  picture
	Mark                                          [4]string // outline of the window in the map: left, top, width, height in percent
	Bars                                          []bar
	DensityChart, ChangesChart                    chart

	Pattern string // exact pattern for the script, base64url of pack; empty: the window is fixed

	packed []byte // by pack, until embedPatterns
}

// bar is a row of the table of neighbours.
type bar struct {
	Neighbours     int
	Count          int
	Share          string
	ExpectedShare  string
	Level          int
	Width          string // of the bar, in percent
	ExpectedOffset string
}

// Size of the charts, in points. The page shows them at about this size.
const (
	chartWidth  vg.Length = 480
	chartHeight vg.Length = 240
)

// newPanel makes the panel of a matrix. The density is that of row, and the window is around
// it.
func newPanel(ctx context.Context, x *viz.Matrix, changes *viz.Changes, row int) (*panel, error) {
	t := x.Tensor
	c := x.Count(viz.Detail{Row: row, Column: t.Columns / 2})
	out := &panel{Tensor: *t, Kept: c.Kept(), Neighbours: c.Neighbours()}
	b, w := &out.Kept.Blocks, &out.Kept.Window
	top := raster.ShareEnd(b)
	out.KeptScale = scale{0, "0", format.PercentTick(top / 2), format.PercentTick(top), "share kept"}
	width, height := mapSize(b, mapPixels, mapPixels*4/3)
	out.KeptMap = newPicture(raster.Kept(b, top), width, height, fmt.Sprintf("Map of the kept values, %s; the colours stand for 0 to %s kept.", figure.DescribeBlocks(b), format.PercentTick(top)))
	out.ColumnStrip = newPicture(raster.Columns(b, top), width, 8, "Share kept of each column.")
	out.RowStrip = newPicture(raster.Rows(b, top), 8, height, "Share kept of each row.")
	out.KeptWindow = newPicture(raster.KeptWindow(w), 7*w.Columns, 7*w.Rows, "Every value of the window: kept or not.")

	top = raster.MeanEnd(b)
	out.NeighboursScale = scale{raster.FirstCountLevel, "0", format.PlainTick(top / 2), format.PlainTick(top), "mean neighbours"}
	out.NeighboursMap = newPicture(raster.Neighbours(b, top), width, height, fmt.Sprintf("Map of the mean number of kept neighbours, %s; the colours stand for 0 to %s.", figure.DescribeBlocks(b), format.PlainTick(top)))
	out.NeighboursWindow = newPicture(raster.NeighboursWindow(w), 7*w.Columns, 7*w.Rows, "Every kept value of the window by its number of kept neighbours.")
	out.Mark = [4]string{
		cssPercent(w.Column, t.Columns), cssPercent(w.Row, t.Rows), cssPercent(w.Columns, t.Columns), cssPercent(w.Rows, t.Rows),
	}
	out.Bars = bars(out.Neighbours)

	if t.Form != viz.Head {
		out.Changes = changes
		out.ChangesChart = newChart("Histogram of the changes from the base", figure.ChangesChart(changes))
	}
	if t.Columns <= viz.MaxRow {
		density, err := x.Density(ctx, row)
		if err != nil {
			return nil, err
		}
		out.Density = density
		out.DensityChart = newChart(fmt.Sprintf("Density of row %d", row), figure.DensityChart(density))
	}
	out.packed = pack(x)
	return out, nil
}

// bars returns the rows of the table of neighbours.
func bars(n *viz.Neighbours) []bar {
	highest := 1.0
	for i := range n.Counts {
		highest = max(highest, float64(n.Counts[i]), n.Expected[i])
	}
	out := make([]bar, len(n.Counts))
	for i, v := range n.Counts {
		out[i] = bar{
			Neighbours: i, Count: v, Level: int(raster.CountLevel(i)),
			Share:          format.Percent(viz.Share(v, n.Tensor.Kept)),
			ExpectedShare:  format.Percent(n.Expected[i] / float64(max(n.Tensor.Kept, 1))),
			Width:          fmt.Sprintf("%.4g%%", 100*float64(v)/highest),
			ExpectedOffset: fmt.Sprintf("%.4g%%", 100*n.Expected[i]/highest),
		}
	}
	return out
}
