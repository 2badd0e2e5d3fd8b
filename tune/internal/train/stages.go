package train

import (
	"math"

	"kenserve/models"
	"kenserve/tune/internal/adamw"
)

// stage is one part of a run.
type stage struct {
	name  string
	steps int
}

// begin prepares the first step of the stage.
func (r *Run) begin() error {
	s := r.plan[r.state.Stage]
	r.best, r.squares = nil, nil
	switch s.name {
	case stageHead:
		if err := r.model.reset(); err != nil {
			return err
		}
		for _, w := range r.model.weights {
			if !w.OfHead {
				if err := w.keep([]int{}); err != nil {
					return err
				}
			}
		}
	case stageMeasure, stageFull:
		if err := r.model.reset(); err != nil {
			return err
		}
		for _, w := range r.model.weights { // tables are not chosen from
			if w.Role == models.Embedding {
				if err := w.keep([]int{}); err != nil {
					return err
				}
			}
		}
		if s.name == stageMeasure {
			for _, w := range r.model.weights {
				r.squares = append(r.squares, nil)
				if w.mayKeep() {
					r.squares[len(r.squares)-1] = make([]float32, len(*w.values))
				}
			}
		}
	case stageContrastive:
		if err := r.prepare(); err != nil {
			return err
		}
	case stageTrain:
		// After the contrastive stage, training goes on from its values.
		if r.state.Stage == 0 || r.plan[r.state.Stage-1].name != stageContrastive || r.optimizer == nil {
			if err := r.prepare(); err != nil {
				return err
			}
		}
	}
	for _, w := range r.model.trained() {
		if w.start == nil || s.name != stageTrain {
			w.begin()
		}
	}
	r.newOptimizer()
	return nil
}

// prepare sets up what the last stages train.
func (r *Run) prepare() error {
	switch {
	case r.config.Sparse > 0:
		if r.config.Mask == Base && r.positions == nil {
			if err := r.model.reset(); err != nil {
				return err
			}
			r.positions = r.model.choose(r.model.budget(r.config.Sparse), func(w *Weight, i int) float32 {
				return 1 / (float32(math.Abs(float64((*w.values)[i]))) + 1e-12)
			})
		}
		return r.model.apply(r.positions)
	case r.config.VectorsOnly:
		return r.model.apply(nil)
	}
	return r.model.reset()
}

func (r *Run) newOptimizer() {
	s := r.plan[r.state.Stage]
	rate := r.config.Rate
	headRate := r.config.HeadRate
	if s.name == stageHead {
		rate, headRate = headStageRate, 1
	}
	r.optimizer = adamw.New(r.model.tensors(headRate, r.config.VectorRate, r.config.Decay))
	r.schedule = adamw.Schedule{Peak: rate, Warmup: int(math.Round(r.config.Warmup * float64(s.steps))), Total: s.steps, Decay: r.config.Schedule}
}

// headStageRate is the learning rate of the stage head, in which only new layers learn.
const headStageRate = 3e-3

// endStage takes from a stage what the next ones need.
func (r *Run) endStage() error {
	switch r.plan[r.state.Stage].name {
	case stageHead:
		for _, w := range r.model.head.Weights() {
			w.Settle()
		}
	case stageMeasure:
		index := map[*Weight]int{}
		for i, w := range r.model.weights {
			index[w] = i
		}
		r.positions = r.model.choose(r.model.budget(r.config.Sparse), func(w *Weight, i int) float32 { return r.squares[index[w]][i] })
	case stageFull:
		r.positions = r.model.choose(r.model.budget(r.config.Sparse), func(w *Weight, i int) float32 {
			return float32(math.Abs(float64((*w.values)[i] - w.start[i])))
		})
	}
	return nil
}
