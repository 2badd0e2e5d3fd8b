package auto

import (
	"math"
	"math/rand/v2"
	"testing"
)

// someLogits returns random logits, [texts, labels], that favour the right label.
func someLogits(seed uint64, texts, labels int) (logits []float32, gold []int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for range texts {
		label := rng.IntN(labels)
		gold = append(gold, label)
		for l := range labels {
			x := rng.NormFloat64()
			if l == label {
				x += 1.5
			}
			logits = append(logits, float32(x))
		}
	}
	return logits, gold
}

// naiveLoss is the portable reference: the mean of −log softmax(β·logits) at the label.
func naiveLoss(logits []float32, labels int, gold []int, beta float64) float64 {
	sum := 0.0
	for i, label := range gold {
		total := 0.0
		for _, x := range logits[i*labels:][:labels] {
			total += math.Exp(beta * float64(x))
		}
		sum -= beta*float64(logits[i*labels+label]) - math.Log(total)
	}
	return sum / float64(len(gold))
}

// TestCalibratedLoss checks that the loss is the minimum over β, and that it does not
// change when all logits are multiplied by a constant.
func TestCalibratedLoss(t *testing.T) {
	for seed := range uint64(5) {
		labels := 2 + int(seed)
		logits, gold := someLogits(seed, 300, labels)
		got, _ := calibratedLoss(logits, labels, gold)
		smallest := math.Inf(1)
		for log := -6.0; log <= 6; log += 0.01 {
			smallest = min(smallest, naiveLoss(logits, labels, gold, math.Exp(log)))
		}
		if math.Abs(got-smallest) > 1e-5 {
			t.Errorf("%d labels: loss %g, want the minimum %g", labels, got, smallest)
		}
		scaled := make([]float32, len(logits))
		for i, x := range logits {
			scaled[i] = 8 * x
		}
		if again, _ := calibratedLoss(scaled, labels, gold); math.Abs(again-got) > 1e-5 {
			t.Errorf("%d labels: loss %g, of logits times eight %g, want the same", labels, got, again)
		}
	}
}

func TestScoreOf(t *testing.T) {
	j := scoreOf([]float32{3, 1, 2, 5, 5, 4}, 3, []int{0, 1})
	if !j.right[0] || j.right[1] || j.decisions[1] != 0 || j.accuracy != 0.5 {
		t.Errorf("%+v, want the first label for equal logits", j)
	}
	if j := scoreOf([]float32{3, 1, 0, 2}, 2, []int{0, 1}); j.accuracy != 1 || j.loss > 1e-9 {
		t.Errorf("%+v, want accuracy 1 and a loss of nearly 0", j)
	}
}

// interval returns the 95% interval of the bootstrap.
func interval(a, b []bool) (low, high float64) {
	var changes []float64
	for i := range a {
		switch {
		case a[i] && !b[i]:
			changes = append(changes, 1)
		case b[i] && !a[i]:
			changes = append(changes, -1)
		}
	}
	means := bootstrap(changes, len(a))
	return means[bootstrapDraws*25/1000], means[bootstrapDraws*975/1000-1]
}

// TestInterval checks that for many texts the interval is close to that of the normal
// distribution, and that it is empty if all decisions are equal.
func TestInterval(t *testing.T) {
	const texts = 5000
	rng := rand.New(rand.NewPCG(1, 2))
	a, b := make([]bool, texts), make([]bool, texts)
	sum, squares := 0.0, 0.0
	for i := range a {
		b[i] = rng.Float64() < 0.8
		a[i] = b[i]
		if rng.Float64() < 0.1 {
			a[i] = !b[i]
		}
		d := 0.0
		if a[i] != b[i] {
			if d = -1; a[i] {
				d = 1
			}
		}
		sum, squares = sum+d, squares+d*d
	}
	mean := sum / texts
	half := 1.96 * math.Sqrt((squares/texts-mean*mean)/texts)
	low, high := interval(a, b)
	if math.Abs(low-(mean-half)) > 0.1*half || math.Abs(high-(mean+half)) > 0.1*half {
		t.Errorf("%g to %g, want about %g to %g", low, high, mean-half, mean+half)
	}
	if low, high := interval(a, a); low != 0 || high != 0 {
		t.Errorf("%g to %g for equal decisions, want 0 to 0", low, high)
	}
	if low2, high2 := interval(b, a); math.Abs(low2+high) > 0.1*half || math.Abs(high2+low) > 0.1*half {
		t.Errorf("%g to %g with the models swapped, want about %g to %g", low2, high2, -high, -low)
	}
}
