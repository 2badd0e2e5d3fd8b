package runtime

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/ken"
	"kenserve/models"
)

// A task's warm network and its hot one give the same bits, whatever the coding,
// the form of positions and the compute type.
func TestWarmAndHotAgree(t *testing.T) {
	for j, coding := range []delta.Coding{delta.Float32, delta.BFloat16, delta.Int8, delta.Int4, delta.Sign} {
		for i, keep := range []float64{0.05, 0.3, 1} {
			compute := []gemm.Compute{gemm.Int8, gemm.Float32, gemm.BFloat16}[(i+j)%3]
			t.Run(fmt.Sprintf("%s/keep=%v/%s", coding, keep, compute), func(t *testing.T) {
				f := newFixture(t, 1, ken.Options{Selection: ken.Delta, Coding: coding, Keep: keep})
				base, err := OpenBase(f.base, compute)
				must(t, err)
				defer base.Close()
				d, err := delta.Load(filepath.Join(f.store, "t0.ken"))
				must(t, err)
				defer d.Close()
				p, err := planTask(base, d)
				must(t, err)
				if keep < 1 && p.hotBytes < 10*gemmBytes(base) {
					t.Errorf("a hot network of %d bytes", p.hotBytes)
				}
				task, err := p.load()
				must(t, err)
				warm, err := task.warm()
				must(t, err)
				hot, err := task.hot()
				must(t, err)
				if got, want := logits(t, warm), logits(t, hot); !cmp.Equal(got, want) {
					t.Errorf("warm %v, hot %v", got, want)
				}
				again, err := task.warm()
				must(t, err)
				if again != warm {
					t.Error("a network in use was bound again")
				}
				runtime.KeepAlive(warm)
			})
		}
	}
}

// gemmBytes is the least that a matrix of the base takes.
func gemmBytes(b *Base) int64 {
	least := int64(1 << 40)
	for _, m := range b.computed {
		least = min(least, m.Bytes())
	}
	return least
}

// logits are those of two sequences.
func logits(t *testing.T, n models.Network) []float32 {
	t.Helper()
	out := make([]float32, 2*n.Labels())
	must(t, n.Forward(models.NewWorkspace(nil), &models.Batch{IDs: []int32{2, 7, 9, 3, 2, 11, 3}, Ends: []int{4, 7}}, out))
	return out
}
