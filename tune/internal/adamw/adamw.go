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

	"kenserve/internal/parallel"
	"kenserve/nn"
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

// Step updates all weights with this learning rate. Gradients are multiplied by scale first,
// see [ClipFactor]; they stay as they are.
func (o *Optimizer) Step(pool *parallel.Pool, rate float64, scale float32) {
	o.step++
	bias1 := 1 - math.Pow(beta1, float64(o.step))
	root2 := math.Sqrt(1 - math.Pow(beta2, float64(o.step)))
	var list []*block
	for i, t := range o.tensors {
		lr := rate * t.Rate
		u := &nn.AdamWStep{
			Scale: scale, Keep: float32(1 - lr*t.Decay), First: float32(1 - beta1), Beta2: beta2, Second: float32(1 - beta2),
			Correction: float32(root2), Eps: epsilon, Step: float32(lr / bias1),
		}
		s := &o.states[i]
		if n := len(*t.Weights) - len(s.Mean); n > 0 {
			s.Mean, s.Square = append(s.Mean, make([]float32, n)...), append(s.Square, make([]float32, n)...)
		}
		list = appendBlocks(list, t, func(b *block) { b.mean, b.square, b.step = s.Mean[b.first:b.end], s.Square[b.first:b.end], u })
	}
	pool.Run(len(list), updates(list))
}

// Tensors returns the tensors of the optimizer.
func (o *Optimizer) Tensors() []*Tensor { return o.tensors }

// blockValues is the number of values of a block, the part of the work of one worker.
const blockValues = 1 << 15

// block is a part of a tensor.
type block struct {
	first, end        int
	weights, gradient []float32
	mean, square      []float32
	step              *nn.AdamWStep
	sum               float64 // of the squares of the gradients
}

// appendBlocks divides a tensor into blocks, each of which fill completes.
func appendBlocks(list []*block, t *Tensor, fill func(*block)) []*block {
	n := len(*t.Weights)
	for first := 0; first < n; first += blockValues {
		b := &block{first: first, end: min(n, first+blockValues)}
		b.weights, b.gradient = (*t.Weights)[first:b.end], (*t.Gradient)[first:b.end]
		fill(b)
		list = append(list, b)
	}
	return list
}

// updates is the work of Step.
type updates []*block

// Do implements parallel.Work.
func (u updates) Do(part, _ int) {
	b := u[part]
	nn.AdamW(b.weights, b.mean, b.square, b.gradient, b.step)
}

// squares is the work of Norm.
type squares []*block

// Do implements parallel.Work.
func (s squares) Do(part, _ int) {
	sum := 0.0
	for _, g := range s[part].gradient {
		sum += float64(g) * float64(g)
	}
	s[part].sum = sum
}

// Norm returns the Euclidean norm of all gradients together. It is summed in float64 and in
// a fixed order, so that it does not depend on the number of workers.
func Norm(pool *parallel.Pool, tensors []*Tensor) float64 {
	var list []*block
	for _, t := range tensors {
		list = appendBlocks(list, t, func(*block) {})
	}
	pool.Run(len(list), squares(list))
	sum := 0.0
	for _, b := range list {
		sum += b.sum
	}
	return math.Sqrt(sum)
}

// ClipFactor returns the factor with which gradients of this norm have at most the norm limit,
// as PyTorch's clip_grad_norm_ computes it. A limit of 0 clips nothing.
func ClipFactor(norm, limit float64) float32 {
	if limit <= 0 {
		return 1
	}
	return float32(min(1, limit/(norm+1e-6)))
}
