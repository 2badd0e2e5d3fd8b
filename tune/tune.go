package tune

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"time"

	"kenserve/delta"
	"kenserve/internal/atomicfile"
	"kenserve/internal/parallel"
	"kenserve/models"
	"kenserve/models/grad"
	"kenserve/tune/internal/examples"
	"kenserve/tune/internal/head"
	"kenserve/tune/internal/objective"
	"kenserve/tune/internal/train"
)

// Run tunes a classifier and writes its delta. A file that is at Options.Out is replaced when
// the new one is complete and has been tried. Errors about texts name their rows. If the
// context ends, its error is returned; with a checkpoint, the same options with Resume then go
// on where the run was.
func Run(ctx context.Context, o Options, events Events) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	began := time.Now()
	b, err := openBase(o.BaseDir)
	if err != nil {
		return nil, err
	}
	defer b.close()
	t := &tuning{base: b, options: &o, events: events}
	if err := t.read(ctx); err != nil {
		return nil, err
	}
	if events.Data != nil {
		if err := events.Data(&t.report); err != nil {
			return nil, err
		}
	}
	if o.Teacher != "" {
		if err := t.teach(ctx); err != nil {
			return nil, err
		}
	}
	task, _ := delta.TaskName(o.Out)
	report := &Report{Task: task, File: o.Out, Base: b.info.BaseName, Data: t.report}
	if err := t.run(ctx, report); err != nil {
		return nil, err
	}
	report.Data.Recipe = report.Recipe
	report.Share = float64(report.Bytes) / float64(4*t.weights())
	report.Seconds = time.Since(began).Seconds()
	if t.clock.seconds > 0 {
		report.TextsPerSecond = t.clock.texts / t.clock.seconds
	}
	return report, nil
}

// tuning is one call of Run.
type tuning struct {
	base    *base
	options *Options
	events  Events

	data       *examples.Data
	weightsOf  []float64 // class weights
	train, dev []train.Sample
	scale      scale // of a regression
	report     DataReport
	clock      clock
}

// clock measures the time of training steps.
type clock struct {
	texts, seconds float64
	last           time.Time
}

// read reads the texts and says what is wrong with them.
func (t *tuning) read(ctx context.Context) error {
	o := t.options
	seed := o.Recipe.Seed
	if seed == 0 {
		seed = 1
	}
	d, err := examples.Read(o.Train, o.Dev, examples.Options{Schema: examples.Schema{Problem: o.Problem, Labels: o.Labels}, DevShare: o.DevShare, Seed: seed})
	if err != nil {
		return fmt.Errorf("tune: %w", err)
	}
	t.data = d
	if t.weightsOf, err = examples.ClassWeights(o.ClassWeights, d); err != nil {
		return fmt.Errorf("tune: %w", err)
	}
	if err := t.base.classifier(d.Labels, d.Problem); err != nil {
		return err
	}
	var truncated, truncatedDev []int
	if t.train, truncated, err = t.base.tokenise(ctx, d.Train, o.MaxTokens); err != nil {
		return err
	}
	if t.dev, truncatedDev, err = t.base.tokenise(ctx, d.Dev, o.MaxTokens); err != nil {
		return err
	}
	if d.Problem == models.Regression {
		if t.scale, err = t.fitScale(); err != nil {
			return fmt.Errorf("tune: %w", err)
		}
		t.scale.apply(t.train)
		t.scale.apply(t.dev)
	}
	devSet := "dev"
	if d.Split {
		devSet = "training"
	}
	for _, f := range []Finding{examples.NewFinding("truncated", "training", "training texts that are longer than the model reads, and were cut", truncated),
		examples.NewFinding("truncated", devSet, "dev texts that are longer than the model reads, and were cut", truncatedDev)} {
		if f.Count > 0 {
			d.Findings = append(d.Findings, f)
		}
	}
	s := t.situation()
	t.report = DataReport{
		Problem: d.Problem, Labels: d.Labels, Train: len(d.Train), Dev: len(d.Dev), Split: d.Split, Few: s.few(), Findings: d.Findings,
		Recipe: o.Recipe.withDefaults(s), Verdict: verdict(s, d),
	}
	if d.Problem != models.Regression {
		t.report.Counts = examples.Count(d.Train, d.Problem, len(d.Labels))
	}
	return nil
}

func (t *tuning) situation() situation {
	width := 0
	layers, err := grad.HeadLayers(t.base.arch, len(t.data.Labels))
	if err == nil {
		for _, l := range layers {
			width = max(width, l.Inputs)
		}
	}
	return situation{texts: len(t.data.Train), labels: len(t.data.Labels), problem: t.data.Problem, width: width, teacher: t.options.Teacher != ""}
}

// weights returns the number of weights of the tuned checkpoint.
func (t *tuning) weights() int {
	total := 0
	for _, p := range append(t.base.arch.Parameters(), t.base.arch.Head(len(t.data.Labels))...) {
		n := 1
		for _, d := range p.Shape {
			n *= d
		}
		total += n
	}
	return total
}

// run trains, in one or several trials, and writes the best.
func (t *tuning) run(ctx context.Context, report *Report) error {
	var deadline time.Time
	if t.options.Time > 0 {
		deadline = time.Now().Add(t.options.Time)
	}
	if t.options.Search <= 1 {
		m, result, err := t.trial(ctx, t.report.Recipe, 1, 1, deadline)
		if err != nil {
			return err
		}
		return t.write(ctx, m, t.report.Recipe, result, report)
	}
	return t.search(ctx, report, deadline)
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
			if t.events.Stage != nil {
				t.events.Stage(stage)
			}
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

// write writes the delta of a trained model, tries it, and fills the report.
func (t *tuning) write(ctx context.Context, m *train.Model, r Recipe, result *train.Result, report *Report) error {
	report.Recipe, report.History, report.Steps, report.Planned, report.Ended = r, result.History, result.Steps, result.Planned, result.Why
	report.Best = *result.Best
	if err := t.restore(m); err != nil {
		return fmt.Errorf("tune: %w", err)
	}
	info, err := t.base.describe(r, t.options, &t.report, report.Best)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(t.options.Out), "."+filepath.Base(t.options.Out)+".*.tmp")
	if err != nil {
		return fmt.Errorf("tune: write %s: %w", t.options.Out, err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, filepath.Base(t.options.Out))
	change := func(i *delta.Info) { i.Recipe = info.Recipe }
	if r.Method == Full {
		err = t.pruneFull(ctx, m, dir, path)
	} else {
		err = t.base.writeDelta(path, m, info)
	}
	if err != nil {
		return err
	}
	if err := finish(ctx, path, t.options, t.data, change, report); err != nil {
		return err
	}
	if err := atomicfile.Move(path, t.options.Out); err != nil {
		return err
	}
	if t.options.Checkpoint != "" {
		return train.Remove(t.options.Checkpoint)
	}
	return nil
}
