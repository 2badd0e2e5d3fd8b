// Package evaluate scores a classifier on labelled texts. The task's problem_type decides
// how: see [SingleLabel], [MultiLabel] and [Regression].
//
// # One label a text, and several
//
// For a class, let correct be the texts that have its label and are predicted as it.
//
//	precision = correct / texts predicted as the class
//	recall    = correct / texts with the label
//	F1        = 2·correct / (texts with the label + texts predicted as the class)
//
// F1 is the harmonic mean of precision and recall. A share with a denominator of 0 is 0.
//
// With one label a text, a text is predicted as the class of its highest score; of equal
// ones the first counts. Accuracy is the share of texts that are predicted correctly.
// Macro F1 is the mean of F1 over the classes that occur among the labels or the
// predictions.
//
// With several labels a text, a text is predicted as every class whose probability, the
// sigmoid of its logit, is above 0.5, or at least its threshold if the task has thresholds. Micro F1 is F1 of the sums over all classes of
// correct, labels and predictions. Macro F1 is the mean of F1 over all classes. Subset
// accuracy is the share of texts for which exactly the right labels are predicted.
//
// Both are as scikit-learn computes them (f1_score with zero_division=0, accuracy_score).
//
// # Regression
//
// For labels y and predictions p of n texts, with means Y and P:
//
//	MSE     = Σ (p − y)² / n
//	Pearson = Σ (p − P)(y − Y) / √(Σ (p − P)² · Σ (y − Y)²)
//
// Spearman is Pearson of the ranks, where equal values share the mean of their ranks.
// Pearson and Spearman are not defined for fewer than two texts, or if all labels or all
// predictions are equal. This is as scipy.stats computes pearsonr and spearmanr.
package evaluate

import (
	"context"
	"fmt"

	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/models"
	"kenserve/runtime"
)

// Report is the result of an evaluation: a *SingleLabel, a *MultiLabel or a *Regression.
type Report interface {
	add(scores []float32, label dataset.Label) error
	addGold(scores []float32, gold Gold)
	count(*runtime.Result)
	finish()
}

// Truncation says how many texts lost tokens. It is part of every report.
type Truncation struct {
	Truncated int `json:"truncated"`  // number of texts
	MaxTokens int `json:"max_tokens"` // to which they were truncated
}

func (t *Truncation) count(r *runtime.Result) {
	t.Truncated += r.Truncated
	t.MaxTokens = r.MaxTokens
}

// Run classifies labelled rows and compares the predictions with their labels. It calls
// progress after each batch. It is an error if a label is not one of the task's. Without
// any row the report is nil.
func Run(ctx context.Context, c *bulk.Classifier, in *dataset.Reader, progress func(*bulk.Batch)) (Report, error) {
	var report Report
	err := c.Stream(ctx, in, runtime.Options{Truncate: true, Raw: true}, func(b *bulk.Batch) error {
		if report == nil {
			var err error
			if report, err = newReport(b.Result); err != nil {
				return err
			}
		}
		for i, row := range b.Rows {
			if err := report.add(b.Result.Scores[i], row.Label); err != nil {
				return in.At(row, err)
			}
		}
		report.count(b.Result)
		progress(b)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if report != nil {
		report.finish()
	}
	return report, nil
}

// Gold is what a text's labels are, by their numbers: Class for one label a text, Classes for
// several, Value for a regression.
type Gold struct {
	Class   int
	Classes []int
	Value   float64
}

// Logits scores logits that are there already: r.Scores, one row for each of gold.
func Logits(r *runtime.Result, gold []Gold) (Report, error) {
	report, err := newReport(r)
	if err != nil {
		return nil, err
	}
	for i, g := range gold {
		report.addGold(r.Scores[i], g)
	}
	report.count(r)
	report.finish()
	return report, nil
}

func newReport(r *runtime.Result) (Report, error) {
	labels := r.Labels
	switch r.Problem {
	case models.MultiLabel:
		return newMultiLabel(labels, r.Thresholds, r.Temperature), nil
	case models.Regression:
		if len(labels) != 1 {
			return nil, fmt.Errorf("the task is a regression with %d outputs; it can only be scored with one", len(labels))
		}
		return &Regression{Kind: string(models.Regression)}, nil
	}
	return newSingleLabel(labels), nil
}
