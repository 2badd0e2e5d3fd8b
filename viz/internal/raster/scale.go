package raster

import (
	"math"

	"kenserve/viz"
)

// level returns the level of v on a scale from 0 to top whose first level is bottom. A v
// above 0 gets a level above bottom.
func level(v, top float64, bottom int) uint8 {
	if v <= 0 || top <= 0 {
		return uint8(bottom)
	}
	steps := float64(Levels - 1 - bottom)
	return uint8(bottom) + uint8(min(max(math.Round(v/top*steps), 1), steps))
}

// CountLevel returns the level for a number of kept neighbours, 0 to 4.
func CountLevel(n int) uint8 { return level(float64(n), 4, FirstCountLevel) }

// scaleEnd returns the end of a colour scale for values up to highest: highest rounded up to
// a number that is easy to read, but at most limit.
func scaleEnd(highest, limit float64) float64 {
	if highest <= 0 {
		return limit
	}
	unit := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, step := range []float64{1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10} {
		if v := step * unit; v >= highest*(1-1e-9) {
			return min(v, limit)
		}
	}
	return limit
}

// ShareEnd returns the end of the scale for the shares kept of blocks of several matrices.
func ShareEnd(blocks ...*viz.Blocks) float64 {
	highest := 0.0
	for _, b := range blocks {
		for i := range b.Kept {
			highest = max(highest, b.Share(i/b.Columns, i%b.Columns))
		}
	}
	return scaleEnd(highest, 1)
}

// MeanEnd returns the end of the scale for the mean numbers of neighbours of blocks of
// several matrices.
func MeanEnd(blocks ...*viz.Blocks) float64 {
	highest := 0.0
	for _, b := range blocks {
		for i := range b.Kept {
			mean, _ := b.Mean(i/b.Columns, i%b.Columns)
			highest = max(highest, mean)
		}
	}
	return scaleEnd(highest, 4)
}

// SharesEnd returns the end of the scale of a table of shares. Heads do not count, because
// they are always whole.
func SharesEnd(s *viz.Shares) float64 {
	highest := 0.0
	for i := range s.Kinds {
		for j := range s.Kinds[i].Tensors {
			highest = max(highest, s.Kinds[i].Tensors[j].Share())
		}
	}
	for i := range s.Others {
		if s.Others[i].Form != viz.Head {
			highest = max(highest, s.Others[i].Share())
		}
	}
	return scaleEnd(highest, 1)
}

// TableLevel returns the level of a cell of such a table.
func TableLevel(share, top float64) int { return int(level(share, top, 0)) }
