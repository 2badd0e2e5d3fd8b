package tune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"kenserve/tune/internal/adamw"
	"kenserve/tune/internal/train"
)

// scheduleOf returns the schedule of a recipe, which Check has checked.
func scheduleOf(r Recipe) adamw.Decay { return adamw.Decay(r.Schedule) }

// search tries recipes around the given one, and writes the best. The first is the recipe
// itself, so that a search is never worse on the dev set. Within a time bound every trial may
// take its share of what is left.
func (t *tuning) search(ctx context.Context, report *Report, deadline time.Time) error {
	var best struct {
		model  *train.Model
		result *train.Result
		recipe Recipe
	}
	n := t.options.Search
	for i := range n {
		if !deadline.IsZero() && i > 0 && time.Now().After(deadline) {
			break
		}
		r := t.report.Recipe
		if i > 0 {
			r = vary(r, i)
		}
		until := deadline
		if !deadline.IsZero() {
			until = time.Now().Add(time.Until(deadline) / time.Duration(n-i))
		}
		m, result, err := t.trial(ctx, r, i+1, n, until)
		if errors.Is(err, train.ErrDiverged) {
			report.Trials = append(report.Trials, Trial{Recipe: r, Failed: err.Error()})
			continue
		}
		if err != nil {
			return err
		}
		report.Trials = append(report.Trials, Trial{Recipe: r, Score: result.Best.Score, DevLoss: result.Best.DevLoss})
		if b := best.result; b == nil || result.Best.Score > b.Best.Score || result.Best.Score == b.Best.Score && result.Best.DevLoss < b.Best.DevLoss {
			best.model, best.result, best.recipe = m, result, r
		}
	}
	if best.result == nil {
		return fmt.Errorf("tune: all %d recipes of the search failed: %s", n, report.Trials[0].Failed)
	}
	return t.write(ctx, best.model, best.recipe, best.result, report)
}

// vary returns another recipe: the i-th. Rates are spread evenly over a factor of 4 in either
// direction, by a sequence with low discrepancy; the rest is drawn.
func vary(r Recipe, i int) Recipe {
	rng := rand.New(rand.NewPCG(r.Seed, uint64(i)))
	const golden = 0.6180339887498949
	_, position := math.Modf(float64(i) * golden)
	r.Rate *= math.Pow(4, 2*position-1)
	r.HeadRate *= []float64{0.5, 1, 2}[rng.IntN(3)]
	r.Epochs = max(1, r.Epochs*[]int{2, 3, 4}[rng.IntN(3)]/3)
	r.Smoothing = []float64{0, 0, 0.05, 0.1}[rng.IntN(4)]
	r.Dropout = []float64{0, 0.1, 0.1, 0.2}[rng.IntN(4)]
	return r
}
