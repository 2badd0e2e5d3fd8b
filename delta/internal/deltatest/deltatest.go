// Package deltatest makes deltas for the tests of delta and the packages below
// it. It does not import delta, so that delta's own tests can use it.
package deltatest

import (
	"math"
	"math/rand/v2"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// Set is a checkpoint in memory.
type Set map[string]*safetensors.Tensor

// Names implements delta.Tensors.
func (s Set) Names() []string {
	var names []string
	for name := range s {
		names = append(names, name)
	}
	return names
}

// Tensor implements delta.Tensors.
func (s Set) Tensor(name string) (*safetensors.Tensor, bool) {
	t, ok := s[name]
	return t, ok
}

// Add adds a tensor of float32.
func (s Set) Add(name string, values []float32, shape ...int) {
	s[name] = &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Data: safetensors.Bytes(values)}
}

// Floats returns a tensor's values.
func Floats(t *safetensors.Tensor) []float32 {
	out := make([]float32, t.Len())
	if err := t.Float32s(out, 0); err != nil {
		panic(err)
	}
	return out
}

// RandomFloats returns n numbers of a normal distribution.
func RandomFloats(rng *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
}

// Base has narrow and wide matrices with a partial last tile, narrow and
// wide tables, vectors, and a tensor that is not of floats.
func Base() Set {
	rng := rand.New(rand.NewPCG(1, 2))
	base := Set{}
	base.Add("matrix", RandomFloats(rng, 37*13), 37, 13)
	base.Add("wide", RandomFloats(rng, 37*300), 37, 300)
	base.Add("table", RandomFloats(rng, 9*21), 9, 21)
	base.Add("words", RandomFloats(rng, 70*301), 70, 301)
	base.Add("vector", RandomFloats(rng, 11), 11)
	base.Add("bias", RandomFloats(rng, 43), 43)
	base.Add("other", RandomFloats(rng, 4), 4)
	base["ids"] = &safetensors.Tensor{Name: "ids", DType: safetensors.I64, Shape: []int{2}, Data: make([]byte, 16)}
	return base
}

// Change is what training made of a tensor of Base.
type Change struct {
	Name          string
	Shape         []int
	Rows, Columns int
	Table         bool      // its rows are looked up one by one
	Keep          []uint64  // [Rows, ⌈Columns/64⌉] bits
	Tuned, Base   []float32 // [Rows, Columns]
}

// Example returns changes of Base in which about share of the values are to be
// kept, and a head.
func Example(share float64, seed uint64) (changes []Change, head *safetensors.Tensor) {
	rng := rand.New(rand.NewPCG(seed, 0))
	base := Base()
	for _, name := range []string{"matrix", "wide", "table", "words", "vector", "bias"} {
		b := base[name]
		rows, columns := b.Rows()
		x := Change{Name: name, Shape: b.Shape, Rows: rows, Columns: columns, Table: name == "table" || name == "words", Base: Floats(b)}
		x.Tuned = append([]float32(nil), x.Base...)
		words := (columns + 63) / 64
		x.Keep = make([]uint64, rows*words)
		for r := range rows {
			if r%5 == 4 {
				continue // a row that training left alone
			}
			for c := range columns {
				if name == "bias" || c%7 != 5 {
					x.Tuned[r*columns+c] += float32(rng.NormFloat64()) * 0.01
				}
				if rng.Float64() < share {
					x.Keep[r*words+c/64] |= 1 << (c % 64)
				}
			}
		}
		changes = append(changes, x)
	}
	heads := Set{}
	heads.Add("classifier.weight", RandomFloats(rng, 6), 2, 3)
	return changes, heads["classifier.weight"]
}

// Reference is what a coding makes of a tensor: the codings' definitions once
// more and simply. Only the scale of int4 is the encoder's, whose quality has
// its own test.
func Reference(coding sparse.Coding, fitInt4 func(changes []float32) float32, rows, columns int, keep []uint64, tuned, base []float32) []float32 {
	words := (columns + 63) / 64
	out := append([]float32(nil), base...)
	var all []float32
	byRow := make([][]float32, rows)
	keeping := 0
	for r := range rows {
		for c := range columns {
			i := r*columns + c
			if keep[r*words+c/64]>>(c%64)&1 == 1 && tuned[i] != base[i] {
				byRow[r] = append(byRow[r], tuned[i]-base[i])
			}
		}
		all = append(all, byRow[r]...)
		if len(byRow[r]) > 0 {
			keeping++
		}
	}
	for r := range rows {
		changes := all
		if len(all) >= 64*keeping {
			changes = byRow[r]
		}
		sum, largest := 0.0, 0.0
		for _, x := range changes {
			a := math.Abs(float64(x))
			sum, largest = sum+a, max(largest, a)
		}
		scale := map[sparse.Coding]float32{sparse.Int8: float32(largest / 127), sparse.Int4: fitInt4(changes), sparse.Sign: float32(sum / float64(len(changes)))}[coding]
		for c := range columns {
			i := r*columns + c
			if keep[r*words+c/64]>>(c%64)&1 == 0 || tuned[i] == base[i] {
				continue
			}
			change := tuned[i] - base[i]
			steps := math.RoundToEven(float64(change) / float64(scale))
			switch coding {
			case sparse.Float32:
				out[i] = tuned[i]
			case sparse.BFloat16:
				bits := math.Float32bits(change)
				low, half := bits&0xffff, uint32(0x8000)
				if bits &^= 0xffff; low > half || low == half && bits>>16&1 == 1 {
					bits += 1 << 16
				}
				out[i] = base[i] + math.Float32frombits(bits)
			case sparse.Int8:
				out[i] = base[i] + float32(scale*float32(steps))
			case sparse.Int4:
				out[i] = base[i] + float32(scale*float32(min(max(steps, -7), 7)))
			case sparse.Sign:
				out[i] = base[i] + float32(math.Copysign(float64(scale), float64(change)))
			}
		}
	}
	return out
}
