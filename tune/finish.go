package tune

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"

	"kenserve/bulk"
	"kenserve/delta"
	"kenserve/evaluate"
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/runtime"
	"kenserve/tune/internal/calibrate"
	"kenserve/tune/internal/examples"
)

// classify returns the logits that the delta at path gives examples, as a server computes
// them. The delta must have these labels, in any order: the result has theirs.
func classify(ctx context.Context, path, baseDir string, list []examples.Example, labels []string, maxTokens int) (*runtime.Result, error) {
	c, err := bulk.Open(ctx, path, baseDir, nil, gemm.Float32)
	if err != nil {
		return nil, bulk.Reason(err)
	}
	defer c.Close()
	all := &runtime.Result{}
	for part := range slices.Chunk(list, bulk.BatchTexts) {
		inputs := make([]runtime.Input, len(part))
		for i, e := range part {
			inputs[i] = runtime.Input{Text: e.Text, Pair: e.Pair}
		}
		r, err := c.Engine.Classify(ctx, c.Task, inputs, runtime.Options{Truncate: true, Raw: true, MaxTokens: maxTokens})
		if err != nil {
			return nil, bulk.Reason(err)
		}
		order, err := orderOf(labels, r.Labels)
		if err != nil {
			return nil, err
		}
		for i, scores := range r.Scores {
			sorted := make([]float32, len(scores))
			for j, from := range order {
				sorted[j] = scores[from]
			}
			r.Scores[i] = sorted
		}
		all.Problem, all.Labels, all.Temperature, all.Thresholds = r.Problem, labels, r.Temperature, r.Thresholds
		all.Scores = append(all.Scores, r.Scores...)
		all.Truncated, all.MaxTokens = all.Truncated+r.Truncated, r.MaxTokens
	}
	return all, nil
}

// orderOf returns the place of each wanted label among those of a task.
func orderOf(want, have []string) ([]int, error) {
	if len(want) != len(have) {
		return nil, fmt.Errorf("it has %d labels, want %d", len(have), len(want))
	}
	order := make([]int, len(want))
	for i, label := range want {
		if order[i] = slices.Index(have, label); order[i] < 0 {
			return nil, fmt.Errorf("it has no label %q", label)
		}
	}
	return order, nil
}

// golds returns the labels of examples.
func golds(list []examples.Example) []evaluate.Gold {
	out := make([]evaluate.Gold, len(list))
	for i, e := range list {
		out[i] = evaluate.Gold{Class: e.Class, Classes: e.Classes, Value: e.Value}
	}
	return out
}

// finish checks the delta at path on the dev set, calibrates it, and fills the report.
func finish(ctx context.Context, path string, o *Options, d *examples.Data, info func(*delta.Info), report *Report) error {
	result, err := classify(ctx, path, o.BaseDir, d.Dev, d.Labels, o.MaxTokens)
	if err != nil {
		return fmt.Errorf("tune: the new delta does not work: %w", err)
	}
	gold, labels := golds(d.Dev), len(d.Labels)
	logits := slices.Concat(result.Scores...)
	if d.Problem != models.Regression {
		report.Temperature = calibrate.Temperature(logits, labels, gold, d.Problem)
	}
	result.Temperature = cmp.Or(report.Temperature, 1)
	probabilities := slices.Clone(logits)
	for i := range gold {
		result.Probabilities(d.Problem, probabilities[i*labels:][:labels])
	}
	switch d.Problem {
	case models.MultiLabel:
		report.Thresholds = calibrate.Thresholds(probabilities, labels, gold)
		result.Thresholds = report.Thresholds
	case models.SingleLabel:
		before := slices.Clone(logits)
		for i := range gold {
			d.Problem.Scores(before[i*labels:][:labels])
		}
		report.CalibrationBefore, report.CalibrationAfter = calibrate.Error(before, labels, gold), calibrate.Error(probabilities, labels, gold)
		report.Confusions, report.Mistakes = confusions(probabilities, d), mistakes(probabilities, d)
	}
	if report.Dev, err = evaluate.Logits(result, gold); err != nil {
		return err
	}
	if err := delta.Rewrite(path, func(i *delta.Info) {
		info(i)
		i.Temperature, i.Thresholds = report.Temperature, report.Thresholds
	}); err != nil {
		return err
	}
	file, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("tune: %w", err)
	}
	report.Bytes = file.Size()
	return nil
}

// Bounds of the lists in a report.
const (
	maxConfusions = 20
	maxMistakes   = 20
)

// prediction returns the label with the highest probability.
func prediction(probabilities []float32, i, labels int) int {
	row := probabilities[i*labels:][:labels]
	return slices.Index(row, slices.Max(row))
}

// confusions counts pairs of labels that are taken for each other, the most frequent first.
func confusions(probabilities []float32, d *examples.Data) []Confusion {
	counts := map[[2]int]int{}
	for i := range d.Dev {
		if p := prediction(probabilities, i, len(d.Labels)); p != d.Dev[i].Class {
			counts[[2]int{d.Dev[i].Class, p}]++
		}
	}
	var out []Confusion
	for pair, n := range counts {
		out = append(out, Confusion{d.Labels[pair[0]], d.Labels[pair[1]], n})
	}
	slices.SortFunc(out, func(a, b Confusion) int {
		return cmp.Or(-cmp.Compare(a.Texts, b.Texts), cmp.Compare(a.Label, b.Label), cmp.Compare(a.Predicted, b.Predicted))
	})
	return out[:min(len(out), maxConfusions)]
}

// mistakes lists the wrong predictions with the highest probabilities.
func mistakes(probabilities []float32, d *examples.Data) []Mistake {
	var out []Mistake
	for i, e := range d.Dev {
		if p := prediction(probabilities, i, len(d.Labels)); p != e.Class {
			text := e.Text
			if e.Pair != nil {
				text += " / " + *e.Pair
			}
			out = append(out, Mistake{Row: e.Row, Text: text, Label: d.Labels[e.Class], Predicted: d.Labels[p], Confidence: float64(probabilities[i*len(d.Labels)+p])})
		}
	}
	slices.SortStableFunc(out, func(a, b Mistake) int { return -cmp.Compare(a.Confidence, b.Confidence) })
	return out[:min(len(out), maxMistakes)]
}
