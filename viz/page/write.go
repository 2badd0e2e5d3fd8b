package page

import (
	"bufio"
	"context"
	_ "embed" // the page's template, style and script
	"fmt"
	"html/template"
	"io"

	"kenserve/internal/printable"
	"kenserve/viz"
	"kenserve/viz/figure"
	"kenserve/viz/internal/format"
)

// Options say what a page shows.
type Options struct {
	Name string // of the task; the title of the page

	// Rows maps tensors to the row whose density is shown and that the window is around.
	// For other tensors it is the row that changed most.
	Rows map[string]int

	// Exact bounds the bytes of the page for exact patterns: the positions of all kept
	// values of a matrix, with which the reader can move the window. 0: 4 MiB, negative:
	// none. A matrix whose pattern does not fit has a fixed window.
	Exact int

	Workers  int    // goroutines; 0: one for each processor
	Progress func() // if not nil, called once for each tensor, from several goroutines
}

// defaultExact is the default of [Options.Exact].
const defaultExact = 4 << 20

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// pageTemplate renders a content.
var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": format.Count, "median": format.Median, "percent": format.Percent, "number": format.Number, "plural": format.Plural, "label": format.ShortKind,
	"last": func(n int) string { return format.Count(n - 1) }, "cell": newCell, "blocks": figure.DescribeBlocks, "window": figure.DescribeWindow,
}).Parse(pageHTML))

// Write writes the page of a model: self-contained HTML that refers to no other host, light
// or dark as the reader's system is. It is a few megabytes long for a small model; the length
// depends on the number of matrices, not on their size. The error wraps [viz.ErrTensor] or
// [viz.ErrRow] if the options name a tensor or row that the model does not have.
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
	out := bufio.NewWriterSize(printable.Writer(w), 1<<16) // labels may have characters that change how others are shown
	if err := pageTemplate.Execute(out, p); err != nil {
		return fmt.Errorf("viz: write page: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("viz: write page: %w", err)
	}
	return nil
}
