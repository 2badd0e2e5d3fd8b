package calibrate

import (
	"math"
	"math/rand/v2"
	"testing"

	"kenserve/evaluate"
	"kenserve/models"
)

// TestTemperature draws labels from the softmax of logits, multiplies the logits, and finds
// the factor again.
func TestTemperature(t *testing.T) {
	const labels, texts = 4, 4000
	for _, problem := range []models.Problem{models.SingleLabel, models.MultiLabel} {
		for _, factor := range []float64{0.5, 1, 3} {
			rng := rand.New(rand.NewPCG(1, 2))
			logits, gold := make([]float32, 0, texts*labels), make([]evaluate.Gold, texts)
			for i := range gold {
				row := make([]float32, labels)
				for j := range row {
					row[j] = float32(2 * rng.NormFloat64())
				}
				p := append([]float32(nil), row...)
				problem.Scores(p)
				if problem == models.SingleLabel {
					for u := rng.Float64(); u > float64(p[gold[i].Class]) && gold[i].Class < labels-1; gold[i].Class++ {
						u -= float64(p[gold[i].Class])
					}
				} else {
					for j, x := range p {
						if rng.Float64() < float64(x) {
							gold[i].Classes = append(gold[i].Classes, j)
						}
					}
				}
				for _, x := range row {
					logits = append(logits, float32(factor*float64(x)))
				}
			}
			if got := Temperature(logits, labels, gold, problem); math.Abs(got/factor-1) > 0.08 {
				t.Errorf("%s: temperature %g, want about %g", problem, got, factor)
			}
		}
	}
}

func TestTemperatureOfFew(t *testing.T) {
	// All right: without its bound, the temperature would be 0.
	got := Temperature([]float32{4, 0, 0, 4, 3, 0}, 2, []evaluate.Gold{{Class: 0}, {Class: 1}, {Class: 0}}, models.SingleLabel)
	if !(got > 0.5 && got < 1) {
		t.Errorf("temperature of three texts is %g, want between 0.5 and 1", got)
	}
	if got := Temperature([]float32{1}, 1, []evaluate.Gold{{}}, models.Regression); got != 1 {
		t.Errorf("temperature of a regression is %g", got)
	}
}

func TestThresholds(t *testing.T) {
	var probabilities []float32
	var gold []evaluate.Gold
	add := func(p float32, has bool) {
		probabilities = append(probabilities, p, 0.9)
		g := evaluate.Gold{}
		if has {
			g.Classes = []int{0}
		}
		gold = append(gold, g)
	}
	for range 6 {
		add(0.3, true)
	}
	for range 20 {
		add(0.1, false)
	}
	got := Thresholds(probabilities, 2, gold)
	if math.Abs(got[0]-0.2) > 1e-6 || got[1] != 0.5 {
		t.Errorf("thresholds are %v, want 0.2 and 0.5", got)
	}
}

func TestError(t *testing.T) {
	// Confidence 0.8, three of four right: the error is 0.05.
	got := Error([]float32{.8, .2, .8, .2, .8, .2, .8, .2}, 2, []evaluate.Gold{{Class: 0}, {Class: 0}, {Class: 0}, {Class: 1}})
	if math.Abs(got-0.05) > 1e-6 {
		t.Errorf("error %g, want 0.05", got)
	}
}
