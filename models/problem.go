package models

import (
	"fmt"
	"math"
)

// Problem is the meaning of a classifier's logits, as in problem_type of a
// Hugging Face config.json. It decides how scores are computed from logits.
type Problem string

const (
	SingleLabel Problem = "single_label_classification" // exactly one label applies: softmax
	MultiLabel  Problem = "multi_label_classification"  // any number of labels applies: sigmoid of each
	Regression  Problem = "regression"                  // scores are the logits
)

// ParseProblem interprets a problem_type, which is empty if the configuration
// has none. It follows the text classification pipeline of transformers 4.57.
// A model with one label uses the sigmoid, like multi-label classification,
// unless it is a regression. Without a problem_type, a model with several
// labels is single-label classification.
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
	return "", fmt.Errorf("models: unknown problem_type %q; supported are %s, %s and %s", problemType, SingleLabel, MultiLabel, Regression)
}

// Scores replaces the logits of one sequence by scores.
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
