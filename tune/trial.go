package tune

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	goruntime "runtime"
	"time"

	"kenserve/internal/parallel"
	"kenserve/models"
	"kenserve/models/grad"
	"kenserve/tune/internal/head"
	"kenserve/tune/internal/objective"
	"kenserve/tune/internal/train"
)

// clock measures the time of training steps.
type clock struct {
	texts, seconds float64
	last           time.Time
}

// trial trains one recipe.
func (t *tuning) trial(ctx context.Context, r Recipe, number, of int, deadline time.Time) (*train.Model, *train.Result, error) {
	workers := t.options.Workers
	if workers == 0 {
		workers = goruntime.GOMAXPROCS(0)
	}
	pool := parallel.NewPool(workers)
	defer pool.Close()
	dropout := grad.Dropout{Hidden: float32(r.Dropout), Attention: float32(r.Dropout), Seed: r.Seed}
	e, err := grad.NewEncoder(t.base.arch, t.base, grad.Options{Pool: pool, Compute: t.options.Compute, Dropout: dropout})
	if err != nil {
		return nil, nil, fmt.Errorf("tune: %w", err)
	}
	h, err := head.New(t.base.arch, len(t.data.Labels), dropout, r.Seed, t.base.values)
	if err != nil {
		return nil, nil, fmt.Errorf("tune: %w", err)
	}
	m := train.NewModel(e, h, t.base.has)
	c := t.config(r, number, of)
	c.Deadline, c.Pool = deadline, pool
	if c.Fingerprint, err = t.fingerprint(r); err != nil {
		return nil, nil, err
	}
	if of > 1 {
		c.Checkpoint = ""
	}
	if t.options.Between != nil {
		c.Between = func() error { return t.options.Between(ctx) }
	}
	if err := c.Objective.Check(); err != nil {
		return nil, nil, err
	}
	result, err := train.NewRun(m, t.train, t.dev, c).Train(ctx, t.options.Resume)
	return m, result, err
}

// passTokens is the number of tokens of a forward pass in training. More would take more
// memory and hardly less time.
const passTokens = 512

// codedShare is the share of the last steps that see values as they are stored.
const codedShare = 0.4

// config translates a recipe.
func (t *tuning) config(r Recipe, number, of int) train.Config {
	c := train.Config{
		Objective: objective.Objective{Problem: t.data.Problem, Labels: len(t.data.Labels), ClassWeights: t.weightsOf, Smoothing: r.Smoothing, TeacherShare: r.TeacherShare},
		Batch:     r.Batch, PassTokens: passTokens, Epochs: r.Epochs, Rate: r.Rate, HeadRate: r.HeadRate, VectorRate: 1,
		Decay: r.Decay, Warmup: r.Warmup, Schedule: scheduleOf(r), Clip: r.Clip,
		HeadEpochs: r.HeadEpochs, HeadOnly: r.Method == Head, Contrastive: r.Contrastive,
		Sparse: r.Share, VectorsOnly: r.Method == Vectors, Mask: train.Mask(r.Mask), MeasureBatches: measureBatches, MaskEpochs: r.MaskEpochs,
		Codings:    train.Codings{Matrices: r.Values, Vectors: r.Vectors, Head: r.HeadValues},
		CodedShare: codedShare, Every: evaluateEvery(len(t.train), len(t.dev), r.Batch), Patience: r.Patience, Seed: r.Seed,
		Checkpoint: t.options.Checkpoint, CheckpointSteps: t.options.CheckpointSteps,
	}
	if t.data.Problem != models.SingleLabel {
		c.Contrastive = 0
	}
	c.Progress = t.progress(number, of)
	return c
}

// measureBatches is the number of steps whose gradients choose the positions of a sparse run.
const measureBatches = 32

// evaluateEvery returns the number of steps between two evaluations on the dev set: up to four
// in an epoch, but not so many that they take more than about a third of the time. A text of
// the dev set takes about a third of a text of training.
func evaluateEvery(texts, dev, batch int) int {
	perEpoch := (texts + batch - 1) / batch
	return max(1, perEpoch/max(1, min(4, texts/2000)), 2*dev/(3*batch))
}

// progress returns a function that hands the progress of a trial on.
func (t *tuning) progress(number, of int) func(train.Progress) {
	stage := ""
	var began time.Time
	first := 0
	smooth, score, best := 0.0, 0.0, 0.0
	t.clock.last = time.Now()
	return func(p train.Progress) {
		now := time.Now()
		if p.Stage != stage {
			stage, began, first, smooth = p.Stage, t.clock.last, p.Step-1, p.Loss
		}
		smooth += (p.Loss - smooth) / 20
		if p.Last != nil {
			score = p.Last.Score
		} else { // a step that had no evaluation
			t.clock.texts += float64(p.Texts)
			t.clock.seconds += now.Sub(t.clock.last).Seconds()
		}
		t.clock.last = now
		if p.Best != nil {
			best = p.Best.Score
		}
		if t.events.Progress == nil {
			return
		}
		out := Progress{Trial: number, Trials: of, Stage: stage, Step: p.Step, Steps: p.Steps, Loss: smooth, Score: score, Best: best, Point: p.Last}
		if t.clock.seconds > 0 {
			out.TextsPerSecond = t.clock.texts / t.clock.seconds
		}
		if done := p.Step - first; done > 0 {
			out.Left = time.Duration(float64(now.Sub(began)) / float64(done) * float64(p.Steps-p.Step))
		}
		t.events.Progress(out)
	}
}

// fingerprint identifies data and settings of a run, for its checkpoint.
func (t *tuning) fingerprint(r Recipe) (string, error) {
	text, err := json.Marshal(struct {
		Recipe        Recipe
		Base          string
		Labels        []string
		Problem       models.Problem
		ClassWeights  []float64
		Train, Dev    []train.Sample
		Compute       string
		HeadStageRate string
	}{r, t.base.info.BaseSHA256, t.data.Labels, t.data.Problem, t.weightsOf, t.train, t.dev, fmt.Sprint(t.options.Compute), "1"})
	if err != nil {
		return "", fmt.Errorf("tune: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
