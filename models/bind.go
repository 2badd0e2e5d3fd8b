package models

import (
	"fmt"

	"kenserve/gemm"
)

// Dense is a dense layer: x·Weightᵀ + Bias.
type Dense struct {
	Weight *gemm.Matrix
	Bias   []float32

	next **gemm.Matrix // of the layer that was bound after it
}

// Norm is a layer norm.
type Norm struct {
	Gamma, Beta []float32
	Eps         float32
}

// Binder resolves an architecture's names and checks the shapes of what it
// gets. It keeps the first error, for Err, so that a family's Bind reads as the
// list of its layers.
//
// Dense layers are bound in the order in which a forward pass comes to them, as
// far as that is one: a product's last parts fetch the beginning of the weights
// of the layer that was bound next.
type Binder struct {
	params Params
	next   **gemm.Matrix // of the last dense layer
	err    error
}

// NewBinder returns a Binder that takes weights from p.
func NewBinder(p Params) *Binder { return &Binder{params: p} }

// Err returns the first error.
func (b *Binder) Err() error { return b.err }

func (b *Binder) fail(name string, err error) {
	if b.err == nil {
		b.err = fmt.Errorf("models: bind %s: %w", name, err)
	}
}

// Matrix returns the weight NAME, which must have n outputs, or any number if
// n is 0, and k inputs.
func (b *Binder) Matrix(name string, n, k int) *gemm.Matrix {
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

// Vector returns the vector NAME of n values.
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

// Table returns the embedding NAME.
func (b *Binder) Table(name string) Table {
	t, err := b.params.Table(name)
	if err != nil {
		b.fail(name, err)
	}
	return t
}

// Dense returns the layer of NAME.weight [n, k] and NAME.bias [n]. Any number
// of outputs will do if n is 0.
func (b *Binder) Dense(name string, n, k int) Dense {
	d := b.Unbiased(name+".weight", n, k)
	if d.Weight != nil {
		d.Bias = b.Vector(name+".bias", d.Weight.N())
	}
	return d
}

// Unbiased returns the layer without a bias of the weight NAME [n, k].
func (b *Binder) Unbiased(name string, n, k int) Dense {
	d := Dense{Weight: b.Matrix(name, n, k), next: new(*gemm.Matrix)}
	if b.next != nil {
		*b.next = d.Weight
	}
	b.next = d.next
	return d
}

// Norm returns the layer norm of NAME.weight [n] and NAME.bias [n].
func (b *Binder) Norm(name string, n int, eps float32) Norm {
	return Norm{Gamma: b.Vector(name+".weight", n), Beta: b.Vector(name+".bias", n), Eps: eps}
}

// DenseParameters lists what Binder.Dense asks for.
func DenseParameters(name string, n, k int) []Parameter {
	return []Parameter{
		{Name: name + ".weight", Shape: []int{n, k}, Role: Matrix},
		{Name: name + ".bias", Shape: []int{n}, Role: Vector},
	}
}

// NormParameters lists what Binder.Norm asks for.
func NormParameters(name string, n int) []Parameter {
	return []Parameter{
		{Name: name + ".weight", Shape: []int{n}, Role: Vector},
		{Name: name + ".bias", Shape: []int{n}, Role: Vector},
	}
}
