package page

import (
	"bufio"
	"context"
	_ "embed" // the page's template, style and script
	"fmt"
	"html/template"
	"io"

	"kenserve/viz"
	"kenserve/viz/figure"
	"kenserve/viz/internal/format"
)

// PageOptions say what a page shows.
type Options struct {
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

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": format.Count, "median": format.Median, "percent": format.Percent, "number": format.Number, "plural": format.Plural, "label": format.ShortKind,
	"last": func(n int) string { return format.Count(n - 1) }, "cell": newCell, "blocks": figure.DescribeBlocks, "window": figure.DescribeWindow,
}).Parse(pageHTML))

// WritePage writes a page of all views: self-contained HTML without any
// reference to another host, light or dark as the reader's system is. Its
// length is a few megabytes for a small model, and grows with the number of
// matrices, not with their size.
func Write(ctx context.Context, w io.Writer, m *viz.Model, o Options) error {
	for name, row := range o.Rows {
		t, err := m.Tensor(name)
		if err != nil {
			return err
		}
		if row < 0 || row >= t.Rows {
			return fmt.Errorf("viz: tensor %s: row %d of %d: %w", name, row, t.Rows, viz.ErrRow)
		}
	}
	p, err := newContent(ctx, m, o)
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
