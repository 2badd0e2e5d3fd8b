package train

import (
	"context"
	"math"
	"slices"

	"kenserve/models"
)

// evaluate scores the present values on the dev set, and notes them if they are the best.
// final says that they are as the delta will store them.
func (r *Run) evaluate(ctx context.Context, epoch float64, final bool) (*Point, error) {
	logits, err := r.model.logits(r.dev, r.config.Objective.Labels, r.config.PassTokens, func() error { return r.between(ctx) })
	if err != nil {
		return nil, err
	}
	p := Point{Step: r.state.Step, Epoch: epoch, Loss: r.state.LossSum / float64(max(1, r.state.LossSteps)), Coded: final}
	p.Score, p.DevLoss = score(logits, r.config.Objective.Labels, r.dev, r.config.Objective.Problem)
	r.state.LossSum, r.state.LossSteps = 0, 0
	r.state.History = append(r.state.History, p)
	if !p.better(r.state.Best) {
		r.state.Bad++
		return &p, nil
	}
	r.state.Best, r.state.Bad = &p, 0
	trained := r.model.trained()
	if r.best == nil {
		r.best = make([][]float32, len(trained))
	}
	for i, w := range trained {
		r.best[i] = append(r.best[i][:0], w.present()...)
	}
	return &p, nil
}

// present returns the trained values as the forward pass uses them.
func (w *Weight) present() []float32 {
	if *w.shown != nil {
		return *w.shown
	}
	return *w.values
}

// score returns the score of logits on samples, and the mean loss without weights and
// smoothing. The score is the accuracy for one label a text; for several, micro F1 of the
// labels with a probability above 0.5; for a regression, R², the share of the variance that
// is explained.
func score(logits []float32, labels int, samples []Sample, problem models.Problem) (score, loss float64) {
	switch problem {
	case models.SingleLabel:
		right := 0
		for i := range samples {
			row := logits[i*labels:][:labels]
			top := slices.Max(row)
			if slices.Index(row, top) == samples[i].Class {
				right++
			}
			sum := 0.0
			for _, x := range row {
				sum += math.Exp(float64(x - top))
			}
			loss += math.Log(sum) + float64(top-row[samples[i].Class])
		}
		score = float64(right) / float64(len(samples))
	case models.MultiLabel:
		right, predicted, gold := 0, 0, 0
		for i := range samples {
			gold += len(samples[i].Classes)
			for j, x := range logits[i*labels:][:labels] {
				_, has := slices.BinarySearch(samples[i].Classes, j)
				if x > 0 {
					predicted++
					if has {
						right++
					}
				}
				y := float64(x)
				if has {
					y = -y
				}
				loss += (max(y, 0) + math.Log1p(math.Exp(-math.Abs(y)))) / float64(labels)
			}
		}
		if predicted+gold > 0 {
			score = 2 * float64(right) / float64(predicted+gold)
		}
	default:
		mean, variance := 0.0, 0.0
		for i := range samples {
			mean += samples[i].Value / float64(len(samples))
		}
		for i := range samples {
			d, e := samples[i].Value-mean, float64(logits[i])-samples[i].Value
			variance += d * d
			loss += e * e
		}
		score = 1 - loss/max(variance, 1e-12)
	}
	return score, loss / float64(len(samples))
}

// finish puts the best values into the model.
func (r *Run) finish(ctx context.Context) (*Result, error) {
	s := r.plan[r.state.Stage]
	if err := r.model.set(r.best); err != nil {
		return nil, err
	}
	logits, err := r.model.logits(r.dev, r.config.Objective.Labels, r.config.PassTokens, func() error { return r.between(ctx) })
	if err != nil {
		return nil, err
	}
	return &Result{Best: r.state.Best, History: r.state.History, Steps: r.state.Step, Planned: s.steps, Why: r.state.Stopped, devLogits: logits}, nil
}

// set gives the trained weights these values, as the forward pass shall use them.
func (m *Model) set(values [][]float32) error {
	for i, w := range m.trained() {
		*w.shown = nil
		if err := w.assign(values[i]); err != nil {
			return err
		}
	}
	m.updated()
	return nil
}

// Rescale replaces every value x of a layer of the head by x·factor + shift.
func (m *Model) Rescale(name string, factor, shift float32) {
	for _, w := range m.weights {
		if w.Name == name && w.OfHead {
			for i, x := range *w.values {
				(*w.values)[i] = x*factor + shift
			}
		}
	}
	m.updated()
}

// assign sets the values. Rows of a table that were seen later than the values were noted get
// the base's values again.
func (w *Weight) assign(values []float32) error {
	if w.encoder != nil && w.Role == models.Embedding && len(values) < len(*w.values) && w.encoder.Rows() != nil {
		rows := slices.Clone(w.encoder.Rows())
		if err := w.encoder.Reset(); err != nil {
			return err
		}
		w.encoder.AddRows(rows)
	}
	copy(*w.values, values)
	return nil
}
