package examples

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"kenserve/models"
)

// Names of class weights.
const (
	weightsNone = "none"
	weightsAuto = "auto"
)

// maxAutoWeight bounds the weight that "auto" gives a label of several a text.
const maxAutoWeight = 10

// ClassWeights returns the weight of each label in the loss, nil if all are 1. The text is
//
//	none, or empty   all labels weigh 1
//	auto             with one label a text, n/(k·nᵢ) for a label with nᵢ of n texts, of k
//	                 labels; with several, (n − nᵢ)/nᵢ but at most 10
//	LABEL=W,…        W for these labels, 1 for the others
//
// auto is as scikit-learn's "balanced", and as PyTorch's pos_weight is mostly set.
func ClassWeights(text string, d *Data) ([]float64, error) {
	switch {
	case text == "" || text == weightsNone:
		return nil, nil
	case d.Problem == models.Regression:
		return nil, fmt.Errorf("class weights are %q, but a regression has no classes", text)
	case text == weightsAuto:
		return autoWeights(d), nil
	}
	weights := make([]float64, len(d.Labels))
	for i := range weights {
		weights[i] = 1
	}
	given := map[int]bool{}
	for rest := text; rest != ""; {
		label, value, after, ok := nextWeight(rest, d.Labels)
		if !ok {
			return nil, fmt.Errorf("class weights: %q does not begin with LABEL=WEIGHT of a label: %s", rest, list(d.Labels))
		}
		w, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(w >= 0) || math.IsInf(w, 0) {
			return nil, fmt.Errorf("class weights: the weight of %s is %q, want a number from 0 on", d.Labels[label], value)
		}
		if given[label] {
			return nil, fmt.Errorf("class weights: %s is given twice", d.Labels[label])
		}
		weights[label], given[label] = w, true
		rest = after
	}
	return weights, nil
}

// nextWeight cuts LABEL=VALUE off the text, up to a comma. A label may have commas and equals
// signs itself: the longest label counts that fits.
func nextWeight(text string, labels []string) (label int, value, rest string, ok bool) {
	text = strings.TrimLeft(text, " ")
	longest := -1
	for i, l := range labels {
		if after, found := strings.CutPrefix(text, l+"="); found && len(l) > longest {
			longest, label, ok = len(l), i, true
			value, rest, _ = strings.Cut(after, ",")
		}
	}
	return label, value, rest, ok
}

func autoWeights(d *Data) []float64 {
	counts := Count(d.Train, d.Problem, len(d.Labels))
	weights := make([]float64, len(counts))
	occurring := 0
	for _, n := range counts {
		if n > 0 {
			occurring++
		}
	}
	for i, n := range counts {
		switch {
		case n == 0:
			weights[i] = 1
		case d.Problem == models.MultiLabel:
			weights[i] = min(maxAutoWeight, float64(len(d.Train)-n)/float64(n))
		default:
			weights[i] = float64(len(d.Train)) / float64(occurring*n)
		}
	}
	return weights
}
