package viz

import (
	"context"
	"fmt"
	"math/bits"

	"gonum.org/v1/plot/vg"
)

// Kept is which values of a matrix are kept: the paper's single matrix view.
type Kept struct {
	Tensor    Tensor  `json:"tensor"`
	Share     float64 `json:"share"`
	PerRow    Summary `json:"per_row"`
	PerColumn Summary `json:"per_column"`
	Blocks    Blocks  `json:"blocks"`
	Window    Window  `json:"window"`
}

// Kept counts what is kept of a tensor, in blocks and within a window.
func (m *Model) Kept(ctx context.Context, tensor string, d Detail) (*Kept, error) {
	c, err := m.count(ctx, tensor, d)
	if err != nil {
		return nil, err
	}
	return c.kept(), nil
}

// counted is what Kept and Neighbours have in common.
type counted struct {
	tensor     Tensor
	pattern    *pattern
	rows       []int // kept values of each row
	blocks     Blocks
	neighbours [5]int
	window     Window
}

func (m *Model) count(ctx context.Context, tensor string, d Detail) (*counted, error) {
	t, err := m.Tensor(tensor)
	if err != nil {
		return nil, err
	}
	p, err := m.pattern(ctx, t)
	if err != nil {
		return nil, err
	}
	return countPattern(*t, p, d), nil
}

func countPattern(t Tensor, p *pattern, d Detail) *counted {
	d = d.bounded()
	c := &counted{tensor: t, pattern: p, rows: p.rowCounts(), window: p.window(d)}
	c.blocks, c.neighbours = p.count(d.Blocks)
	return c
}

func (c *counted) kept() *Kept {
	columns := make([]int, c.pattern.columns)
	for r := range c.pattern.rows {
		for w, word := range c.pattern.row(r) {
			for ; word != 0; word &= word - 1 {
				columns[64*w+bits.TrailingZeros64(word)]++
			}
		}
	}
	return &Kept{
		Tensor: c.tensor, Share: c.tensor.Share(), PerRow: summarize(c.rows), PerColumn: summarize(columns),
		Blocks: c.blocks, Window: c.window,
	}
}

// all is the region of the whole matrix.
func (t *Tensor) all() region { return region{0, 0, t.Rows, t.Columns} }

func (w *Window) region() region { return region{w.Row, w.Column, w.Rows, w.Columns} }

// String tells which rows and columns the window shows.
func (w *Window) String() string {
	return fmt.Sprintf("rows %d–%d, columns %d–%d", w.Row, w.Row+w.Rows-1, w.Column, w.Column+w.Columns-1)
}

// Describe tells what one block is.
func (b *Blocks) Describe() string {
	if b.Height == 1 && b.Width == 1 {
		return "every value by itself"
	}
	s := fmt.Sprintf("each block %s × %s", plural(b.Height, "row"), plural(b.Width, "column"))
	if b.Height > 2*b.Width || b.Width > 2*b.Height {
		s += ", not to scale"
	}
	return s
}

// line sums a tensor up.
func (t *Tensor) line() string {
	return fmt.Sprintf("%s × %s, %s of %s values kept (%s)", count(t.Rows), count(t.Columns), count(t.Kept), count(t.Values()), percent(t.Share()))
}

// Where the two maps of a picture are, in points.
const (
	mapTop    = 18
	mapSide   = 345
	windowX   = 385
	windowTop = mapTop
)

func (k *Kept) height() vg.Length { return 470 }

func (k *Kept) draw(f frame) {
	f = f.head("Kept values of "+k.Tensor.Name, k.Tensor.line())
	top := topShare(&k.Blocks)
	f.write(textSize, f.ink, 0, 8, "The whole matrix: "+k.Blocks.Describe())
	const strip, gap = 7, 3 // the shares of whole columns above the map, those of whole rows beside it
	whole := f.part(0, mapTop+strip+gap, mapSide-strip-gap, mapSide-strip-gap).drawMap(k.Blocks.keptRaster(top), k.Tensor.all())
	whole.mark(k.Tensor.all(), k.Window.region())
	for _, margin := range []struct {
		frame
		raster
	}{
		{whole.part(0, -strip-gap, whole.width(), strip), k.Blocks.columnsRaster(top)},
		{whole.part(whole.width()+gap, 0, strip, whole.height()), k.Blocks.rowsRaster(top)},
	} {
		margin.drawRaster(margin.raster)
		outline(margin.frame)
	}
	f.part(0, mapTop+mapSide+12, mapSide, 30).drawScale(0, top, "share kept: of a block, and", percentTick)
	f.write(tickSize, f.soft, 190, mapTop+mapSide+32, "along the edges of a column and row")

	f.write(textSize, f.ink, windowX, 8, "The marked window: every value")
	exact := f.part(windowX, windowTop, f.width()-windowX, mapSide)
	inside := exact.drawMap(k.Window.keptRaster(), k.Window.region())
	below := f.Max.Y - inside.Min.Y + 40
	f.drawKey(windowX, below, []key{{levels - 1, "kept"}, {0, "the base's"}})
	f.write(tickSize, f.soft, windowX, below+20, fmt.Sprintf("%s: %s of %s kept", k.Window.String(), count(k.Window.Kept()), count(k.Window.Rows*k.Window.Columns)))
}

// key explains a colour.
type key struct {
	level int
	text  string
}

// drawKey draws explained colours side by side.
func (f frame) drawKey(left, down vg.Length, keys []key) {
	const box = 9
	for _, k := range keys {
		swatch := f.part(left, down-8, box, box)
		if k.level != blank {
			swatch.FillPolygon(f.ramp(k.level), corners(swatch.Rectangle))
		}
		outline(swatch)
		f.write(tickSize, f.ink, left+box+4, down, k.text)
		left += box + 4 + style(tickSize, f.ink).Width(k.text) + 12
	}
}
