package tune

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kenserve/delta"
	"kenserve/internal/atomicfile"
	"kenserve/models"
	"kenserve/models/grad"
	"kenserve/tune/internal/examples"
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
