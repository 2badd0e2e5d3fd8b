package tune

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"kenserve/auto"
	"kenserve/dataset"
	"kenserve/delta"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/prune"
	"kenserve/tune/internal/examples"
	"kenserve/tune/internal/train"
)

// wholeDelta keeps everything that training changed, exactly.
var wholeDelta = ken.Options{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Keep: 1, Factor: 1, Coding: delta.Float32}

// pruneConfidence is the confidence of the search for the smallest delta: see
// [prune.Bounds].
const pruneConfidence = 0.7

// pruneFull writes the delta of a fully tuned model: the smallest within the tolerance on the
// dev set, or everything if the task has no accuracy. dir is for temporary files.
func (t *tuning) pruneFull(ctx context.Context, m *train.Model, dir, path string) error {
	tuned := filepath.Join(dir, "tuned")
	if err := t.base.writeCheckpoint(tuned, m); err != nil {
		return err
	}
	source, err := prune.Open(prune.Config{BaseDir: t.options.BaseDir, TunedDir: tuned, Producer: t.options.Producer, Notes: t.options.Notes})
	if err != nil {
		return err
	}
	defer source.Close()
	o := wholeDelta
	o.Workers = t.options.Workers
	if t.data.Problem == models.SingleLabel && t.options.Tolerance > 0 {
		if o, err = t.smallest(ctx, source, dir, o); err != nil {
			return err
		}
	}
	_, err = source.Write(ctx, path, o)
	return err
}

// smallest searches the smallest delta on the dev set.
func (t *tuning) smallest(ctx context.Context, source *prune.Source, dir string, o ken.Options) (ken.Options, error) {
	path := filepath.Join(dir, "dev.jsonl")
	if err := writeExamples(path, t.data.Dev, t.data.Labels); err != nil {
		return o, err
	}
	dev, err := dataset.Open(path, nil, dataset.Options{Format: dataset.JSONLines, Labelled: true})
	if err != nil {
		return o, err
	}
	defer dev.Close()
	trial, err := prune.OpenTrial(ctx, t.options.BaseDir, dev, source)
	if err != nil {
		return o, err
	}
	defer trial.Close()
	n := 0
	r, err := trial.Smallest(ctx, o, prune.Bounds{Tolerance: t.options.Tolerance, Confidence: pruneConfidence}, func(p auto.Point) {
		n++
		if t.events.Progress != nil {
			t.events.Progress(Progress{Trial: 1, Trials: 1, Stage: "prune", Step: n, Score: p.Accuracy})
		}
	})
	if err != nil {
		return o, err
	}
	return trial.Apply(o, r), nil
}

// writeExamples writes examples of one label as JSON lines.
func writeExamples(path string, list []examples.Example, labels []string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("tune: %w", err)
	}
	e := json.NewEncoder(f)
	for _, x := range list {
		if err := e.Encode(struct {
			Text  string  `json:"text"`
			Pair  *string `json:"text_pair,omitempty"`
			Label string  `json:"label"`
		}{x.Text, x.Pair, labels[x.Class]}); err != nil {
			_ = f.Close()
			return fmt.Errorf("tune: %w", err)
		}
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("tune: %w", err)
	}
	return nil
}
