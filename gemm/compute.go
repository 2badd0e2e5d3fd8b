package gemm

import (
	"fmt"
	"slices"
	"strings"
)

// Compute is the type in which a [Matrix] holds its weights and in which they
// are multiplied. Activations enter and results leave as float32 in any case.
type Compute uint8

const (
	// Float32 multiplies the weights as they are.
	Float32 Compute = iota
	// BFloat16 rounds weights and activations to bfloat16, 8 significant bits,
	// and sums their products in float32.
	BFloat16
	// Int8 rounds each output's weights to 127 levels around zero, and each
	// row's activations, whenever they are multiplied, to 256 levels over what
	// the row spans. Sums are exact integers, so that all levels of kernels give
	// the same bits up to the activation function.
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
		return fmt.Errorf("%q is not a compute type; those are %s", text, strings.Join(computeNames, ", "))
	}
	*c = Compute(i)
	return nil
}

// inputs returns how many inputs of one output share a word of a narrow panel.
func (c Compute) inputs() int {
	if c == Int8 {
		return 4
	}
	return 2
}

// Bytes returns the memory of n outputs by k inputs packed for the type: what
// [Matrix.Bytes] is for one that is no overlay.
func (c Compute) Bytes(n, k int) int64 {
	c = c.fitting(k)
	if c == Float32 {
		return PackedBytes(n, k)
	}
	bytes := PackedBytes(n, (k+c.inputs()-1)/c.inputs())
	if c == Int8 {
		bytes += PackedBytes(n, 2) // steps and totals
	}
	return bytes
}

// maxInt8Inputs bounds the inputs whose products, at most 255·63 each, add up
// to an int32 for certain.
const maxInt8Inputs = 1 << 17

// fitting returns the type in which k inputs are multiplied: c, unless sums of
// so many could overflow.
func (c Compute) fitting(k int) Compute {
	if c == Int8 && k > maxInt8Inputs {
		return Float32
	}
	return c
}

// As returns m, which must be of type Float32, for products of another type.
// Of an overlay it is one that narrows each panel after patching it, on every
// call of Mul. Otherwise the result shares no memory with m: patch first, then
// narrow, since a narrow matrix cannot be patched. A matrix with more than
// 131072 inputs stays float32 where int8 is asked for.
func (m *Matrix) As(c Compute) *Matrix {
	if m.compute != Float32 {
		panic(fmt.Sprintf("gemm: %s weights as %s", m.compute, c))
	}
	c = c.fitting(m.k)
	if c == Float32 {
		return m
	}
	if m.patch != nil {
		return &Matrix{n: m.n, k: m.k, panels: m.panels, patch: m.patch, compute: c}
	}
	out := &Matrix{n: m.n, k: m.k, compute: c, narrow: makeNarrow(c, m.n, m.k)}
	for i := range panelCount(m.n) {
		p := out.narrow.panel(i)
		p.narrow(c, m.panel(i))
	}
	return out
}

// Compute returns the type of the matrix's weights.
func (m *Matrix) Compute() Compute { return m.compute }
