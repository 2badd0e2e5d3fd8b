package raster

import (
	"kenserve/viz"
)

// Kept shows the share kept of each block on a scale from 0 to top. A block that keeps any
// value differs from one that keeps none.
func Kept(b *viz.Blocks, top float64) Raster {
	out := New(b.Rows, b.Columns)
	for i := range out.Pix {
		out.Pix[i] = level(b.Share(i/b.Columns, i%b.Columns), top, 0)
	}
	return out
}

// Neighbours shows the mean number of kept neighbours of each block's kept values on a scale
// from 0 to top. A block that keeps no value is blank.
func Neighbours(b *viz.Blocks, top float64) Raster {
	out := New(b.Rows, b.Columns)
	for i := range out.Pix {
		out.Pix[i] = Blank
		if mean, ok := b.Mean(i/b.Columns, i%b.Columns); ok {
			out.Pix[i] = level(mean, top, FirstCountLevel)
		}
	}
	return out
}

// KeptWindow shows kept values at the highest level and other values at level 0.
func KeptWindow(w *viz.Window) Raster {
	return window(w, func(c byte) uint8 {
		if c == viz.NotKept {
			return 0
		}
		return Levels - 1
	})
}

// NeighboursWindow shows kept values at the level of their number of kept neighbours. Other
// values are blank.
func NeighboursWindow(w *viz.Window) Raster {
	return window(w, func(c byte) uint8 {
		if c == viz.NotKept {
			return Blank
		}
		return CountLevel(int(c - '0'))
	})
}

// window shows each value at the level of its character in Window.Lines.
func window(w *viz.Window, level func(byte) uint8) Raster {
	out := New(w.Rows, w.Columns)
	for r, line := range w.Lines {
		for c := range len(line) {
			out.Pix[r*w.Columns+c] = level(line[c])
		}
	}
	return out
}

// Columns shows the share kept of each column of blocks.
func Columns(b *viz.Blocks, top float64) Raster {
	out := New(1, b.Columns)
	for j := range out.Pix {
		kept, values := 0, 0
		for i := range b.Rows {
			kept, values = kept+b.Kept[i*b.Columns+j], values+b.Size(i, j)
		}
		out.Pix[j] = level(viz.Share(kept, values), top, 0)
	}
	return out
}

// Rows shows the share kept of each row of blocks.
func Rows(b *viz.Blocks, top float64) Raster {
	out := New(b.Rows, 1)
	for i := range out.Pix {
		kept, values := 0, 0
		for j := range b.Columns {
			kept, values = kept+b.Kept[i*b.Columns+j], values+b.Size(i, j)
		}
		out.Pix[i] = level(viz.Share(kept, values), top, 0)
	}
	return out
}

// Layers shows all layers of a view on one scale from 0 to top.
func Layers(l *viz.Layers) (rasters []Raster, top float64) {
	var blocks []*viz.Blocks
	for i := range l.Layers {
		blocks = append(blocks, &l.Layers[i].Blocks)
	}
	draw := Kept
	if top = ShareEnd(blocks...); l.Of == viz.OfNeighbours {
		draw, top = Neighbours, MeanEnd(blocks...)
	}
	for _, b := range blocks {
		rasters = append(rasters, draw(b, top))
	}
	return rasters, top
}
