package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"kenserve/internal/parallel"
	"kenserve/tune/internal/adamw"
	"kenserve/tune/internal/objective"
)

// Config says how to train.
type Config struct {
	Objective  objective.Objective
	Batch      int     // samples of a step
	PassTokens int     // tokens of a forward pass; a step of more takes several
	Epochs     int     // of the stage train
	Rate       float64 // learning rate after the warm-up
	HeadRate   float64 // multiplies Rate for layers that the base does not have
	VectorRate float64 // multiplies Rate for biases and layer norms
	Decay      float64 // weight decay of matrices
	Warmup     float64 // share of the steps in which the rate rises
	Schedule   adamw.Decay
	Clip       float64 // largest norm of a step's gradients; 0: none

	// HeadEpochs train the new layers on features of the base, before anything else.
	HeadEpochs int
	// HeadOnly ends the training there.
	HeadOnly bool
	// Contrastive are the epochs of the stage contrastive.
	Contrastive int

	// Sparse is the share of the encoder's weights that is trained, beside vectors and new
	// layers; 0: all are.
	Sparse         float64
	VectorsOnly    bool // with Sparse 0: vectors and new layers alone
	Mask           Mask
	MeasureBatches int // of the mask Gradient
	MaskEpochs     int // of the mask Change

	Codings Codings
	// CodedShare is the share of the last steps in which values are shown as the codings
	// store them, in (0, 1], unless all codings are exact.
	CodedShare float64

	Pool     *parallel.Pool // workers; nil: the calling goroutine
	Every    int            // steps between two evaluations on the dev set; the last step has one too
	Patience int            // evaluations without a better one after which training ends; 0: none
	Seed     uint64

	Checkpoint      string         // file of the checkpoint; empty: none is written
	CheckpointSteps int            // steps between two checkpoints; 0: as often as takes little time
	Fingerprint     string         // of the settings and the data; a checkpoint of others is refused
	Deadline        time.Time      // training ends with the best values so far; zero: none
	Between         func() error   // if not nil, called between forward passes; an error ends the run
	Progress        func(Progress) // if not nil, called after every step
}

// Progress is the state of a run.
type Progress struct {
	Stage       string
	Step, Steps int // of the stage
	Texts       int // of the last step
	Loss        float64
	Last        *Point // the last evaluation, if this step had one
	Best        *Point // nil: none yet
}

// Point is an evaluation on the dev set.
type Point struct {
	Step    int     `json:"step"`
	Epoch   float64 `json:"epoch"`
	Loss    float64 `json:"loss"` // mean of the training loss since the last evaluation
	DevLoss float64 `json:"dev_loss"`
	Score   float64 `json:"score"` // accuracy, micro F1 or R²
	Coded   bool    `json:"coded,omitempty"`
}

// better reports whether a is better than b: by score, and by loss if the scores are equal.
func (a *Point) better(b *Point) bool {
	if b == nil || a.Coded != b.Coded {
		return b == nil || a.Coded
	}
	if a.Score != b.Score {
		return a.Score > b.Score
	}
	return a.DevLoss < b.DevLoss
}

// Run is the training of one model with one configuration.
type Run struct {
	config     Config
	model      *Model
	train, dev []Sample
	plan       []stage

	state     state
	positions map[int][]int // of a sparse run, by weight
	optimizer *adamw.Optimizer
	schedule  adamw.Schedule
	best      [][]float32 // values of the trained weights at the best point
	squares   [][]float32 // of the stage measure, by weight
	features  map[*Sample][]float32
	saved     checkpointClock
}

// Names of stages.
const (
	stageHead        = "head"
	stageMeasure     = "measure"
	stageFull        = "full"
	stageContrastive = "contrastive"
	stageTrain       = "train"
)

// ErrDiverged means that the loss became infinite or no number.
var ErrDiverged = errors.New("the loss is not a number any more: use a smaller learning rate")

// NewRun prepares a run. The model must be new, or Reset by an earlier run.
func NewRun(m *Model, train, dev []Sample, c Config) *Run {
	r := &Run{config: c, model: m, train: train, dev: dev, features: map[*Sample][]float32{}}
	perEpoch := steps(len(train), c.Batch)
	add := func(name string, n int) {
		if n > 0 {
			r.plan = append(r.plan, stage{name, n})
		}
	}
	add(stageHead, c.HeadEpochs*perEpoch)
	if !c.HeadOnly {
		if c.Sparse > 0 {
			switch c.Mask {
			case Gradient:
				add(stageMeasure, min(c.MeasureBatches, perEpoch))
			case Change:
				add(stageFull, c.MaskEpochs*perEpoch)
			}
		}
		add(stageContrastive, c.Contrastive*perEpoch)
		add(stageTrain, c.Epochs*perEpoch)
	}
	return r
}

// Result is what a run gives.
type Result struct {
	Best    *Point
	History []Point // of the last stage
	Steps   int     // that the last stage took
	Planned int     // that it would have taken without an early end
	Why     string  // why it ended early; empty: it did not
	// devLogits are those of the best values, [dev samples, labels].
	devLogits []float32
}

// Train runs all stages and leaves the best values in the model. With resume it goes on from
// the checkpoint, if there is one.
func (r *Run) Train(ctx context.Context, resume bool) (*Result, error) {
	if len(r.plan) == 0 {
		return nil, errors.New("train: nothing to train: all numbers of epochs are 0")
	}
	restored := false
	if resume && r.config.Checkpoint != "" {
		var err error
		if restored, err = r.restore(); err != nil {
			return nil, err
		}
	}
	if !restored {
		if err := r.begin(); err != nil {
			return nil, err
		}
	}
	for {
		if err := r.runStage(ctx); err != nil {
			return nil, err
		}
		if r.state.Stage == len(r.plan)-1 {
			break
		}
		if err := r.endStage(); err != nil {
			return nil, err
		}
		r.state = state{Stage: r.state.Stage + 1}
		if err := r.begin(); err != nil {
			return nil, err
		}
		if r.config.Checkpoint != "" { // so that the stage before is not repeated
			if err := r.save(); err != nil {
				return nil, fmt.Errorf("train: write checkpoint: %w", err)
			}
		}
	}
	return r.finish(ctx)
}

// evaluates reports whether a stage is scored on the dev set: the last.
func (r *Run) evaluates() bool { return r.state.Stage == len(r.plan)-1 }

// runStage runs the steps of the stage from the present one on.
func (r *Run) runStage(ctx context.Context) error {
	s := r.plan[r.state.Stage]
	codedFrom := s.steps
	if s.name == stageTrain && !r.config.Codings.exact() {
		codedFrom = int(math.Floor((1 - r.config.CodedShare) * float64(s.steps)))
	}
	if r.state.Stopped != "" {
		return nil
	}
	perEpoch := steps(len(r.train), r.config.Batch)
	every := max(1, r.config.Every)
	for r.state.Step < s.steps {
		if err := r.between(ctx); err != nil {
			return err
		}
		coded := r.state.Step >= codedFrom
		if coded {
			r.model.show(r.config.Codings)
			r.model.updated()
		}
		p := Progress{Stage: s.name, Steps: s.steps}
		if err := r.step(ctx, s, &p); err != nil {
			return err
		}
		r.state.Step++
		p.Step = r.state.Step
		r.state.LossSum += p.Loss
		r.state.LossSteps++
		last := r.state.Step == s.steps
		if r.evaluates() && (r.state.Step%every == 0 || last) {
			if coded {
				r.model.show(r.config.Codings)
				r.model.updated()
			}
			point, err := r.evaluate(ctx, float64(r.state.Step)/float64(perEpoch), coded || r.config.Codings.exact() || s.name == stageHead)
			if err != nil {
				return err
			}
			p.Last = point
			if r.config.Patience > 0 && r.state.Bad >= r.config.Patience && point.Coded {
				r.state.Stopped = fmt.Sprintf("%d evaluations without a better one", r.state.Bad)
			}
		}
		p.Best = r.state.Best
		if r.config.Progress != nil {
			r.config.Progress(p)
		}
		if r.state.Stopped != "" {
			return nil
		}
		if !r.config.Deadline.IsZero() && r.state.Best != nil && time.Now().After(r.config.Deadline) {
			r.state.Stopped = "the time is over"
			return nil
		}
		if err := r.saveIfDue(last); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) between(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.config.Between != nil {
		return r.config.Between()
	}
	return nil
}
