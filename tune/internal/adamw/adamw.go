// Package adamw updates weights as PyTorch's AdamW does (Loshchilov and Hutter, 2019), with
// its learning rate schedules and its clipping of gradients.
//
// # Formula
//
// With the gradient g of a weight p, step t from 1, and the two averages m and v:
//
//	p ← p − lr·decay·p
//	m ← m + (1 − β1)·(g − m)
//	v ← β2·v + (1 − β2)·g²
//	p ← p − lr/(1 − β1ᵗ) · m / (√v/√(1 − β2ᵗ) + ε)
//
// as torch.optim.AdamW of PyTorch 2 computes it: averages are float32, factors that are the
// same for all weights are computed in float64.
//
// A tensor may be updated at some of its positions only. Its averages then have a value for
// each of these positions, so that they take no more memory than what is trained.
package adamw

import (
	"fmt"
	"math"
)

// The constants of PyTorch's defaults.
const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

// Tensor is a set of weights that are trained with the same rate and decay.
type Tensor struct {
	Name string
	// Weights are all weights of the tensor.
	Weights []float32
	// Positions are the indices in Weights that are trained; nil: all of them.
	Positions []int32
	// Gradient has one value for each trained weight, in the order of Positions.
	Gradient []float32
	// Rate multiplies the learning rate of the step.
	Rate float64
	// Decay is the weight decay: the share of a weight by which it shrinks in a step with a
	// learning rate of 1.
	Decay float64
}

// trained returns the number of weights that are trained.
func (t *Tensor) trained() int {
	if t.Positions != nil {
		return len(t.Positions)
	}
	return len(t.Weights)
}

// State holds the averages of one tensor, with a value for each trained weight.
type State struct {
	Mean   []float32 // m
	Square []float32 // v
}

// Optimizer updates tensors. Its zero value is not ready; see New.
type Optimizer struct {
	tensors []*Tensor
	states  []State
	step    int
}

// New returns an optimizer of these tensors, at step 0. Gradients and weights are read and
// written by Step; the tensors stay the caller's.
func New(tensors []*Tensor) (*Optimizer, error) {
	o := &Optimizer{tensors: tensors, states: make([]State, len(tensors))}
	for i, t := range tensors {
		n := t.trained()
		if len(t.Gradient) != n {
			return nil, fmt.Errorf("adamw: tensor %s has %d gradients, want %d", t.Name, len(t.Gradient), n)
		}
		o.states[i] = State{Mean: make([]float32, n), Square: make([]float32, n)}
	}
	return o, nil
}

// Steps returns the number of updates so far.
func (o *Optimizer) Steps() int { return o.step }

// States returns the averages of all tensors, in their order. A caller that restores a run
// writes into them, and calls SetSteps.
func (o *Optimizer) States() []State { return o.states }

// SetSteps sets the number of updates so far.
func (o *Optimizer) SetSteps(n int) { o.step = n }

// Step updates all weights with this learning rate. Gradients stay as they are.
func (o *Optimizer) Step(rate float64) {
	o.step++
	bias1 := 1 - math.Pow(beta1, float64(o.step))
	root2 := math.Sqrt(1 - math.Pow(beta2, float64(o.step)))
	for i, t := range o.tensors {
		lr := rate * t.Rate
		u := update{shrink: float32(1 - lr*t.Decay), root2: float32(root2), stepSize: float32(lr / bias1)}
		u.run(t, o.states[i])
	}
}

// update holds the factors of a step that all weights of a tensor share.
type update struct {
	shrink   float32 // 1 − lr·decay
	root2    float32 // √(1 − β2ᵗ)
	stepSize float32 // lr/(1 − β1ᵗ)
}

func (u update) run(t *Tensor, s State) {
	if t.Positions == nil {
		for i, g := range t.Gradient {
			t.Weights[i] = u.next(t.Weights[i], g, &s.Mean[i], &s.Square[i])
		}
		return
	}
	for i, at := range t.Positions {
		t.Weights[at] = u.next(t.Weights[at], t.Gradient[i], &s.Mean[i], &s.Square[i])
	}
}

// next returns the weight p after a step with gradient g. The conversions keep the compiler
// from fusing operations, so that every machine gets the same bits.
func (u update) next(p, g float32, mean, square *float32) float32 {
	const one1, one2 = float32(1 - beta1), float32(1 - beta2)
	p = float32(p * u.shrink)
	m := *mean + float32(one1*(g-*mean))
	v := float32(beta2**square) + float32(float32(one2*g)*g)
	*mean, *square = m, v
	root := float32(math.Sqrt(float64(v)))
	return p - float32(u.stepSize*float32(m/(float32(root/u.root2)+epsilon)))
}

// Norm returns the Euclidean norm of all gradients together. It is computed in float64 in
// the order of the tensors, so that it does not depend on the machine.
func Norm(tensors []*Tensor) float64 {
	sum := 0.0
	for _, t := range tensors {
		for _, g := range t.Gradient {
			sum += float64(g) * float64(g)
		}
	}
	return math.Sqrt(sum)
}

// Clip scales all gradients so that their norm is at most limit, as PyTorch's
// clip_grad_norm_ does. It returns the norm before. A limit of 0 clips nothing.
func Clip(tensors []*Tensor, limit float64) float64 {
	norm := Norm(tensors)
	if limit <= 0 || norm+1e-6 <= limit {
		return norm
	}
	scale := float32(limit / (norm + 1e-6))
	for _, t := range tensors {
		for i := range t.Gradient {
			t.Gradient[i] *= scale
		}
	}
	return norm
}
