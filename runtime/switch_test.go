package runtime

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/gemm"
	"kenserve/internal/parallel"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/models/tiny"
)

// BenchmarkSwitch compares the time of a text of 24 tokens on a warm task, after a
// text on another task, with its time on one hot task. The tasks keep one weight
// in fifty, as signs. It reports the ratio of the two times, and the ratio of the
// time to bind a task's warm network to the hot time.
func BenchmarkSwitch(b *testing.B) {
	for _, e := range []struct {
		name  string
		sizes map[string]any
	}{
		{"MiniLM", map[string]any{"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}},
		{"BERT-base", map[string]any{"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}},
	} {
		b.Run(e.name, func(b *testing.B) {
			tasks := switchTasks(b, e.sizes, ken.Options{Selection: ken.Random, Keep: 0.02, Coding: delta.Sign}, gemm.Float32)
			hot, err := tasks[0].Hot()
			must(b, err)
			batch := models.Batch{IDs: make([]int32, 24), Ends: []int{24}}
			for i := range batch.IDs {
				batch.IDs[i] = int32(5 + i%10)
			}
			for _, workers := range []int{1, 2} {
				pool := parallel.NewPool(workers)
				w := models.NewWorkspace(pool)
				logits := make([]float32, hot.Labels())
				forward := func(n models.Network) time.Duration {
					start := time.Now()
					must(b, n.Forward(w, &batch, logits))
					return time.Since(start)
				}
				b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
					same, other, bind := time.Hour, time.Hour, time.Hour
					for b.Loop() {
						for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
							for range 2 { // the second pass finds its panels in the CPU's cache, as far as they fit
								same = min(same, forward(hot))
							}
							for _, t := range tasks {
								start := time.Now()
								warm, err := t.arch.Bind(params{t, false})
								must(b, err)
								bind = min(bind, time.Since(start))
								other = min(other, forward(warm))
							}
						}
					}
					b.ReportMetric(other.Seconds()/same.Seconds(), "of-hot")
					b.ReportMetric(bind.Seconds()/same.Seconds(), "bind-of-hot")
					b.ReportMetric(1e3*same.Seconds(), "ms-hot")
					b.ReportMetric(0, "ns/op")
				})
				pool.Close()
			}
		})
	}
}

// switchTasks returns two tasks of a BERT with random weights, over a base of the type
// compute.
func switchTasks(tb testing.TB, sizes map[string]any, options ken.Options, compute gemm.Compute) []*task {
	tb.Helper()
	dir := tb.TempDir()
	baseDir, tuned, folder := filepath.Join(dir, "base"), filepath.Join(dir, "tuned"), filepath.Join(dir, "store")
	must(tb, tiny.WriteSized(baseDir, sizes, 1))
	must(tb, tiny.WriteTuned(tuned, baseDir, []string{"no", "yes"}, 2))
	must(tb, os.Mkdir(folder, 0o755))
	base, err := openBase(baseDir, compute)
	must(tb, err)
	f := &fixture{base: baseDir, store: folder, tuned: []string{tuned}, labels: [][]string{{"no", "yes"}}}
	var tasks []*task
	for i := range 2 {
		options.Seed = uint64(i)
		name := fmt.Sprint("t", i)
		f.prune(tb, name, 0, options)
		d, err := store.File{Path: filepath.Join(folder, name+delta.Extension)}.Open()
		must(tb, err)
		tb.Cleanup(func() { _ = d.Close() })
		p, err := planTask(base, &tokenizers{}, d)
		must(tb, err)
		t, err := p.load()
		must(tb, err)
		tasks = append(tasks, t)
	}
	return tasks
}
