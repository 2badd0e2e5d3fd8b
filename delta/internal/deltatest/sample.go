package deltatest

import (
	"math/rand/v2"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// SampleChange is a change of a tensor of the sample, with its coding.
type SampleChange struct {
	Change
	Coding sparse.Coding
}

// Sample returns the base, the changes and the head of the delta whose bytes are in
// testdata. It is small, and yet has every form of positions, both orders, tensors
// with one scale and with one for each row, and streams in every encoding.
func Sample() (base Set, changes []SampleChange, head *safetensors.Tensor) {
	rng := rand.New(rand.NewPCG(20, 26))
	base = Set{}
	for _, x := range []struct {
		name          string
		rows, columns int     // rows 0: a vector
		share         float64 // of the values that are kept
		divisor       float32 // of changes
		coding        sparse.Coding
		table         bool
	}{
		{"embeddings.weight", 40, 12, 0.06, 64, sparse.Int8, true},
		{"layer.0.bias", 0, 64, 0.9, 3500, sparse.Float32, false},
		{"layer.0.weight", 18, 8, 0.5, 64, sparse.Int8, false},
		{"layer.1.weight", 32, 64, 0.1, 64, sparse.Int8, false},
		{"layer.2.weight", 32, 64, 0.1, 64, sparse.Int8, false},
		{"layer.3.weight", 2, 64, 1, 64, sparse.Int8, false},
	} {
		shape, rows := []int{x.rows, x.columns}, x.rows
		if x.rows == 0 {
			shape, rows = []int{x.columns}, 1
		}
		base.Add(x.name, RandomFloats(rng, rows*x.columns), shape...)
		c := Change{Name: x.name, Shape: shape, Rows: rows, Columns: x.columns, Table: x.table, Base: Floats(base[x.name])}
		c.Tuned = append([]float32(nil), c.Base...)
		c.Keep = make([]uint64, rows)
		for r := range rows {
			if x.table && r%3 != 0 {
				continue // rows that training did not change
			}
			for i := range x.columns {
				kept := rng.Float64() < x.share
				if x.name == "layer.2.weight" { // the positions of layer.1.weight, so that the code of its gaps is reused
					kept = changes[len(changes)-1].Keep[r]>>i&1 == 1
				}
				if kept {
					c.Keep[r] |= 1 << i
					c.Tuned[r*x.columns+i] += float32(rng.NormFloat64()) / x.divisor
				}
			}
		}
		changes = append(changes, SampleChange{c, x.coding})
	}
	heads := Set{}
	heads.Add("classifier.weight", RandomFloats(rng, 6), 2, 3)
	return base, changes, heads["classifier.weight"]
}
