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
// A tensor may grow at its end between steps, as an embedding does when a token is seen for
// the first time. The averages of new weights begin at 0.
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

// Tensor is a set of weights that are trained with the same rate and decay. Weights and
// gradients stay the caller's, who may replace the slices between steps by longer ones.
type Tensor struct {
	Name     string
	Weights  *[]float32
	Gradient *[]float32 // one for each weight
	// Rate multiplies the learning rate of the step.
	Rate float64
	// Decay is the weight decay: the share of a weight by which it shrinks in a step with a
	// learning rate of 1.
	Decay float64
}

// State holds the averages of one tensor, one for each weight.
type State struct {
	Mean   []float32 // m
	Square []float32 // v
}

// Optimizer updates tensors.
type Optimizer struct {
	tensors []*Tensor
	states  []State
	step    int
}

// New returns an optimizer of these tensors, at step 0.
func New(tensors []*Tensor) *Optimizer {
	return &Optimizer{tensors: tensors, states: make([]State, len(tensors))}
}

// Steps returns the number of updates so far.
func (o *Optimizer) Steps() int { return o.step }

// States returns the averages of all tensors, in their order, to be saved.
func (o *Optimizer) States() []State { return o.states }

// Restore sets the averages and the number of updates so far, as they were saved.
func (o *Optimizer) Restore(states []State, steps int) error {
	if len(states) != len(o.tensors) {
		return fmt.Errorf("adamw: restore: %d tensors, want %d", len(states), len(o.tensors))
	}
	for i, s := range states {
		if len(s.Mean) != len(s.Square) || len(s.Mean) > len(*o.tensors[i].Weights) {
			return fmt.Errorf("adamw: restore: tensor %s has %d and %d averages for %d weights", o.tensors[i].Name, len(s.Mean), len(s.Square), len(*o.tensors[i].Weights))
		}
	}
	o.states, o.step = states, steps
	return nil
}

// Step updates all weights with this learning rate. Gradients stay as they are.
func (o *Optimizer) Step(rate float64) {
	o.step++
	bias1 := 1 - math.Pow(beta1, float64(o.step))
	root2 := math.Sqrt(1 - math.Pow(beta2, float64(o.step)))
	for i, t := range o.tensors {
		lr := rate * t.Rate
		u := update{shrink: float32(1 - lr*t.Decay), root2: float32(root2), stepSize: float32(lr / bias1)}
		s := &o.states[i]
		if n := len(*t.Weights) - len(s.Mean); n > 0 {
			s.Mean, s.Square = append(s.Mean, make([]float32, n)...), append(s.Square, make([]float32, n)...)
		}
		u.run(*t.Weights, *t.Gradient, s.Mean, s.Square)
	}
}

// update holds the factors of a step that all weights of a tensor share.
type update struct {
	shrink   float32 // 1 − lr·decay
	root2    float32 // √(1 − β2ᵗ)
	stepSize float32 // lr/(1 − β1ᵗ)
}

// run updates weights with their gradients and averages, which are equally long.
func (u update) run(weights, gradient, mean, square []float32) {
	gradient, mean, square = gradient[:len(weights)], mean[:len(weights)], square[:len(weights)]
	for i, g := range gradient {
		weights[i] = u.next(weights[i], g, &mean[i], &square[i])
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
		for _, g := range *t.Gradient {
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
		for i := range *t.Gradient {
			(*t.Gradient)[i] *= scale
		}
	}
	return norm
}

// Tensors returns the tensors of the optimizer.
func (o *Optimizer) Tensors() []*Tensor { return o.tensors }
