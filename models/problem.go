package models

import (
	"fmt"
	"math"
)

// Problem is what a classifier's logits mean, in the words of Hugging Face's
// problem_type. It decides how they become scores.
type Problem string

const (
	SingleLabel Problem = "single_label_classification" // one of the labels: softmax
	MultiLabel  Problem = "multi_label_classification"  // any of the labels: sigmoid of each
	Regression  Problem = "regression"                  // the value itself
)

// ParseProblem interprets a problem_type, which is empty where the
// configuration has none. The rule is that of Hugging Face's text
// classification pipeline (transformers 4.57): a single label that is not a
// regression is scored by sigmoid, as multi-label classification is; without a
// problem_type, more than one label means single-label classification.
func ParseProblem(problemType string, labels int) (Problem, error) {
	switch p := Problem(problemType); p {
	case Regression, MultiLabel:
		return p, nil
	case SingleLabel, "":
		if labels == 1 {
			return MultiLabel, nil
		}
		return SingleLabel, nil
	}
	return "", fmt.Errorf("models: problem_type %q, want %s, %s or %s", problemType, SingleLabel, MultiLabel, Regression)
}

// Scores turns one sequence's logits into scores, in place.
func (p Problem) Scores(logits []float32) {
	switch p {
	case SingleLabel:
		top := math.Inf(-1)
		for _, x := range logits {
			top = math.Max(top, float64(x))
		}
		sum := 0.0
		for _, x := range logits {
			sum += math.Exp(float64(x) - top)
		}
		for i, x := range logits {
			logits[i] = float32(math.Exp(float64(x)-top) / sum)
		}
	case MultiLabel:
		for i, x := range logits {
			logits[i] = float32(1 / (1 + math.Exp(-float64(x))))
		}
	}
}
