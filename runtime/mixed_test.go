package runtime

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/ken"
)

// TestMixedBatches: requests for many tasks at once, of every coding and density, cold,
// warm or hot, get the scores that each of their texts gets alone, to the bit, in every
// number type. Sparse tasks share batches.
func TestMixedBatches(t *testing.T) {
	codings := []delta.Coding{delta.Float32, delta.BFloat16, delta.Int8, delta.Int4, delta.Sign}
	f := newFixture(t, len(codings), ken.Options{Selection: ken.LargestChange, Keep: 0.06, Coding: delta.Sign})
	var names []string
	for i, coding := range codings {
		for _, keep := range []float64{0.01, 0.1, 0.4} {
			name := fmt.Sprintf("%s-%g", coding, keep)
			f.prune(t, name, i, ken.Options{Selection: ken.LargestChange, Keep: keep, Coding: coding})
			names = append(names, name)
		}
		names = append(names, fmt.Sprintf("t%d", i))
	}
	for _, compute := range []gemm.Compute{gemm.Float32, gemm.BFloat16, gemm.Int8} {
		t.Run(compute.String(), func(t *testing.T) {
			alone := f.open(t, Config{Compute: compute, Workers: 1})
			inputs := texts(8, 5)
			want := map[string][][]float32{}
			for _, name := range names {
				for i := range inputs {
					r, err := alone.Classify(context.Background(), name, inputs[i:i+1], Options{Raw: true})
					must(t, err)
					want[name] = append(want[name], r.Scores[0])
				}
			}
			must(t, alone.Close())

			e := f.open(t, Config{Compute: compute, Workers: 3, BatchTokens: 200, BatchWait: time.Millisecond})
			defer e.Close()
			var wg sync.WaitGroup
			const clients, requests = 16, 30
			for client := range clients {
				rng := rand.New(rand.NewPCG(uint64(client), 8))
				wg.Go(func() {
					for range requests {
						name, first := names[rng.IntN(len(names))], rng.IntN(len(inputs))
						end := first + 1 + rng.IntN(len(inputs)-first)
						r, err := e.Classify(context.Background(), name, inputs[first:end], Options{Raw: true})
						if err != nil {
							t.Error(err)
						} else if diff := cmp.Diff(want[name][first:end], r.Scores); diff != "" {
							t.Errorf("task %s: %s", name, diff)
						}
					}
				})
			}
			wg.Wait()
			if s := e.Stats(); s.Batches > clients*requests*3/4 {
				t.Errorf("%d batches for %d requests", s.Batches, clients*requests)
			}
		})
	}
}
