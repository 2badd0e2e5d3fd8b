//go:build linux

package runtime

import (
	"fmt"
	goruntime "runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/ken"
	"kenserve/models"
)

// BenchmarkMixed compares the time of a batch in which each text is of another task with
// the time of the same texts of one task, on one core. It reports the ratios of one
// task's time to those of hot and of warm tasks, which bound the throughput of many tasks
// under load. The fastest pass of each counts.
func BenchmarkMixed(b *testing.B) {
	for _, e := range []struct {
		name  string
		sizes map[string]any
		texts int
	}{
		{"MiniLM", map[string]any{"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}, 16},
		{"BERT-base", map[string]any{"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}, 8},
	} {
		for _, o := range []ken.Options{
			{Selection: ken.Random, Keep: 0.02, Coding: delta.Sign},
			{Selection: ken.Random, Keep: 0.1, Coding: delta.Int8},
		} {
			for _, compute := range []gemm.Compute{gemm.Float32, gemm.BFloat16, gemm.Int8} {
				b.Run(fmt.Sprintf("%s/%s/keep=%g/%s", e.name, o.Coding, o.Keep, compute), func(b *testing.B) {
					t := switchTasks(b, e.sizes, o, compute)[0]
					for _, tokens := range []int{8, 25} {
						b.Run(fmt.Sprintf("tokens=%d", tokens), func(b *testing.B) { benchmarkMixed(b, t, e.texts, tokens) })
					}
				})
			}
		}
	}
}

// threadTime is the processor time that this thread has taken. Other programs on the
// machine take away less of it than of the time on a clock.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// benchmarkMixed reports the ratios for batches of so many texts.
func benchmarkMixed(b *testing.B, t *task, texts, tokens int) {
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	w := models.NewWorkspace(nil)
	var batch models.Batch
	for range texts {
		for i := range tokens {
			batch.IDs = append(batch.IDs, int32(5+i%10))
		}
		batch.Ends = append(batch.Ends, len(batch.IDs))
	}
	// Every network has a delta of its own in memory, as other tasks would.
	networks := func(hot bool) (segments []models.Segment) {
		for i := range texts {
			n, err := t.arch.Bind(params{t, hot})
			must(b, err)
			segments = append(segments, models.Segment{Network: n, End: i + 1})
		}
		return segments
	}
	hot, warm := networks(true), networks(false)
	one := []models.Segment{{Network: hot[0].Network, End: texts}}
	logits := make([]float32, texts*one[0].Network.Labels())
	best := map[string]time.Duration{"one": time.Hour, "hot": time.Hour, "warm": time.Hour}
	for b.Loop() {
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
			for name, segments := range map[string][]models.Segment{"one": one, "hot": hot, "warm": warm} {
				batch.Segments = segments
				start := threadTime()
				must(b, segments[0].Network.Forward(w, &batch, logits))
				best[name] = min(best[name], threadTime()-start)
			}
		}
	}
	b.ReportMetric(best["one"].Seconds()/best["hot"].Seconds(), "hot")
	b.ReportMetric(best["one"].Seconds()/best["warm"].Seconds(), "warm")
	b.ReportMetric(1e3*best["one"].Seconds(), "ms-one")
	b.ReportMetric(0, "ns/op")
}
