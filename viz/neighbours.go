package viz

import (
	"context"
	"fmt"
	"strconv"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Neighbours is how many kept values lie beside, above and below each kept
// value of a matrix: the paper's neighbour count view.
type Neighbours struct {
	Tensor Tensor `json:"tensor"`
	// Counts[i] kept values have i kept neighbours.
	Counts [5]int `json:"counts"`
	// Expected[i] of them would on average, if each row kept as many values
	// as it does at columns drawn at random.
	Expected     [5]float64 `json:"expected"`
	Mean         float64    `json:"mean"` // number of neighbours
	ExpectedMean float64    `json:"expected_mean"`
	Blocks       Blocks     `json:"blocks"`
	Window       Window     `json:"window"`
}

// Neighbours counts the kept neighbours of a tensor's kept values.
func (m *Model) Neighbours(ctx context.Context, tensor string, d Detail) (*Neighbours, error) {
	c, err := m.count(ctx, tensor, d)
	if err != nil {
		return nil, err
	}
	return c.neighbourView(), nil
}

func (c *counted) neighbourView() *Neighbours {
	n := &Neighbours{
		Tensor: c.tensor, Counts: c.neighbours, Expected: expectedNeighbours(c.rows, c.pattern.columns),
		Blocks: c.blocks, Window: c.window,
	}
	if c.tensor.Kept > 0 {
		for i := range n.Counts {
			n.Mean += float64(i*n.Counts[i]) / float64(c.tensor.Kept)
			n.ExpectedMean += float64(i) * n.Expected[i] / float64(c.tensor.Kept)
		}
	}
	return n
}

func (n *Neighbours) height() vg.Length { return 470 }

func (n *Neighbours) line() string {
	return fmt.Sprintf("%s kept values have %.2f kept neighbours on average; at random columns they would have %.2f", count(n.Tensor.Kept), n.Mean, n.ExpectedMean)
}

func (n *Neighbours) draw(f frame) {
	f = f.head("Kept neighbours of the kept values of "+n.Tensor.Name, n.line())
	top := topMean(&n.Blocks)
	f.write(textSize, f.ink, 0, 8, "The whole matrix: "+n.Blocks.Describe())
	whole := f.part(0, mapTop, mapSide, mapSide).drawMap(n.Blocks.neighboursRaster(top), n.Tensor.all())
	whole.mark(n.Tensor.all(), n.Window.region())
	f.part(0, mapTop+mapSide+12, mapSide, 30).drawScale(faintest, top, "mean neighbours of the block's kept", plainTick)

	f.write(textSize, f.ink, windowX, 8, "The marked window: every value")
	exact := f.part(windowX, windowTop, f.width()-windowX, 232)
	inside := exact.drawMap(n.Window.neighboursRaster(), n.Window.region())
	below := f.Max.Y - inside.Min.Y + 40
	keys := []key{{blank, "not kept"}}
	for i := range 5 {
		keys = append(keys, key{int(neighbourLevel(i)), strconv.Itoa(i)})
	}
	f.drawKey(windowX, below, keys)
	n.drawBars(f.part(windowX, below+22, f.width()-windowX, f.height()-below-22))
}

// drawBars draws the counts as bars, and what to expect at random as lines
// across them.
func (n *Neighbours) drawBars(f frame) {
	f.write(textSize, f.ink, 0, 8, "All kept values by their neighbours")
	const line, left, right = 15, 14, 46
	highest := 0.0
	for i := range n.Counts {
		highest = max(highest, float64(n.Counts[i]), n.Expected[i])
	}
	if highest == 0 {
		return
	}
	width := f.width() - left - right
	for i, v := range n.Counts {
		top := vg.Length(16 + i*line)
		f.write(tickSize, f.soft, 0, top+9, strconv.Itoa(i))
		bar := f.part(left, top, width*vg.Length(float64(v)/highest), line-4)
		bar.FillPolygon(f.ramp(int(neighbourLevel(i))), corners(bar.Rectangle))
		outline(bar)
		at := f.Min.X + left + width*vg.Length(n.Expected[i]/highest)
		f.StrokeLine2(draw.LineStyle{Color: f.other, Width: 2}, at, f.Max.Y-top+1.5, at, f.Max.Y-top-line+2.5)
		f.writeAligned(tickSize, f.ink, text.XRight, f.width(), top+9, percent(share(v, n.Tensor.Kept)))
	}
	down := vg.Length(16 + 5*line + 10)
	f.StrokeLine2(draw.LineStyle{Color: f.other, Width: 2}, f.Min.X+left+3, f.Max.Y-down+6, f.Min.X+left+3, f.Max.Y-down-3)
	f.write(tickSize, f.soft, left+10, down, "if each row's columns were random")
}
