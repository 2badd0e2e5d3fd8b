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
// under load, and the ratio of the base without any delta to one task. The fastest pass
// of each counts.
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

// BenchmarkCrossing finds the density up to which a sparse change is better computed
// beside the base's product than in panels of the task's own. It reports the ratio of
// the time of texts of different tasks that have their own panels, and so a batch each,
// to the time of the same texts in one batch, all hot, on one core. Above 1 the batch is
// faster. gemm.Changeable says what follows from it.
func BenchmarkCrossing(b *testing.B) {
	sizes := map[string]any{"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
	const texts = 8
	for _, coding := range []delta.Coding{delta.Sign, delta.Int8} {
		for _, compute := range []gemm.Compute{gemm.Float32, gemm.Int8} {
			for _, keep := range []float64{0.05, 0.1, 0.15, 0.2, 0.3} {
				b.Run(fmt.Sprintf("%s/%s/keep=%g", coding, compute, keep), func(b *testing.B) {
					t := switchTasks(b, sizes, ken.Options{Selection: ken.Random, Keep: keep, Coding: coding}, compute)[0]
					w := models.NewWorkspace(nil)
					for _, tokens := range []int{8, 25} {
						var own, changed []models.Segment
						for i := range texts {
							for list, change := range map[*[]models.Segment]bool{&own: false, &changed: true} {
								n, err := t.arch.Bind(formParams{params{t, true}, change})
								must(b, err)
								*list = append(*list, models.Segment{Network: n, End: i + 1})
							}
						}
						alone := textsOf(1, tokens)
						together := textsOf(texts, tokens)
						together.Segments = changed
						logits := make([]float32, texts*own[0].Network.Labels())
						b.Run(fmt.Sprintf("tokens=%d", tokens), func(b *testing.B) {
							goruntime.LockOSThread()
							defer goruntime.UnlockOSThread()
							var apart, batch time.Duration
							for b.Loop() {
								for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
									start := threadTime()
									for _, s := range own {
										must(b, s.Network.Forward(w, alone, logits[:s.Network.Labels()]))
									}
									between := threadTime()
									must(b, changed[0].Network.Forward(w, together, logits))
									if took := between - start; apart == 0 || took < apart {
										apart = took
									}
									if took := threadTime() - between; batch == 0 || took < batch {
										batch = took
									}
								}
							}
							b.ReportMetric(apart.Seconds()/batch.Seconds(), "apart-to-batch")
							b.ReportMetric(0, "ns/op")
						})
					}
				})
			}
		}
	}
}

// formParams are a task's weights, all sparse ones in the same form, whatever their
// density.
type formParams struct {
	params
	change bool // beside the base's product, or else in panels of their own
}

// Matrix implements models.Params.
func (p formParams) Matrix(name string) (*gemm.Matrix, error) {
	t, _ := p.find(name)
	if p.base.matrices[name] == nil || t == nil || t.Masked == nil {
		return p.params.Matrix(name)
	}
	var m *gemm.Matrix
	var err error
	if p.change {
		m, err = p.base.computeMatrices[name].Changed(t.Masked, p.base.matrices[name])
	} else if m, err = p.base.matrices[name].Overlay(t.Masked); err == nil {
		m = m.As(p.base.compute)
	}
	if err != nil {
		return nil, err
	}
	return m.Materialised(nil), nil
}

// textsOf returns a batch of texts of so many tokens.
func textsOf(texts, tokens int) *models.Batch {
	batch := &models.Batch{}
	for range texts {
		for i := range tokens {
			batch.IDs = append(batch.IDs, int32(5+i%10))
		}
		batch.Ends = append(batch.Ends, len(batch.IDs))
	}
	return batch
}

// unchangedParams are the weights of a task with the base's encoder.
type unchangedParams struct{ params }

// Matrix implements models.Params.
func (p unchangedParams) Matrix(name string) (*gemm.Matrix, error) {
	if m := p.base.computeMatrices[name]; m != nil {
		return m, nil
	}
	return p.params.Matrix(name)
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
	batch := textsOf(texts, tokens)
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
	base, err := t.arch.Bind(unchangedParams{params{t, true}})
	must(b, err)
	one := []models.Segment{{Network: hot[0].Network, End: texts}}
	logits := make([]float32, texts*one[0].Network.Labels())
	best := map[string]time.Duration{}
	for b.Loop() {
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
			for name, segments := range map[string][]models.Segment{"base": {{Network: base, End: texts}}, "one": one, "hot": hot, "warm": warm} {
				batch.Segments = segments
				start := threadTime()
				must(b, segments[0].Network.Forward(w, batch, logits))
				if took := threadTime() - start; best[name] == 0 || took < best[name] {
					best[name] = took
				}
			}
		}
	}
	b.ReportMetric(best["one"].Seconds()/best["hot"].Seconds(), "hot")
	b.ReportMetric(best["one"].Seconds()/best["warm"].Seconds(), "warm")
	b.ReportMetric(best["base"].Seconds()/best["one"].Seconds(), "one-of-base")
	b.ReportMetric(1e3*best["one"].Seconds(), "ms-one")
	b.ReportMetric(0, "ns/op")
}
