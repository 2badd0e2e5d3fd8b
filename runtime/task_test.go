package runtime

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/gemm"
	"kenserve/ken"
	"kenserve/models"
)

// TestWarmAndHotAgree: a task's warm network and its hot one give the same bits in
// every coding, form of positions and number type.
func TestWarmAndHotAgree(t *testing.T) {
	for j, coding := range []delta.Coding{delta.Float32, delta.BFloat16, delta.Int8, delta.Int4, delta.Sign} {
		for i, keep := range []float64{0.05, 0.3, 1} {
			compute := []gemm.Compute{gemm.Int8, gemm.Float32, gemm.BFloat16}[(i+j)%3]
			t.Run(fmt.Sprintf("%s/keep=%v/%s", coding, keep, compute), func(t *testing.T) {
				f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Coding: coding, Keep: keep})
				base, err := openBase(f.base, compute)
				must(t, err)
				d, err := store.File{Path: filepath.Join(f.store, "t0.ken")}.Open()
				must(t, err)
				defer d.Close()
				p, err := planTask(base, &tokenizers{}, d)
				must(t, err)
				if keep == 0.3 && p.hotBytes < 10*minMatrixBytes(base) {
					t.Errorf("a hot network takes only %d bytes", p.hotBytes)
				}
				if shares := keep == 0.05; p.sharesBatches != shares {
					t.Errorf("the task shares batches: %v, want %v", p.sharesBatches, shares)
				}
				task, err := p.load()
				must(t, err)
				warm, err := task.Warm()
				must(t, err)
				hot, err := task.Hot()
				must(t, err)
				if got, want := logits(t, warm), logits(t, hot); !cmp.Equal(got, want) {
					t.Errorf("warm %v, hot %v", got, want)
				}
				again, err := task.Warm()
				must(t, err)
				if again != warm {
					t.Error("a second warm network was bound while the first is in use")
				}
				runtime.KeepAlive(warm)
			})
		}
	}
}

// TestWarmBytes: the bytes that are counted for a warm task are the bytes that it
// takes, and about those of its file.
func TestWarmBytes(t *testing.T) {
	const demo = "../examples/demo"
	base, err := openBase(filepath.Join(demo, "base"), gemm.Float32)
	must(t, err)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // the second run collects networks that only weak pointers refer to
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	var tasks []*task
	var counted, files int64
	for range 10 {
		d, err := store.File{Path: filepath.Join(demo, "tasks", "emotion.ken")}.Open()
		must(t, err)
		p, err := planTask(base, &tokenizers{}, d)
		must(t, err)
		counted, files = counted+p.warmBytes, files+d.Size
		task, err := p.load()
		must(t, err)
		tasks = append(tasks, task)
	}
	took := heap() - before + files // files are in memory outside of Go's heap
	runtime.KeepAlive(tasks)
	if d := took - counted; d < -counted/20 || d > counted/20 {
		t.Errorf("warm tasks take %d bytes, but %d were counted", took, counted)
	}
	if took > files*11/10 {
		t.Errorf("warm tasks take %d bytes, their files only %d", took, files)
	}
}

// minMatrixBytes returns the bytes of the base's smallest matrix.
func minMatrixBytes(b *Base) int64 {
	least := int64(1 << 40)
	for _, m := range b.computeMatrices {
		least = min(least, m.Bytes())
	}
	return least
}

// logits computes two sequences of tokens.
func logits(t *testing.T, n models.Network) []float32 {
	t.Helper()
	out := make([]float32, 2*n.Labels())
	must(t, n.Forward(models.NewWorkspace(nil), &models.Batch{IDs: []int32{2, 7, 9, 3, 2, 11, 3}, Ends: []int{4, 7}}, out))
	return out
}
