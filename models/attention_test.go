package models

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"kenserve/gemm"
)

// naiveAttention is the definition, in float64, of one sequence's head.
func naiveAttention(q, k, v gemm.View) [][]float64 {
	out := make([][]float64, q.Rows)
	for i := range out {
		scores := make([]float64, k.Rows)
		top, sum := math.Inf(-1), 0.0
		for j := range scores {
			for c, x := range q.Row(i) {
				scores[j] += float64(x) * float64(k.Row(j)[c])
			}
			scores[j] /= math.Sqrt(float64(q.Cols))
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

func TestAttentionAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pool := gemm.NewPool(3)
	defer pool.Close()
	for _, c := range []struct {
		name          string
		queries, keys []int // lengths
		heads, width  int
	}{
		{"one token", []int{1}, []int{1}, 1, 8},
		{"short", []int{3, 1, 7}, []int{3, 1, 7}, 4, 8},
		{"odd width", []int{20, 9}, []int{20, 9}, 5, 7},
		{"blocks of queries", []int{47, 48, 49, 130}, []int{47, 48, 49, 130}, 2, 32},
		{"long", []int{700}, []int{700}, 2, 16},
		{"first tokens", []int{1, 1, 1}, []int{5, 60, 2}, 3, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, p := range []*gemm.Pool{nil, pool} {
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
				fill := func(rows int) gemm.View {
					v := w.View(rows, c.heads*c.width)
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
					for h := range c.heads {
						head := func(x gemm.View, from, to int) gemm.View {
							return x.Slice(from, to, h*c.width, (h+1)*c.width)
						}
						k0 := kEnds[i] - c.keys[i]
						want = append(want, naiveAttention(head(q, qEnds[i]-c.queries[i], qEnds[i]), head(k, k0, kEnds[i]), head(v, k0, kEnds[i])))
					}
				}
				check := func(out gemm.View) {
					for i := range qEnds {
						for h := range c.heads {
							for j, row := range want[i*c.heads+h] {
								got := out.Row(qEnds[i] - c.queries[i] + j)[h*c.width:]
								for l, x := range row {
									if e := math.Abs(float64(got[l]) - x); !(e <= 5e-6) {
										t.Fatalf("sequence %d, head %d, query %d: column %d is %v, want %v", i, h, j, l, got[l], x)
									}
								}
							}
						}
					}
				}
				w.Attention(out, q, k, v, qEnds, kEnds, Heads{Count: c.heads, Width: c.width})
				check(out)
				w.Attention(q, q, k, v, qEnds, kEnds, Heads{Count: c.heads, Width: c.width}) // in place
				check(q)
			}
		})
	}
}

// BenchmarkAttention reports the share of the kernels' peak on one core.
func BenchmarkAttention(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	limit := gemm.Peak(100 * time.Millisecond)
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
