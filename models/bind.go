package models

import (
	"fmt"

	"kenserve/gemm"
)

// Dense is a dense layer: x·Weightᵀ + bias.
type Dense struct {
	Weight *gemm.Matrix
	bias   []float32

	slot int           // index in TaskWeights.dense
	next **gemm.Matrix // weight of the layer that was bound after this one
}

// Norm is a layer norm.
type Norm struct {
	gamma, beta []float32
	eps         float32

	slot int // index in TaskWeights.norms
}

// Lookup is an embedding table that was bound; see Workspace.Table.
type Lookup struct {
	slot int // index in TaskWeights.tables
}

// TaskWeights are the parameters that a network is bound to, numbered in the order of
// binding. The networks of all tasks that one architecture was bound to have the same
// numbers, so that a step of one forward pass finds the parameter of each task.
type TaskWeights struct {
	dense  []Dense
	norms  []Norm
	tables []Table
}

// Weights returns t. A network embeds its TaskWeights to implement [Network].
func (t *TaskWeights) Weights() *TaskWeights { return t }

// Binder looks up the weights of an architecture and checks their shapes. It
// keeps the first error for Err, so that the Bind method of a family reads as
// the list of its layers.
//
// A family should bind dense layers in the order of its forward pass: near the
// end of a product, gemm prefetches the weights of the layer that was bound
// next.
type Binder struct {
	params Params
	next   **gemm.Matrix // next of the last dense layer
	bound  *TaskWeights
	err    error
}

// NewBinder returns a Binder that takes weights from p.
func NewBinder(p Params) *Binder { return &Binder{params: p, bound: new(TaskWeights)} }

// Weights returns everything that was bound, also later.
func (b *Binder) Weights() *TaskWeights { return b.bound }

// Err returns the first error.
func (b *Binder) Err() error { return b.err }

func (b *Binder) fail(name string, err error) {
	if b.err == nil {
		b.err = fmt.Errorf("models: bind tensor %s: %w", name, err)
	}
}

// matrix returns the weight with the given name. It must be [n, k]: n outputs
// and k inputs. If n is 0, any number of outputs is accepted.
func (b *Binder) matrix(name string, n, k int) *gemm.Matrix {
	m, err := b.params.Matrix(name)
	if err != nil {
		b.fail(name, err)
		return nil
	}
	if n == 0 {
		n = m.N()
	}
	if m.N() != n || m.K() != k {
		b.fail(name, fmt.Errorf("shape is [%d, %d], want [%d, %d]", m.N(), m.K(), n, k))
	}
	return m
}

// Vector returns the vector with the given name. It must have n values.
func (b *Binder) Vector(name string, n int) []float32 {
	v, err := b.params.Vector(name)
	if err != nil {
		b.fail(name, err)
		return nil
	}
	if len(v) != n {
		b.fail(name, fmt.Errorf("length is %d, want %d", len(v), n))
	}
	return v
}

// Table returns the embedding with the given name.
func (b *Binder) Table(name string) Lookup {
	t, err := b.params.Table(name)
	if err != nil {
		b.fail(name, err)
	}
	b.bound.tables = append(b.bound.tables, t)
	return Lookup{len(b.bound.tables) - 1}
}

// Dense returns the layer with name.weight [n, k] and name.bias [n]. If n is 0,
// any number of outputs is accepted.
func (b *Binder) Dense(name string, n, k int) Dense {
	weight := b.matrix(name+".weight", n, k)
	var bias []float32
	if weight != nil {
		bias = b.Vector(name+".bias", weight.N())
	}
	return b.layer(weight, bias)
}

// Biased returns the layer whose weight has the given name and is [n, k], with a bias
// [n] that the caller has made.
func (b *Binder) Biased(name string, n, k int, bias []float32) Dense {
	return b.layer(b.matrix(name, n, k), bias)
}

// Unbiased returns the layer without a bias whose weight has the given name and
// is [n, k]. If n is 0, any number of outputs is accepted.
func (b *Binder) Unbiased(name string, n, k int) Dense {
	return b.layer(b.matrix(name, n, k), nil)
}

func (b *Binder) layer(weight *gemm.Matrix, bias []float32) Dense {
	d := Dense{Weight: weight, bias: bias, slot: len(b.bound.dense), next: new(*gemm.Matrix)}
	if b.next != nil {
		*b.next = d.Weight
	}
	b.next = d.next
	b.bound.dense = append(b.bound.dense, d)
	return d
}

// Norm returns the layer norm with name.weight [n] and name.bias [n].
func (b *Binder) Norm(name string, n int, eps float32) Norm {
	return b.norm(b.Vector(name+".weight", n), b.Vector(name+".bias", n), eps)
}

// Unshifted returns the layer norm with name.weight, as long as beta, and the given
// beta, which is zeros.
func (b *Binder) Unshifted(name string, beta []float32, eps float32) Norm {
	return b.norm(b.Vector(name+".weight", len(beta)), beta, eps)
}

func (b *Binder) norm(gamma, beta []float32, eps float32) Norm {
	n := Norm{gamma: gamma, beta: beta, eps: eps, slot: len(b.bound.norms)}
	b.bound.norms = append(b.bound.norms, n)
	return n
}

// DenseParameters lists the parameters of a layer that Binder.Dense binds.
func DenseParameters(name string, n, k int) []Parameter {
	return []Parameter{
		{Name: name + ".weight", Shape: []int{n, k}, Role: Matrix},
		{Name: name + ".bias", Shape: []int{n}, Role: Vector},
	}
}

// NormParameters lists the parameters of a layer norm that Binder.Norm binds.
func NormParameters(name string, n int) []Parameter {
	return []Parameter{
		{Name: name + ".weight", Shape: []int{n}, Role: Vector},
		{Name: name + ".bias", Shape: []int{n}, Role: Vector},
	}
}
