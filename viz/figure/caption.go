package figure

import (
	"fmt"

	"kenserve/viz"
	"kenserve/viz/internal/canvas"
	"kenserve/viz/internal/format"
)

// wholeRegion returns the region of the whole matrix.
func wholeRegion(t *viz.Tensor) canvas.Region { return canvas.Region{Rows: t.Rows, Columns: t.Columns} }

// windowRegion returns the region of a window.
func windowRegion(w *viz.Window) canvas.Region {
	return canvas.Region{Row: w.Row, Column: w.Column, Rows: w.Rows, Columns: w.Columns}
}

// DescribeWindow says which rows and columns a window shows.
func DescribeWindow(w *viz.Window) string {
	return fmt.Sprintf("rows %d–%d, columns %d–%d", w.Row, w.Row+w.Rows-1, w.Column, w.Column+w.Columns-1)
}

// DescribeBlocks says what one block of a picture stands for.
func DescribeBlocks(b *viz.Blocks) string {
	if b.Height == 1 && b.Width == 1 {
		return "one block for each value"
	}
	s := fmt.Sprintf("each block %s × %s", format.Plural(b.Height, "row"), format.Plural(b.Width, "column"))
	if b.Height > 2*b.Width || b.Width > 2*b.Height {
		s += ", not to scale"
	}
	return s
}

// tensorCaption gives the size of a matrix and the number of its kept values.
func tensorCaption(t *viz.Tensor) string {
	return fmt.Sprintf("%s × %s, %s of %s values kept (%s)", format.Count(t.Rows), format.Count(t.Columns), format.Count(t.Kept), format.Count(t.Values()), format.Percent(t.Share()))
}
