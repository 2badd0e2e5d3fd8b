package disentangled

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"kenserve/gemm"
	"kenserve/internal/parallel"
	"kenserve/models"
)

func TestBucketsAgainstHuggingFace(t *testing.T) {
	text, err := os.ReadFile("testdata/buckets.json")
	if err != nil {
		t.Fatal(err)
	}
	var goldens []struct {
		Size, Longest int
		Buckets       []int
	}
	if err := json.Unmarshal(text, &goldens); err != nil || len(goldens) == 0 {
		t.Fatalf("%d goldens, error %v", len(goldens), err)
	}
	for _, g := range goldens {
		for distance, want := range g.Buckets {
			if got := bucket(distance, g.Size, g.Longest); got != want {
				t.Errorf("%d buckets up to %d: distance %d is in bucket %d, want %d", g.Size, g.Longest, distance, got, want)
			}
			if got := bucket(-distance, g.Size, g.Longest); got != -want {
				t.Errorf("%d buckets up to %d: distance -%d is in bucket %d, want %d", g.Size, g.Longest, distance, got, -want)
			}
		}
	}
}

// plainAttention computes one head's output for one sequence by the definition, in
// float64. row returns the row of posK and posQ for a distance query - key.
func plainAttention(q, k, v, posK, posQ gemm.View, row func(distance int) int, scale float64) [][]float64 {
	dot := func(a, b []float32) (s float64) {
		for i := range a {
			s += float64(a[i]) * float64(b[i])
		}
		return s
	}
	out := make([][]float64, q.Rows)
	for i := range out {
		p, sum := make([]float64, k.Rows), 0.0
		for j := range p {
			r := row(i - j)
			p[j] = math.Exp(scale * (dot(q.Row(i), k.Row(j)) + dot(q.Row(i), posK.Row(r)) + dot(k.Row(j), posQ.Row(r))))
			sum += p[j]
		}
		out[i] = make([]float64, v.Cols)
		for j := range p {
			for c, x := range v.Row(j) {
				out[i][c] += p[j] / sum * float64(x)
			}
		}
	}
	return out
}

func TestAttentionAgainstPlain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pool := parallel.NewPool(3)
	defer pool.Close()
	const tokens, heads = 420, 2
	for _, c := range []struct {
		name          string
		queries, keys []int // lengths
		width, step   int
		buckets       int
	}{
		{"one token", []int{1}, []int{1}, 8, 8, 8},
		{"short", []int{3, 1, 7, 50}, []int{3, 1, 7, 50}, 7, 7, 32},
		{"interleaved heads", []int{20, 9}, []int{20, 9}, 8, 24, 0},
		{"long", []int{420, 97}, []int{420, 97}, 8, 8, 64},
		{"no buckets", []int{420, 100}, []int{420, 100}, 8, 8, 0},
		{"queries of first tokens only", []int{1, 1, 1}, []int{5, 160, 2}, 12, 12, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Model{Distances: 2 * tokens, Buckets: c.buckets, MaxDistance: tokens, vocabulary: 1, width: 8, tokens: tokens}
			if c.buckets > 0 {
				m.Distances = 2 * c.buckets
			}
			m.encoder.Layers, m.encoder.Hidden, m.encoder.Heads, m.encoder.Intermediate, m.encoder.Eps = 1, heads*c.width, heads, 1, 1e-5
			arch, err := m.Architecture()
			if err != nil {
				t.Fatal(err)
			}
			a := arch.(*architecture)
			for _, p := range []*parallel.Pool{nil, pool} {
				w := models.NewWorkspace(p)
				fill := func(rows, cols int) gemm.View {
					v := w.View(rows, cols)
					for i := range rows {
						for j := range v.Row(i) {
							v.Row(i)[j] = float32(r.NormFloat64())
						}
					}
					return v
				}
				ends := func(lengths []int) (ends []int) {
					end := 0
					for _, n := range lengths {
						end += n
						ends = append(ends, end)
					}
					return ends
				}
				longest := 0
				for _, n := range c.keys {
					longest = max(longest, n)
				}
				at := attention{
					queries: ends(c.queries), keys: ends(c.keys), heads: heads, width: c.width, step: c.step,
					index: a.index[tokens-longest : tokens+longest-1], zero: longest - 1, scale: 0.2,
				}
				for range c.keys {
					at.places = append(at.places, -int(at.index[0]))
				}
				cols := (heads-1)*c.step + c.width
				nq, nk := at.queries[len(at.queries)-1], at.keys[len(at.keys)-1]
				at.q, at.k, at.v, at.out = fill(nq, cols), fill(nk, cols), fill(nk, cols), fill(nq, heads*c.width)
				rows := at.distances(-(longest - 1), longest-1)
				at.posK, at.posQ = fill(rows, heads*c.width), fill(rows, heads*c.width)
				at.run(w)
				first := a.row(longest - 1) // row of the distance table for index 0
				for i, end := range at.queries {
					k0 := at.keys[i] - c.keys[i]
					for h := range heads {
						at0, at1, o0, o1 := h*c.step, h*c.step+c.width, h*c.width, (h+1)*c.width
						want := plainAttention(at.q.Slice(end-c.queries[i], end, at0, at1), at.k.Slice(k0, k0+c.keys[i], at0, at1),
							at.v.Slice(k0, k0+c.keys[i], at0, at1), at.posK.Slice(0, rows, o0, o1), at.posQ.Slice(0, rows, o0, o1),
							func(distance int) int { return first - a.row(distance) }, 0.2)
						for j, row := range want {
							for l, x := range row {
								if got := at.out.Row(end - c.queries[i] + j)[o0+l]; !(math.Abs(float64(got)-x) <= 1e-5) {
									t.Fatalf("sequence %d, head %d, query %d: column %d is %v, want %v", i, h, j, l, got, x)
								}
							}
						}
					}
				}
			}
		})
	}
}
