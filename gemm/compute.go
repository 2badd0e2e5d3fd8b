package gemm

import (
	"fmt"
	"slices"
	"strings"

	"kenserve/internal/parallel"
)

// Compute is the type in which a [Matrix] holds its weights and multiplies them.
// Activations and results are always float32.
type Compute uint8

const (
	// Float32 multiplies the weights without rounding them.
	Float32 Compute = iota
	// BFloat16 rounds weights and activations to bfloat16, which has 8 significant
	// bits, and sums their products in float32.
	BFloat16
	// Int8 rounds the weights of each output to 127 levels around zero, and the
	// activations of each row, in every product, to 256 levels over the row's range.
	// Sums are exact integers, so that all kernel levels give the same bits up to the
	// activation function.
	Int8
)

var computeNames = []string{Float32: "float32", BFloat16: "bfloat16", Int8: "int8"}

// String returns the type's name.
func (c Compute) String() string {
	if int(c) < len(computeNames) {
		return computeNames[c]
	}
	return fmt.Sprintf("compute type %d", uint8(c))
}

// UnmarshalText implements encoding.TextUnmarshaler: float32, bfloat16 or int8.
func (c *Compute) UnmarshalText(text []byte) error {
	i := slices.Index(computeNames, string(text))
	if i < 0 {
		return fmt.Errorf("unknown compute type %q, want one of %s", text, strings.Join(computeNames, ", "))
	}
	*c = Compute(i)
	return nil
}

// inputsPerWord returns the number of inputs whose weights share a word of a
// low-precision panel.
func (c Compute) inputsPerWord() int {
	if c == Int8 {
		return 4
	}
	return 2
}

// Bytes returns the memory of a matrix of n outputs by k inputs of the type that is no
// overlay: [Matrix.Bytes] before there is a matrix.
func (c Compute) Bytes(n, k int) int64 {
	c = c.forInputs(k)
	if c == Float32 {
		return packedBytes(n, k)
	}
	bytes := packedBytes(n, (k+c.inputsPerWord()-1)/c.inputsPerWord())
	if c == Int8 {
		bytes += packedBytes(n, 2) // steps and totals
	}
	return bytes
}

// maxInt8Inputs is the largest number of inputs whose products, at most 255·63 each,
// cannot overflow an int32 sum.
const maxInt8Inputs = 1 << 17

// forInputs returns the type in which k inputs are multiplied: c, or Float32 where sums
// of k inputs could overflow.
func (c Compute) forInputs(k int) Compute {
	if c == Int8 && k > maxInt8Inputs {
		return Float32
	}
	return c
}

// As returns m, which must be Float32, with another compute type. For an overlay, the
// result is an overlay that rounds each panel after patching it, in every call of Mul.
// Otherwise the result shares no memory with m. A low-precision matrix cannot be
// patched: patch first. A matrix with more than 131072 inputs stays Float32 instead of
// Int8.
func (m *Matrix) As(c Compute) *Matrix {
	if m.compute != Float32 {
		panic(fmt.Sprintf("gemm: conversion of a %s matrix to %s, want a float32 matrix", m.compute, c))
	}
	c = c.forInputs(m.k)
	if c == Float32 {
		return m
	}
	if m.patch != nil {
		return &Matrix{n: m.n, k: m.k, panels: m.panels, patch: m.patch, compute: c}
	}
	out := &Matrix{n: m.n, k: m.k, compute: c, lowPrecision: makeLowPrecision(c, m.n, m.k)}
	out.Round(nil, m)
	return out
}

// Round gives m, which has another compute type than Float32 and is no overlay, the rounded
// weights of a Float32 matrix of the same size. Training, which changes weights, so keeps a
// rounded copy. Nobody may multiply with m at the same time.
func (m *Matrix) Round(p *parallel.Pool, from *Matrix) {
	if m.lowPrecision == nil || from.compute != Float32 || from.patch != nil || from.n != m.n || from.k != m.k {
		panic(fmt.Sprintf("gemm: round a %d×%d %s matrix to a %d×%d %s matrix", from.n, from.k, from.compute, m.n, m.k, m.compute))
	}
	p.Run(panelCount(m.n), &roundWork{m, from})
}

// roundWork is one call of Round. A part is a panel.
type roundWork struct{ to, from *Matrix }

// Do performs one part.
func (w *roundWork) Do(i, _ int) {
	p := w.to.lowPrecision.panel(i)
	p.round(w.to.compute, w.from.panel(i))
}
