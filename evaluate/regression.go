package evaluate

import (
	"cmp"
	"math"
	"slices"

	"kenserve/dataset"
)

// Regression is the result for a task whose single score is a value.
type Regression struct {
	Kind     string   `json:"kind"` // regression
	Texts    int      `json:"texts"`
	Pearson  *float64 `json:"pearson"`  // nil: not defined
	Spearman *float64 `json:"spearman"` // nil: not defined
	MSE      float64  `json:"mse"`
	Truncation

	predictions, labels []float64
}

func (r *Regression) add(scores []float32, label dataset.Label) error {
	want, err := label.Number()
	if err == nil {
		r.addGold(scores, Gold{Value: want})
	}
	return err
}

func (r *Regression) addGold(scores []float32, gold Gold) {
	r.Texts++
	r.predictions, r.labels = append(r.predictions, float64(scores[0])), append(r.labels, gold.Value)
}

func (r *Regression) finish() {
	for i, p := range r.predictions {
		d := p - r.labels[i]
		r.MSE += d * d / float64(r.Texts)
	}
	r.Pearson = pearson(r.predictions, r.labels)
	r.Spearman = pearson(ranks(r.predictions), ranks(r.labels))
}

// pearson returns the correlation of two lists of equal length, or nil if one of them is
// constant.
func pearson(x, y []float64) *float64 {
	if len(x) < 2 || slices.Min(x) == slices.Max(x) || slices.Min(y) == slices.Max(y) {
		return nil
	}
	meanX, meanY := mean(x), mean(y)
	var xx, yy, xy float64
	for i := range x {
		dx, dy := x[i]-meanX, y[i]-meanY
		xx += dx * dx
		yy += dy * dy
		xy += dx * dy
	}
	r := xy / (math.Sqrt(xx) * math.Sqrt(yy))
	r = max(-1, min(1, r)) // rounding
	return &r
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// ranks returns the rank of each value, from 1. Equal values share the mean of their
// ranks.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	out := make([]float64, len(x))
	for first := 0; first < len(order); {
		end := first + 1
		for end < len(order) && x[order[end]] == x[order[first]] {
			end++
		}
		for _, i := range order[first:end] {
			out[i] = float64(first+1+end) / 2
		}
		first = end
	}
	return out
}
