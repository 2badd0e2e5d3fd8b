package auto

import (
	"math"
	"math/rand/v2"
	"slices"
)

// LossPerAccuracy is how much more loss goes with a loss of accuracy: a
// candidate may have that many times the tolerance in nats.
const lossPerAccuracy = 4

// judgement is how a delta does on the dev set.
type score struct {
	right         []bool // by text
	decisions     []int  // the label with the largest logit, by text
	accuracy      float64
	loss          float64
	probabilities []float64 // probabilities [texts, labels] at the β of the loss
}

// judge scores logits [texts, labels] against the texts' labels.
func scoreOf(logits []float32, labels int, gold []int) score {
	j := score{right: make([]bool, len(gold)), decisions: make([]int, len(gold))}
	right := 0
	for i, label := range gold {
		row := logits[i*labels:][:labels]
		for l, x := range row {
			if x > row[j.decisions[i]] {
				j.decisions[i] = l
			}
		}
		if j.right[i] = j.decisions[i] == label; j.right[i] {
			right++
		}
	}
	j.accuracy = float64(right) / float64(len(gold))
	var beta float64
	j.loss, beta = calibratedLoss(logits, labels, gold)
	j.probabilities = softmax(logits, labels, beta)
	return j
}

// shares returns softmax(β·logits).
func softmax(logits []float32, labels int, beta float64) []float64 {
	out := make([]float64, len(logits))
	for i := 0; i < len(logits); i += labels {
		row := logits[i:][:labels]
		total := logSum(row, beta)
		for l, x := range row {
			out[i+l] = math.Exp(beta*float64(x) - total)
		}
	}
	return out
}

// logSum is log Σ exp(β·x).
func logSum(row []float32, beta float64) float64 {
	top, sum := float64(slices.Max(row)), 0.0
	for _, x := range row {
		sum += math.Exp(beta * (float64(x) - top))
	}
	return math.Log(sum) + beta*top
}

// apart is the Kullback-Leibler divergence of q from p, probabilities [texts,
// labels], in nats a text.
func klDivergence(p, q []float64, labels int) float64 {
	// A probability that underflowed is not an infinite surprise.
	const least = 1e-30
	sum := 0.0
	for i := range p {
		sum += p[i] * math.Log(max(p[i], least)/max(q[i], least))
	}
	return sum * float64(labels) / float64(len(p))
}

// calibratedLoss is the mean of −log softmax(β·logits) at the label, for the β
// between e^−6 and e^6 that makes it smallest, and that β. The loss is convex in
// β, so that the golden section finds it.
func calibratedLoss(logits []float32, labels int, gold []int) (least, beta float64) {
	loss := func(logBeta float64) float64 {
		beta, sum := math.Exp(logBeta), 0.0
		for i, label := range gold {
			row := logits[i*labels:][:labels]
			sum += logSum(row, beta) - beta*float64(row[label])
		}
		return sum / float64(len(gold))
	}
	const section = 0.6180339887498949
	low, high := -6.0, 6.0
	a, b := high-section*(high-low), low+section*(high-low)
	atA, atB := loss(a), loss(b)
	for high-low > 0.005 {
		if atA < atB {
			high, b, atB = b, a, atA
			a = high - section*(high-low)
			atA = loss(a)
		} else {
			low, a, atA = a, b, atB
			b = low + section*(high-low)
			atB = loss(b)
		}
	}
	if atA < atB {
		return atA, math.Exp(a)
	}
	return atB, math.Exp(b)
}

// draws is how often the bootstrap draws as many texts as there are.
const bootstrapDraws = 10_000

// bootstrap returns the mean change in the draws of a bootstrap of so many texts,
// rising. All texts but those listed change by 0.
//
// How many of these a draw has is binomial, and each of them is any of the list.
func bootstrap(changes []float64, texts int) []float64 {
	means := make([]float64, bootstrapDraws)
	if len(changes) == 0 {
		return means
	}
	counts := binomialCDF(texts, float64(len(changes))/float64(texts))
	rng := rand.New(rand.NewPCG(uint64(texts), uint64(len(changes))))
	for d := range means {
		n, _ := slices.BinarySearch(counts, rng.Float64())
		sum := 0.0
		for range n {
			sum += changes[rng.IntN(len(changes))]
		}
		means[d] = sum / float64(texts)
	}
	slices.Sort(means)
	return means
}

// binomial returns the distribution function of the number of successes in n
// trials of probability p, at 0 to n.
func binomialCDF(n int, p float64) []float64 {
	choose := func(k int) float64 { // log of n over k
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(k + 1))
		c, _ := math.Lgamma(float64(n - k + 1))
		return a - b - c
	}
	out := make([]float64, n+1)
	sum := 0.0
	for k := range out {
		switch {
		case p < 1:
			sum += math.Exp(choose(k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
		case k == n:
			sum = 1
		}
		out[k] = sum
	}
	out[n] = 1
	return out
}
