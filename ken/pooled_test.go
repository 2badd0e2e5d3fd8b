package ken

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kenserve/delta"
	"kenserve/safetensors"
)

// weightIndex names a weight of a checkpoint.
type weightIndex struct {
	tensor string
	index  int
}

// pruned prunes a pair and returns the values that a reader of the delta file gets for
// the stored weights.
func pruned(t testing.TB, base, tuned tensors, o Options) (map[weightIndex]float32, *Report) {
	t.Helper()
	p, err := Match(base, tuned)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.ken")
	w, err := delta.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	report, err := Prune(context.Background(), p, w, o)
	if err != nil {
		t.Fatal(err)
	}
	info := delta.Info{BaseSHA256: delta.Fingerprint(base), Selection: string(o.Selection), Coding: o.Coding, VectorCoding: o.VectorCoding, Producer: "test"}
	if err := w.Finish(info); err != nil {
		t.Fatal(err)
	}
	d, err := delta.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Check(base, info.BaseSHA256); err != nil {
		t.Fatal(err)
	}
	stored := map[weightIndex]float32{}
	for i := range d.Tensors {
		tensor := &d.Tensors[i]
		if tensor.Masked == nil {
			values, _ := safetensors.View[float32](tensor.Dense)
			for j, v := range values {
				stored[weightIndex{tensor.Name, j}] = v
			}
			continue
		}
		values := floats(base[tensor.Name])
		tensor.Masked.PatchRows(0, values)
		_, columns := base[tensor.Name].Rows()
		tensor.Masked.Keeps(func(row, column int) {
			stored[weightIndex{tensor.Name, row*columns + column}] = values[row*columns+column]
		})
	}
	return stored, report
}

func floats(t *safetensors.Tensor) []float32 {
	values := make([]float32, t.Len())
	if err := t.Float32s(values, 0); err != nil {
		panic(err)
	}
	return values
}

// naivePooled is the reference for shared budgets: it sorts all weights that share a
// budget by their score and keeps the first ones.
func naivePooled(base, tuned tensors, o Options) map[weightIndex]float32 {
	type scored struct {
		weightIndex
		score  uint32
		change bool
		value  float32
	}
	names := base.Names()
	slices.Sort(names)
	out := map[weightIndex]float32{}
	keep := func(pool []scored) {
		slices.SortStableFunc(pool, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
		for _, s := range pool[:Kept(len(pool), o.K, o.Keep)] {
			if s.change {
				out[s.weightIndex] = s.value
			}
		}
	}
	var pool []scored
	for _, name := range names {
		b, t := floats(base[name]), floats(tuned[name])
		factor := o.Factor
		if factor == 0 {
			factor = 1
		}
		if of, ok := o.Factors[name]; ok {
			factor *= of
		}
		whole := o.WholeVectors && len(base[name].Shape) < 2
		for i := range b {
			s := scored{weightIndex: weightIndex{name, i}, value: t[i], change: math.Float32bits(t[i]) != math.Float32bits(b[i])}
			if whole {
				if s.change {
					out[s.weightIndex] = s.value
				}
				continue
			}
			if o.Selection == LargestChange {
				s.score = math.Float32bits(float32(math.Abs(float64(t[i] - b[i]))))
			} else {
				s.score = math.Float32bits(float32(math.Abs(float64(t[i]))))
			}
			if factor != 1 && s.change {
				s.value = b[i] + float32(float32(factor)*(t[i]-b[i]))
				s.change = math.Float32bits(s.value) != math.Float32bits(b[i])
			}
			pool = append(pool, s)
		}
		if o.Budget == BudgetTensor {
			keep(pool)
			pool = nil
		}
	}
	keep(pool)
	return out
}

// TestPooled compares budgets for tensors and models with naivePooled, for any number
// of workers. In half of the cases changes are coarse, so that many are equal.
func TestPooled(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		coarse := rapid.Bool().Draw(rt, "coarse")
		base, tuned := tensors{}, tensors{}
		for i := range rapid.IntRange(1, 4).Draw(rt, "tensors") {
			shape := []int{rapid.IntRange(1, 40).Draw(rt, "rows"), rapid.IntRange(1, 70).Draw(rt, "columns")}
			if rapid.Bool().Draw(rt, "vector") {
				shape = shape[1:]
			}
			n := 1
			for _, d := range shape {
				n *= d
			}
			b, v := make([]float32, n), make([]float32, n)
			for j := range b {
				b[j] = float32(rng.NormFloat64())
				change := rng.NormFloat64()
				if coarse {
					b[j], change = float32(rng.IntN(5)), float64(rng.IntN(5)-2)
				}
				v[j] = b[j] + float32(change)
			}
			name := fmt.Sprintf("t%d", i)
			base[name] = &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Data: safetensors.Bytes(b)}
			tuned[name] = &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Data: safetensors.Bytes(v)}
		}
		o := Options{
			Selection:    rapid.SampledFrom([]Selection{LargestChange, Magnitude}).Draw(rt, "selection"),
			Budget:       rapid.SampledFrom([]Budget{BudgetTensor, BudgetModel}).Draw(rt, "budget"),
			Factor:       rapid.SampledFrom([]float64{0, 1, 2.5}).Draw(rt, "factor"),
			Factors:      maps.Clone(rapid.SampledFrom([]map[string]float64{nil, {"t1": 0.4, "t2": 3}}).Draw(rt, "factors")),
			WholeVectors: rapid.Bool().Draw(rt, "whole"),
			Workers:      rapid.IntRange(1, 3).Draw(rt, "workers"),
			Coding:       delta.Float32,
		}
		maps.DeleteFunc(o.Factors, func(name string, _ float64) bool { return base[name] == nil })
		if rapid.Bool().Draw(rt, "absolute") {
			o.K = rapid.IntRange(1, 3000).Draw(rt, "k")
		} else {
			o.Keep = rapid.Float64Range(0.0001, 1).Draw(rt, "keep")
		}
		got, _ := pruned(t, base, tuned, o)
		want := naivePooled(base, tuned, o)
		if o.WholeVectors { // a vector kept whole may also store unchanged values
			for at, v := range got {
				if _, ok := want[at]; !ok && len(base[at.tensor].Shape) == 1 && v == floats(base[at.tensor])[at.index] {
					delete(got, at)
				}
			}
		}
		if len(got) != len(want) {
			rt.Fatalf("%d values stored, want %d", len(got), len(want))
		}
		for at, v := range want {
			if g, ok := got[at]; !ok || g != v {
				rt.Fatalf("%v: %v (stored: %v), want %v", at, g, ok, v)
			}
		}
	})
}

// TestPooledRandom checks that every weight of the pool is equally likely and that the
// budget is met exactly.
func TestPooledRandom(t *testing.T) {
	base := checkpoint(0, []int{50, 40}, "a", "b")
	tuned := checkpoint(1, []int{50, 40}, "a", "b")
	for _, budget := range []Budget{BudgetTensor, BudgetModel} {
		in := map[string]int{}
		const seeds = 20
		for seed := range uint64(seeds) {
			got, report := pruned(t, base, tuned, Options{Selection: Random, Budget: budget, Keep: 0.25, Coding: delta.Float32, Seed: seed})
			selected := report.Tensors[0].Selected + report.Tensors[1].Selected
			if selected != 1000 || len(got) != 1000 {
				t.Fatalf("%s: %d selected, %d stored, want 1000", budget, selected, len(got))
			}
			for at := range got {
				in[fmt.Sprintf("tensor %s", at.tensor)]++
				in[fmt.Sprintf("column %d", at.index%40)]++
			}
		}
		for part, n := range in {
			mean := 1000. * seeds / 40
			if part[0] == 't' {
				mean = 1000. * seeds / 2
			}
			if math.Abs(float64(n)-mean) > 5*math.Sqrt(mean) {
				t.Errorf("%s: %d values in %s, want about %.0f", budget, n, part, mean)
			}
		}
	}
}

// TestVectorCoding checks that tensors of one dimension use VectorCoding.
func TestVectorCoding(t *testing.T) {
	base, tuned := checkpoint(0, []int{8, 8}, "m"), checkpoint(0.5, []int{8, 8}, "m")
	base["v"], tuned["v"] = checkpoint(0, []int{8}, "v")["v"], checkpoint(0.25, []int{8}, "v")["v"]
	got, _ := pruned(t, base, tuned, Options{
		Selection: LargestChange, Budget: BudgetModel, K: 3, Factor: 4, WholeVectors: true, Coding: delta.Sign, VectorCoding: delta.BFloat16,
	})
	want := map[weightIndex]float32{{"m", 0}: 2, {"m", 1}: 3, {"m", 2}: 4}
	for i := range 8 {
		want[weightIndex{"v", i}] = float32(i) + 0.25
	}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for at, v := range want {
		if got[at] != v {
			t.Errorf("%v: %v, want %v", at, got[at], v)
		}
	}
}
