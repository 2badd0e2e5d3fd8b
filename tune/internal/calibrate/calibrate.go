// Package calibrate fits what turns logits into probabilities and decisions: a temperature,
// and a threshold for each of several labels. Both are fitted on texts that training has not
// seen.
package calibrate

import (
	"cmp"
	"math"
	"slices"

	"kenserve/evaluate"
	"kenserve/models"
)

// Temperature returns the positive number by which logits are divided (Guo et al., 2017,
// "On Calibration of Modern Neural Networks"). It minimises the mean negative logarithm of
// the probability of the labels, plus (log T)²/(2n) for n texts: on few texts it stays near
// 1, even if all are classified correctly. It is 1 for a regression. logits are
// [len(gold), labels].
func Temperature(logits []float32, labels int, gold []evaluate.Gold, problem models.Problem) float64 {
	if problem == models.Regression || len(gold) == 0 {
		return 1
	}
	loss := func(log float64) float64 {
		temperature, sum := math.Exp(log), log*log/2
		for i := range gold {
			sum += negativeLog(logits[i*labels:][:labels], temperature, &gold[i], problem)
		}
		return sum
	}
	return math.Exp(minimum(loss, math.Log(1.0/16), math.Log(16)))
}

// negativeLog returns −log of the probability of a text's labels.
func negativeLog(row []float32, temperature float64, gold *evaluate.Gold, problem models.Problem) float64 {
	if problem == models.SingleLabel {
		top, sum := math.Inf(-1), 0.0
		for _, x := range row {
			top = max(top, float64(x)/temperature)
		}
		for _, x := range row {
			sum += math.Exp(float64(x)/temperature - top)
		}
		return top + math.Log(sum) - float64(row[gold.Class])/temperature
	}
	sum := 0.0
	for j, x := range row {
		x := float64(x) / temperature
		if _, has := slices.BinarySearch(gold.Classes, j); has {
			x = -x
		}
		sum += max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) // log(1 + e^x)
	}
	return sum
}

// minimum returns where f, which falls and then rises, is smallest between low and high.
func minimum(f func(float64) float64, low, high float64) float64 {
	const section = 0.6180339887498949 // golden-section search
	a, b := high-section*(high-low), low+section*(high-low)
	atA, atB := f(a), f(b)
	for high-low > 1e-4 {
		if atA < atB {
			high, b, atB = b, a, atA
			a = high - section*(high-low)
			atA = f(a)
		} else {
			low, a, atA = a, b, atB
			b = low + section*(high-low)
			atB = f(b)
		}
	}
	return (low + high) / 2
}

// Bounds of Thresholds.
const (
	minPositives = 5    // texts with a label from which its threshold is fitted
	minGain      = 1e-9 // by which F1 must be better than at 0.5
	lowest       = 0.05
	highest      = 0.95
)

// Thresholds returns, for each label, the probability from which predicting it gives the best
// F1. It is 0.5 for a label that fewer than 5 texts have, or if no other is better.
// probabilities are [len(gold), labels].
func Thresholds(probabilities []float32, labels int, gold []evaluate.Gold) []float64 {
	out := make([]float64, labels)
	for j := range out {
		out[j] = threshold(probabilities, labels, gold, j)
	}
	return out
}

// scored is a text's probability of a label, and whether it has the label.
type scored struct {
	p   float64
	has bool
}

func threshold(probabilities []float32, labels int, gold []evaluate.Gold, label int) float64 {
	texts := make([]scored, len(gold))
	positives, right, predicted := 0, 0, 0 // the last two at 0.5
	for i := range gold {
		_, has := slices.BinarySearch(gold[i].Classes, label)
		texts[i] = scored{float64(probabilities[i*labels+label]), has}
		if has {
			positives++
		}
		if texts[i].p > 0.5 {
			predicted++
			if has {
				right++
			}
		}
	}
	if positives < minPositives {
		return 0.5
	}
	slices.SortFunc(texts, func(a, b scored) int { return cmp.Compare(b.p, a.p) })
	f1 := func(right, predicted int) float64 { return 2 * float64(right) / float64(positives+predicted) }
	best, bestF1 := 0.5, f1(right, predicted)+minGain
	right = 0
	for i, t := range texts[:len(texts)-1] {
		if t.has {
			right++
		}
		next := texts[i+1].p
		at := (t.p + next) / 2
		if t.p == next || at < lowest || at > highest {
			continue
		}
		if f := f1(right, i+1); f > bestF1 || f == bestF1 && math.Abs(at-0.5) < math.Abs(best-0.5) {
			best, bestF1 = at, f
		}
	}
	return best
}

// Error returns the expected calibration error of one label a text: the mean, over texts, of
// the distance between the confidence and the accuracy of the texts with similar confidence,
// in 10 bins of equal width. probabilities are [len(gold), labels].
func Error(probabilities []float32, labels int, gold []evaluate.Gold) float64 {
	var confidence, right [10]float64
	for i := range gold {
		row := probabilities[i*labels:][:labels]
		top := slices.Max(row)
		bin := min(9, int(10*top))
		confidence[bin] += float64(top)
		if slices.Index(row, top) == gold[i].Class {
			right[bin]++
		}
	}
	sum := 0.0
	for b := range confidence {
		sum += math.Abs(confidence[b] - right[b])
	}
	return sum / float64(len(gold))
}
