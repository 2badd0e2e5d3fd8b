package train

import (
	"context"
	"fmt"
	"math"

	"github.com/nlpodyssey/spago/mat"

	"kenserve/gemm"
	"kenserve/models/grad"
	"kenserve/tune/internal/adamw"
	"kenserve/tune/internal/objective"
)

// step computes the gradients of one step and updates the weights.
func (r *Run) step(ctx context.Context, s stage, p *Progress) error {
	list := members(r.train, r.config.Batch, r.config.Seed, r.state.Stage, r.state.Step)
	r.model.zeroGrad()
	targets := make([]objective.Target, len(list))
	for i, sample := range list {
		targets[i] = sample.Target
	}
	p.Texts = len(list)
	total := r.config.Objective.Total(targets)
	first := 0
	groups := parts(list, r.config.PassTokens)
	for _, part := range groups {
		if err := r.between(ctx); err != nil {
			return err
		}
		mode := grad.Mode{Train: true, Step: uint64(r.state.Stage)<<32 | uint64(r.state.Step), First: first}
		loss, err := r.gradients(s, part, targets[first:first+len(part)], total, mode)
		if err != nil {
			return err
		}
		if s.name == stageContrastive {
			loss /= float64(len(groups))
		}
		p.Loss += loss
		first += len(part)
	}
	if math.IsNaN(p.Loss) || math.IsInf(p.Loss, 0) {
		return fmt.Errorf("train: step %d: %w", r.state.Step+1, ErrDiverged)
	}
	if s.name == stageMeasure {
		for i, squares := range r.squares {
			for j := range squares {
				g := (*r.model.weights[i].grad)[j]
				squares[j] += float32(g * g)
			}
		}
		return nil
	}
	norm := 0.0
	if r.config.Clip > 0 {
		norm = adamw.Norm(r.config.Pool, r.optimizer.Tensors())
	}
	r.optimizer.Step(r.config.Pool, r.schedule.Rate(r.state.Step), adamw.ClipFactor(norm, r.config.Clip))
	r.model.updated()
	return nil
}

// gradients adds the gradients of a part of a step, and returns its share of the loss.
func (r *Run) gradients(s stage, part []*Sample, targets []objective.Target, total objective.Total, mode grad.Mode) (float64, error) {
	if s.name == stageHead {
		features, err := r.cachedFeatures(part)
		if err != nil {
			return 0, err
		}
		loss, _, err := r.model.head.Gradients(features, mode, func(logits mat.Tensor) mat.Tensor { return r.config.Objective.Loss(logits, targets, total) })
		return loss, err
	}
	features, err := r.model.encoder.Features(batch(part), mode)
	if err != nil {
		return 0, fmt.Errorf("train: %w", err)
	}
	var loss float64
	var d gemm.View
	if s.name == stageContrastive {
		loss, d, err = r.model.head.GradientsBefore(features, mode, func(x mat.Tensor) mat.Tensor { return objective.Contrast(x, targets) })
	} else {
		loss, d, err = r.model.head.Gradients(features, mode, func(logits mat.Tensor) mat.Tensor { return r.config.Objective.Loss(logits, targets, total) })
	}
	if err != nil || d.Rows == 0 { // a loss that is not finite
		return loss, err
	}
	return loss, r.model.encoder.Backward(d)
}

// cachedFeatures returns the features of the base, which are computed once for each sample.
func (r *Run) cachedFeatures(part []*Sample) (gemm.View, error) {
	var missing []*Sample
	for _, s := range part {
		if r.features[s] == nil {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 {
		v, err := r.model.encoder.Features(batch(missing), grad.Mode{})
		if err != nil {
			return gemm.View{}, fmt.Errorf("train: %w", err)
		}
		for i, s := range missing {
			r.features[s] = append([]float32(nil), v.Row(i)...)
		}
	}
	width := len(r.features[part[0]])
	out := gemm.View{Rows: len(part), Cols: width, Stride: width}
	for _, s := range part {
		out.Data = append(out.Data, r.features[s]...)
	}
	return out, nil
}
