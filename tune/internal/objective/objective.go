// Package objective has the losses that classifiers are trained with, on the tape of spago.
//
// # Formulas
//
// A step has n sequences with logits x, [n, k]. With a weight s of each sequence, 1 unless the
// data has one, and cᵢ of each class:
//
// Cross entropy, for one label y a sequence, with label smoothing ε:
//
//	L = Σ s·[(1 − ε)·c_y·(−log p_y) + ε/k·Σⱼ cⱼ·(−log pⱼ)] / Σ s·c_y    p = softmax(x)
//
// Binary cross entropy, for several labels a sequence, with targets t of 0 and 1 that
// smoothing moves to ε/2 and 1 − ε/2, and cⱼ the weight of the positive side:
//
//	L = Σ s·Σⱼ [cⱼ·tⱼ·(−log σ(xⱼ)) + (1 − tⱼ)·(−log σ(−xⱼ))] / (k·Σ s)
//
// Mean squared error, for a regression:
//
//	L = Σ s·(x − y)² / Σ s
//
// These are PyTorch's cross_entropy, binary_cross_entropy_with_logits with pos_weight, and
// mse_loss, as the heads of transformers use them.
//
// # A teacher
//
// With a teacher's logits z, a share α of the loss is the divergence from the teacher at a
// temperature T (Hinton et al., 2015):
//
//	D = T²·Σ s·Σⱼ softmax(z/T)ⱼ·(log softmax(z/T)ⱼ − log softmax(x/T)ⱼ) / Σ s
//
// the same with a Bernoulli distribution for each of several labels, divided by k, and the
// mean squared error from z for a regression.
//
// A step may be computed in parts: the denominators are those of the whole step.
package objective

import (
	"fmt"
	"math"

	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"

	"kenserve/models"
	"kenserve/tune/internal/tape"
)

// Objective is what a run minimises.
type Objective struct {
	Problem      models.Problem
	Labels       int       // k
	ClassWeights []float64 // c, one for each label; nil: all 1. Not for a regression
	Smoothing    float64   // ε, in [0, 1)
	// TeacherShare is α, in [0, 1]; 0: there is no teacher.
	TeacherShare float64
}

// Target is what one sequence should be.
type Target struct {
	Class   int     // for one label
	Classes []int   // for several labels
	Value   float64 // for a regression
	Weight  float64 // s
	Teacher []float32
}

// Check returns an error unless the fields fit each other.
func (o *Objective) Check() error {
	switch {
	case o.ClassWeights != nil && (len(o.ClassWeights) != o.Labels || o.Problem == models.Regression):
		return fmt.Errorf("objective: %d class weights for %d labels of %s", len(o.ClassWeights), o.Labels, o.Problem)
	case !(o.Smoothing >= 0 && o.Smoothing < 1):
		return fmt.Errorf("objective: label smoothing is %g, want at least 0 and below 1", o.Smoothing)
	case !(o.TeacherShare >= 0 && o.TeacherShare <= 1):
		return fmt.Errorf("objective: the teacher's share is %g, want 0 to 1", o.TeacherShare)
	}
	return nil
}

// Total is the weight of a step: the denominators of its loss.
type Total struct {
	labels  float64 // Σ s·c_y for one label, Σ s otherwise
	weights float64 // Σ s
}

// Total returns the weight of a step with these targets.
func (o *Objective) Total(targets []Target) Total {
	var t Total
	for i := range targets {
		s := targets[i].Weight
		t.weights += s
		if o.Problem == models.SingleLabel {
			s *= o.classWeight(targets[i].Class)
		}
		t.labels += s
	}
	return t
}

func (o *Objective) classWeight(class int) float64 {
	if o.ClassWeights == nil {
		return 1
	}
	return o.ClassWeights[class]
}

// Loss returns the share of a part in the loss of its step, a scalar on the tape. logits are
// [len(targets), k]; total is that of the whole step.
func (o *Objective) Loss(logits mat.Tensor, targets []Target, total Total) mat.Tensor {
	var loss mat.Tensor
	if o.TeacherShare < 1 && total.labels > 0 {
		loss = o.labelLoss(logits, targets, (1-o.TeacherShare)/total.labels)
	}
	if o.TeacherShare > 0 && total.weights > 0 {
		loss = ag.Add(loss, o.teacherLoss(logits, targets, o.TeacherShare/total.weights))
	}
	if loss == nil { // all weights are 0
		return tape.Weighted(logits, make([]float32, len(targets)*o.Labels))
	}
	return loss
}

// labelLoss is scale times the numerator of the loss.
func (o *Objective) labelLoss(logits mat.Tensor, targets []Target, scale float64) mat.Tensor {
	k := o.Labels
	switch o.Problem {
	case models.SingleLabel:
		c := make([]float32, len(targets)*k)
		for i, t := range targets {
			s := -scale * t.Weight
			for j := range k {
				share := o.Smoothing / float64(k)
				if j == t.Class {
					share += 1 - o.Smoothing
				}
				c[i*k+j] = float32(s * share * o.classWeight(j))
			}
		}
		return tape.Weighted(tape.LogSoftmax(logits), c)
	case models.MultiLabel:
		yes, no := make([]float32, len(targets)*k), make([]float32, len(targets)*k)
		for i, t := range targets {
			s := -scale * t.Weight / float64(k)
			target := make([]float64, k)
			for _, class := range t.Classes {
				target[class] = 1
			}
			for j, x := range target {
				x = x*(1-o.Smoothing) + o.Smoothing/2
				yes[i*k+j], no[i*k+j] = float32(s*x*o.classWeight(j)), float32(s*(1-x))
			}
		}
		return bernoulli(logits, yes, no)
	}
	want := make([]float32, len(targets))
	c := make([]float32, len(targets))
	for i, t := range targets {
		want[i], c[i] = float32(t.Value), float32(scale*t.Weight)
	}
	return squares(logits, want, c)
}

// bernoulli is Σ yes·log σ(x) + no·log σ(−x).
func bernoulli(logits mat.Tensor, yes, no []float32) mat.Tensor {
	return ag.Add(tape.Weighted(tape.LogSigmoid(logits), yes), tape.Weighted(tape.LogSigmoid(ag.Neg(logits)), no))
}

// squares is Σ c·(x − want)².
func squares(logits mat.Tensor, want, c []float32) mat.Tensor {
	shape := logits.Shape()
	d := ag.Sub(logits, tape.Constant(want, shape[0], shape[1]))
	return tape.Weighted(ag.Square(d), c)
}

// temperature is T, which softens the scores of the teacher and of the model.
const temperature = 2.0

// teacherLoss is scale times the numerator of D.
func (o *Objective) teacherLoss(logits mat.Tensor, targets []Target, scale float64) mat.Tensor {
	k := o.Labels
	if o.Problem == models.Regression {
		want, c := make([]float32, len(targets)), make([]float32, len(targets))
		for i, t := range targets {
			want[i], c[i] = t.Teacher[0], float32(scale*t.Weight)
		}
		return squares(logits, want, c)
	}
	softer := ag.ProdScalar(logits, mat.Scalar(float32(1/temperature)))
	scale *= temperature * temperature
	entropy := 0.0 // Σ p·log p, which the tape does not need
	yes, no := make([]float32, len(targets)*k), make([]float32, len(targets)*k)
	for i, t := range targets {
		p := make([]float32, k)
		for j, z := range t.Teacher {
			p[j] = float32(float64(z) / temperature)
		}
		o.Problem.Scores(p)
		s := scale * t.Weight
		if o.Problem == models.MultiLabel {
			s /= float64(k)
		}
		for j, q := range p {
			yes[i*k+j], no[i*k+j] = float32(-s*float64(q)), float32(-s*float64(1-q))
			entropy += s * xlogx(float64(q))
			if o.Problem == models.MultiLabel {
				entropy += s * xlogx(float64(1-q))
			}
		}
	}
	constant := mat.Scalar(float32(entropy))
	if o.Problem == models.SingleLabel {
		return ag.Add(tape.Weighted(tape.LogSoftmax(softer), yes), constant)
	}
	return ag.Add(bernoulli(softer, yes, no), constant)
}

func xlogx(p float64) float64 {
	if p <= 0 {
		return 0
	}
	return p * math.Log(p)
}
