package raster

import (
	"math"

	"kenserve/viz"
)

// level returns the level of v in 0 … top, above bottom unless v is 0.
func Level(v, top float64, bottom int) uint8 {
	if v <= 0 || top <= 0 {
		return uint8(bottom)
	}
	steps := float64(Levels - 1 - bottom)
	return uint8(bottom) + uint8(min(max(math.Round(v/top*steps), 1), steps))
}

// neighbourLevel returns the level for a number of neighbours, 0 to 4.
func CountLevel(n int) uint8 { return Level(float64(n), 4, FirstCountLevel) }

// top rounds the highest value of a colour scale up to a number that is easy
// to read, but to no more than most.
func ScaleEnd(highest, most float64) float64 {
	if highest <= 0 {
		return most
	}
	unit := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, step := range []float64{1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10} {
		if v := step * unit; v >= highest*(1-1e-9) {
			return min(v, most)
		}
	}
	return most
}

// topShare and topMean are the scales' ends for pictures of several matrices.
func ShareEnd(blocks ...*viz.Blocks) float64 {
	highest := 0.0
	for _, b := range blocks {
		for i := range b.Kept {
			highest = max(highest, b.Share(i/b.Columns, i%b.Columns))
		}
	}
	return ScaleEnd(highest, 1)
}

func MeanEnd(blocks ...*viz.Blocks) float64 {
	highest := 0.0
	for _, b := range blocks {
		for i := range b.Kept {
			mean, _ := b.Mean(i/b.Columns, i%b.Columns)
			highest = max(highest, mean)
		}
	}
	return ScaleEnd(highest, 4)
}

// top is the share that the table's last colour stands for. Heads are whole
// whatever was kept, and do not count.
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
	return ScaleEnd(highest, 1)
}

// tableLevel returns the colour of a table's cell.
func TableLevel(share, top float64) int { return int(Level(share, top, 0)) }
