package ken

import (
	"context"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"kenserve/internal/fault"
)

// Distance says how far a tuned checkpoint is from its base.
type Distance struct {
	// Changed is the share of the shared tensors' weights that differ from the base.
	Changed float64
	// Relative is the median over the matrices of ‖tuned − base‖/‖base‖, in Frobenius
	// norms; 0 if the pair shares no matrix. Weights that have nothing to do with the
	// base give 1 or more: √2 if they are as large as the base's.
	Relative float64
}

// Distance compares all tensors that the pair shares.
func (p *Pair) Distance(ctx context.Context) (Distance, error) {
	type sums struct {
		weights, changed int
		relative         float64 // NaN: not a matrix, or a base of zeros
	}
	all := make([]sums, len(p.shared))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range p.shared {
		g.Go(func() (err error) {
			defer fault.Contain(&err)()
			b, _ := p.base.Tensor(name)
			t := p.tunedTensor(name)
			s := sums{weights: min(b.Len(), t.Len()), relative: math.NaN()} // a resized table: of the rows of both
			const chunk = 1 << 14
			var x, y [chunk]float32
			var difference, norm float64
			for from := 0; from < s.weights; from += chunk {
				if err := ctx.Err(); err != nil {
					return err
				}
				n := min(chunk, s.weights-from)
				if err := b.Float32s(x[:n], from); err != nil {
					return err
				}
				if err := t.Float32s(y[:n], from); err != nil {
					return err
				}
				for j, v := range x[:n] {
					d := float64(y[j]) - float64(v)
					if d != 0 {
						s.changed++
					}
					difference += d * d
					norm += float64(v) * float64(v)
				}
			}
			if len(b.Shape) > 1 && norm > 0 {
				s.relative = math.Sqrt(difference / norm)
			}
			all[i] = s
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return Distance{}, err
	}
	var weights, changed int
	var relative []float64
	for _, s := range all {
		weights, changed = weights+s.weights, changed+s.changed
		if !math.IsNaN(s.relative) {
			relative = append(relative, s.relative)
		}
	}
	var d Distance
	if weights > 0 {
		d.Changed = float64(changed) / float64(weights)
	}
	if len(relative) > 0 {
		slices.Sort(relative)
		d.Relative = relative[len(relative)/2]
	}
	return d, nil
}
