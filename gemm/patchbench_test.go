package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kenserve/gemm/kernel/kerneltest"
	"kenserve/internal/parallel"
	"kenserve/internal/sparse"
)

// encoders are the shapes [outputs, inputs] of a layer's matrices, and how many
// layers there are.
var encoders = []struct {
	name   string
	layers int
	shapes [][2]int
}{
	{"MiniLM", 6, [][2]int{{384, 384}, {384, 384}, {384, 384}, {384, 384}, {1536, 384}, {384, 1536}}},
	{"BERT-base", 12, [][2]int{{768, 768}, {768, 768}, {768, 768}, {768, 768}, {3072, 768}, {768, 3072}}},
}

// randomPatch returns a patch with gaps below a density of 1/8, and else with masks.
func randomPatch(b *testing.B, r *rand.Rand, coding sparse.Coding, n, k int, density float64) *sparse.Tensor {
	form := "masks"
	if density < 0.125 {
		form = "gaps"
	}
	dense := make([]change, n*k)
	for i := range dense {
		if r.Float64() < density {
			dense[i] = change{true, float32(r.NormFloat64()), 0x3c00, int8(r.IntN(15) - 7), r.IntN(2) == 0}
		}
	}
	scales := kerneltest.Random(r, n)
	for i := range scales {
		scales[i] = float32(math.Abs(float64(scales[i])))
	}
	if density < 0.1 {
		scales = scales[:1]
	}
	return tileOrder(b, coding, form, n, k, dense, scales)
}

// best measures several ways to do the same, each a sequence of steps, alternately for the
// given time. It returns the sum of the shortest times of its steps for each way: on a busy
// machine every long run is interrupted.
func best(d time.Duration, ways ...[]func()) []time.Duration {
	shortest := make([][]time.Duration, len(ways))
	for i, steps := range ways {
		shortest[i] = slices.Repeat([]time.Duration{math.MaxInt64}, len(steps))
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		for i, steps := range ways {
			for j, step := range steps {
				start := time.Now()
				step()
				shortest[i][j] = min(shortest[i][j], time.Since(start))
			}
		}
	}
	sums := make([]time.Duration, len(ways))
	for i := range ways {
		for _, t := range shortest[i] {
			sums[i] += t
		}
	}
	return sums
}

// BenchmarkPatchMaterialise compares Materialised with copying the same panels, for all
// matrices of an encoder.
func BenchmarkPatchMaterialise(b *testing.B) {
	r := rand.New(rand.NewPCG(31, 32))
	for _, e := range encoders {
		for _, coding := range sparse.Codings {
			for _, density := range []float64{0.5, 0.25, 0.1, 0.02} {
				b.Run(fmt.Sprintf("%s/%s/kept=%v", e.name, coding, density), func(b *testing.B) {
					var matrices []*Matrix
					var patches []*sparse.Tensor
					for range e.layers {
						for i, s := range e.shapes {
							m := &Matrix{n: s[0], k: s[1], panels: makePanels(panelCount(s[0]) * s[1])}
							matrices = append(matrices, m)
							if len(patches) < len(e.shapes) {
								patches = append(patches, randomPatch(b, r, coding, s[0], s[1], density))
							} else {
								patches = append(patches, patches[i])
							}
						}
					}
					for b.Loop() {
						copies, patched := make([][]panelRow, len(matrices)), make([]*Matrix, len(matrices))
						var plain, patching []func()
						for i, m := range matrices {
							plain = append(plain, func() { copies[i] = append([]panelRow(nil), m.panels...) })
							over, err := m.Overlay(patches[i])
							if err != nil {
								b.Fatal(err)
							}
							patching = append(patching, func() { patched[i] = over.Materialised(nil) })
						}
						times := best(3*time.Second, plain, patching)
						b.ReportMetric(times[1].Seconds()/times[0].Seconds(), "of-copy")
						b.ReportMetric(1e3*times[1].Seconds(), "ms")
						b.ReportMetric(0, "ns/op")
					}
				})
			}
		}
	}
}

// BenchmarkPatchFirstChunk compares the product of an overlay with the plain product on
// one core, with weights in the caches.
func BenchmarkPatchFirstChunk(b *testing.B) {
	r := rand.New(rand.NewPCG(33, 34))
	for _, s := range []struct{ n, k int }{{384, 384}, {768, 768}} {
		m := packRows(s.n, s.k, kerneltest.Random(r, s.n*s.k))
		for _, coding := range sparse.Codings {
			for _, density := range []float64{0.5, 0.25, 0.1, 0.02} {
				over, err := m.Overlay(randomPatch(b, r, coding, s.n, s.k, density))
				if err != nil {
					b.Fatal(err)
				}
				for _, rows := range []int{8, 24, 128} {
					b.Run(fmt.Sprintf("%d×%d/%s/kept=%v/rows=%d", s.n, s.k, coding, density, rows), func(b *testing.B) {
						a, c := kerneltest.RandomView(r, rows, s.k, Stride(s.k)), kerneltest.RandomView(r, rows, s.n, Stride(s.n))
						for b.Loop() {
							times := best(time.Second/2, []func(){func() { m.Mul(nil, c, a, Epilogue{}) }}, []func(){func() { over.Mul(nil, c, a, Epilogue{}) }})
							b.ReportMetric(times[1].Seconds()/times[0].Seconds(), "of-plain")
							b.ReportMetric(0, "ns/op")
						}
					})
				}
			}
		}
	}
}

// BenchmarkPatchSwitch compares the products of a text with overlays and with materialised
// matrices: all matrices of an encoder, whose panels do not stay in the caches. This is
// the cost of switching between tasks that are not materialised.
func BenchmarkPatchSwitch(b *testing.B) {
	r := rand.New(rand.NewPCG(35, 36))
	pool := parallel.NewPool(2)
	defer pool.Close()
	for _, e := range encoders {
		for _, density := range []float64{0.02, 0.1, 0.25} {
			var hot, warm []*Matrix
			patches := make([]*sparse.Tensor, len(e.shapes))
			for i, s := range e.shapes {
				patches[i] = randomPatch(b, r, sparse.Sign, s[0], s[1], density)
			}
			for range e.layers {
				for i, s := range e.shapes {
					m := &Matrix{n: s[0], k: s[1], panels: makePanels(panelCount(s[0]) * s[1])}
					over, err := m.Overlay(patches[i])
					if err != nil {
						b.Fatal(err)
					}
					warm = append(warm, over)
					patched, err := patched(m, patches[i])
					if err != nil {
						b.Fatal(err)
					}
					hot = append(hot, patched)
				}
			}
			for _, rows := range []int{8, 24, 128} {
				for _, p := range []*parallel.Pool{nil, pool} {
					b.Run(fmt.Sprintf("%s/kept=%v/rows=%d/workers=%d", e.name, density, rows, p.Width()), func(b *testing.B) {
						a, c := kerneltest.RandomView(r, rows, 3072, Stride(3072)), kerneltest.RandomView(r, rows, 3072, Stride(3072))
						run := func(matrices []*Matrix) (steps []func()) {
							for _, m := range matrices {
								steps = append(steps, func() { m.Mul(p, c.Slice(0, rows, 0, m.n), a.Slice(0, rows, 0, m.k), Epilogue{}) })
							}
							return steps
						}
						for b.Loop() {
							times := best(3*time.Second, run(hot), run(warm))
							b.ReportMetric(times[1].Seconds()/times[0].Seconds(), "of-hot")
							b.ReportMetric(1e3*times[0].Seconds(), "ms-hot")
							b.ReportMetric(0, "ns/op")
						}
					})
				}
			}
		}
	}
}
