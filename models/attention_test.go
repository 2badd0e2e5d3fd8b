package models

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"kenserve/gemm"
	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
)

// plainAttention computes one head of one sequence by the definition, in float64.
func plainAttention(q, k, v gemm.View, heads Heads, head int) [][]float64 {
	out := make([][]float64, q.Rows)
	for i := range out {
		scores := make([]float64, k.Rows)
		top, sum := math.Inf(-1), 0.0
		for j := range scores {
			for c, x := range q.Row(i) {
				scores[j] += float64(x) * float64(k.Row(j)[c])
			}
			scores[j] /= math.Sqrt(float64(q.Cols))
			if heads.Slopes != nil {
				scores[j] += float64(heads.Slopes[head]) * float64(j)
			}
			if heads.Causal && j > i || heads.Window > 0 && max(i-j, j-i) > heads.Window {
				scores[j] = math.Inf(-1)
			}
			top = math.Max(top, scores[j])
		}
		for j := range scores {
			scores[j] = math.Exp(scores[j] - top)
			sum += scores[j]
		}
		out[i] = make([]float64, q.Cols)
		for j, p := range scores {
			for c, x := range v.Row(j) {
				out[i][c] += p / sum * float64(x)
			}
		}
	}
	return out
}

func TestAttentionAgainstPlain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pool := parallel.NewPool(3)
	defer pool.Close()
	for _, c := range []struct {
		name          string
		queries, keys []int // lengths of the sequences
		heads         Heads
	}{
		{"one token", []int{1}, []int{1}, Heads{Count: 1, Width: 8}},
		{"short", []int{3, 1, 7}, []int{3, 1, 7}, Heads{Count: 4, Width: 8}},
		{"odd width", []int{20, 9}, []int{20, 9}, Heads{Count: 5, Width: 7}},
		{"blocks of queries", []int{47, 48, 49, 130}, []int{47, 48, 49, 130}, Heads{Count: 2, Width: 32}},
		{"long", []int{700}, []int{700}, Heads{Count: 2, Width: 16}},
		{"queries of first tokens only", []int{1, 1, 1}, []int{5, 60, 2}, Heads{Count: 3, Width: 12}},
		{"interleaved heads", []int{20, 9}, []int{20, 9}, Heads{Count: 3, Width: 8, Stride: 24}},
		{"causal", []int{1, 5, 60, 230}, []int{1, 5, 60, 230}, Heads{Count: 2, Width: 8, Causal: true}},
		{"window", []int{1, 5, 60, 230, 500}, []int{1, 5, 60, 230, 500}, Heads{Count: 2, Width: 8, Window: 11}},
		{"wide window", []int{130, 300}, []int{130, 300}, Heads{Count: 1, Width: 8, Window: 128}},
		{"window of first tokens", []int{1, 1}, []int{5, 230}, Heads{Count: 2, Width: 8, Window: 11}},
		{"causal window", []int{5, 230}, []int{5, 230}, Heads{Count: 2, Width: 8, Window: 11, Causal: true}},
		{"slopes", []int{5, 160}, []int{5, 160}, Heads{Count: 3, Width: 8, Causal: true, Slopes: []float32{0.5, 0.1, 0}}},
		{"slopes of one query", []int{1, 1}, []int{5, 160}, Heads{Count: 2, Width: 8, Slopes: []float32{-0.3, 0.1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, p := range []*parallel.Pool{nil, pool} {
				w := NewWorkspace(p)
				ends := func(lengths []int) (ends []int) {
					end := 0
					for _, n := range lengths {
						end += n
						ends = append(ends, end)
					}
					return ends
				}
				qEnds, kEnds := ends(c.queries), ends(c.keys)
				step := max(c.heads.Stride, c.heads.Width)
				fill := func(rows int) gemm.View {
					v := w.View(rows, c.heads.Count*step)
					for i := range rows {
						for j := range v.Row(i) {
							v.Row(i)[j] = float32(r.NormFloat64())
						}
					}
					return v
				}
				rows, length := qEnds[len(qEnds)-1], kEnds[len(kEnds)-1]
				q, k, v, out := fill(rows), fill(length), fill(length), fill(rows)
				want := [][][]float64{}
				for i := range qEnds {
					for h := range c.heads.Count {
						head := func(x gemm.View, from, to int) gemm.View {
							return x.Slice(from, to, h*step, h*step+c.heads.Width)
						}
						k0 := kEnds[i] - c.keys[i]
						want = append(want, plainAttention(head(q, qEnds[i]-c.queries[i], qEnds[i]), head(k, k0, kEnds[i]), head(v, k0, kEnds[i]), c.heads, h))
					}
				}
				check := func(out gemm.View) {
					for i := range qEnds {
						for h := range c.heads.Count {
							for j, row := range want[i*c.heads.Count+h] {
								got := out.Row(qEnds[i] - c.queries[i] + j)[h*c.heads.Width:]
								for l, x := range row {
									if e := math.Abs(float64(got[l]) - x); !(e <= 5e-6) {
										t.Fatalf("sequence %d, head %d, query %d: column %d is %v, want %v", i, h, j, l, got[l], x)
									}
								}
							}
						}
					}
				}
				w.Attention(out, q, k, v, qEnds, kEnds, c.heads)
				check(out)
				if step == c.heads.Width {
					w.Attention(q, q, k, v, qEnds, kEnds, c.heads) // in place
					check(q)
				}
			}
		})
	}
}

// BenchmarkAttention reports the throughput on one core as a share of the kernels'
// peak.
func BenchmarkAttention(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	limit := kernel.Peak(100 * time.Millisecond)
	for _, c := range []struct{ tokens, heads, width int }{{24, 12, 32}, {128, 12, 32}, {512, 12, 32}, {512, 12, 64}} {
		b.Run(fmt.Sprintf("tokens=%d/heads=%d/width=%d", c.tokens, c.heads, c.width), func(b *testing.B) {
			w := NewWorkspace(nil)
			views := make([]gemm.View, 4)
			for i := range views {
				views[i] = w.View(c.tokens, c.heads*c.width)
				for j := range views[i].Data {
					views[i].Data[j] = float32(r.NormFloat64())
				}
			}
			ends := []int{c.tokens}
			used := w.used
			for b.Loop() {
				w.used = used
				w.Attention(views[0], views[1], views[2], views[3], ends, ends, Heads{Count: c.heads, Width: c.width})
			}
			flops := 4 * float64(b.N) * float64(c.tokens*c.tokens*c.heads*c.width) / b.Elapsed().Seconds()
			b.ReportMetric(flops/limit, "of-peak")
		})
	}
}
