package auto

import (
	"math"
	"math/rand/v2"
	"slices"
)

// lossPerAccuracy converts the tolerance of the accuracy to one of the loss, in nats: a
// candidate's loss may exceed the full model's by lossPerAccuracy times the tolerance.
const lossPerAccuracy = 4

// score is how a model does on the dev set.
type score struct {
	right         []bool // for each text: the decision is the label
	decisions     []int  // for each text: the label with the largest logit
	accuracy      float64
	loss          float64   // in nats per text
	probabilities []float64 // [texts, labels], at the β of the loss
}

// scoreOf scores logits, [texts, labels], against the labels of the texts.
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

// softmax returns softmax(β·logits) of every text, [texts, labels].
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

// logSum returns log Σ exp(β·x).
func logSum(row []float32, beta float64) float64 {
	top, sum := float64(slices.Max(row)), 0.0
	for _, x := range row {
		sum += math.Exp(beta * (float64(x) - top))
	}
	return math.Log(sum) + beta*top
}

// klDivergence returns the mean Kullback-Leibler divergence Σ p·log(p/q) of q from p, in
// nats per text. p and q are probabilities, [texts, labels].
func klDivergence(p, q []float64, labels int) float64 {
	const floor = 1e-30 // keeps a probability that underflowed from giving an infinite divergence
	sum := 0.0
	for i := range p {
		sum += p[i] * math.Log(max(p[i], floor)/max(q[i], floor))
	}
	return sum * float64(labels) / float64(len(p))
}

// calibratedLoss returns the minimum over β of the mean of −log softmax(β·logits) at the
// label, in nats per text, and that β, which is between e^−6 and e^6. The loss is
// convex in β, so a golden-section search finds the minimum.
func calibratedLoss(logits []float32, labels int, gold []int) (loss, beta float64) {
	lossAt := func(logBeta float64) float64 {
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
	atA, atB := lossAt(a), lossAt(b)
	for high-low > 0.005 {
		if atA < atB {
			high, b, atB = b, a, atA
			a = high - section*(high-low)
			atA = lossAt(a)
		} else {
			low, a, atA = a, b, atB
			b = low + section*(high-low)
			atB = lossAt(b)
		}
	}
	if atA < atB {
		return atA, math.Exp(a)
	}
	return atB, math.Exp(b)
}

// bootstrapDraws is the number of samples that the bootstrap draws.
const bootstrapDraws = 10_000

// bootstrap returns the mean change per text in every draw of a bootstrap, sorted. There
// are texts texts; changes lists those whose change is not known to be 0.
//
// The number of listed texts in a draw has a binomial distribution, and each is equally
// likely to be any text of the list.
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

// binomialCDF returns the probability of at most k successes in n trials of probability
// p, for k = 0 … n.
func binomialCDF(n int, p float64) []float64 {
	logChoose := func(k int) float64 { // log of the binomial coefficient n over k
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
			sum += math.Exp(logChoose(k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
		case k == n:
			sum = 1
		}
		out[k] = sum
	}
	out[n] = 1
	return out
}
