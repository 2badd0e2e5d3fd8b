package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kenserve/gemm/kernel"
	"kenserve/gemm/kernel/kerneltest"
	"kenserve/internal/parallel"
	"kenserve/nn"
)

// gradientSizes are the numbers of rows, outputs and inputs in tests.
var gradientSizes = []struct{ m, n, k int }{
	{1, 1, 1}, {1, 33, 7}, {2, 32, 32}, {5, 31, 64}, {17, 40, 35}, {48, 64, 96}, {49, 3, 100}, {130, 96, 33}, {7, 500, 65}, {400, 33, 40},
}

func transposed(v View) View {
	t := kerneltest.RowMajor(make([]float32, v.Rows*v.Cols), v.Cols, v.Rows)
	for i := range v.Rows {
		for j, x := range v.Row(i) {
			t.Row(j)[i] = x
		}
	}
	return t
}

func packRandom(r *rand.Rand, n, k int) (*Matrix, View) {
	w := kerneltest.RandomView(r, n, k, k)
	return Pack(n, k, func(i int, dst []float32) { copy(dst, w.Row(i)) }), w
}

func TestMulTransposedAgainstNaive(t *testing.T) {
	pool := parallel.NewPool(3)
	defer pool.Close()
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for _, s := range gradientSizes {
			matrix, w := packRandom(r, s.n, s.k)
			a := kerneltest.RandomView(r, s.m, s.n, Stride(s.n))
			for _, add := range []bool{false, true} {
				c := kerneltest.RandomView(r, s.m, s.k, Stride(s.k))
				before := slices.Clone(c.Data)
				again := View{Data: slices.Clone(c.Data), Rows: c.Rows, Cols: c.Cols, Stride: c.Stride}
				matrix.MulTransposed(pool, c, a, add, Float32)
				want, size := kerneltest.Product(a, transposed(w))
				for i := range c.Rows {
					for j, got := range c.Row(i) {
						sum, abs := want[i*s.k+j], size[i*s.k+j]
						if add {
							sum += float64(before[i*c.Stride+j])
							abs += math.Abs(float64(before[i*c.Stride+j]))
						}
						if e := math.Abs(float64(got) - sum); !(e <= kerneltest.SumBound(s.n+1, abs)) {
							t.Fatalf("%v, add %v: (%d,%d) is %v, want %v", s, add, i, j, got, sum)
						}
					}
				}
				matrix.MulTransposed(nil, again, a, add, Float32)
				sameBits(t, fmt.Sprint(s, add), again.Data, c.Data)
			}
		}
	})
}

// sameBits compares values, NaNs included.
func sameBits(t *testing.T, name string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: value %d is %v, want %v", name, i, got[i], want[i])
		}
	}
}

func TestTransposed(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		var x Transposed
		for _, s := range gradientSizes {
			v := kerneltest.RandomView(r, s.m, s.k, Stride(s.k))
			x.reset(nil, v)
			for k := range s.k {
				row := x.view.Data[k*x.view.Stride:][:(s.m+15)&^15]
				for m, got := range row {
					want := float32(0)
					if m < s.m {
						want = v.Row(m)[k]
					}
					if got != want {
						t.Fatalf("%v: (%d,%d) is %v, want %v", s, k, m, got, want)
					}
				}
			}
		}
	})
}

func TestAddGradientAgainstNaive(t *testing.T) {
	pool := parallel.NewPool(3)
	defer pool.Close()
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		var xt, part Transposed
		for _, s := range gradientSizes {
			matrix, _ := packRandom(r, s.n, s.k)
			x, dy := kerneltest.RandomView(r, s.m, s.k, Stride(s.k)), kerneltest.RandomView(r, s.m, s.n, Stride(s.n))
			xt.reset(pool, x)
			grad, bias := make([]float32, len(matrix.Values())), make([]float32, s.n)
			for i := range grad {
				grad[i] = float32(math.NaN())
			}
			matrix.AddGradient(pool, grad, bias, dy, &xt, true, Float32)
			want, size := kerneltest.Product(transposed(dy), transposed(x))
			for i, got := range grad {
				n, k := matrix.ValuePosition(i)
				if n >= s.n {
					if got != 0 {
						t.Fatalf("%v: the filling of the last panel has gradient %v", s, got)
					}
					continue
				}
				if at := matrix.ValueIndex(n, k); at != i {
					t.Fatalf("%v: index of (%d,%d) is %d, want %d", s, n, k, at, i)
				}
				if e := math.Abs(float64(got) - want[n*s.k+k]); !(e <= kerneltest.SumBound(s.m, size[n*s.k+k])) {
					t.Fatalf("%v: (%d,%d) is %v, want %v", s, n, k, got, want[n*s.k+k])
				}
			}
			for n := range s.n {
				sum := float32(0)
				for m := range s.m {
					sum += dy.Row(m)[n]
				}
				if bias[n] != sum {
					t.Fatalf("%v: bias %d is %v, want %v", s, n, bias[n], sum)
				}
			}

			// The same bits for any division into calls.
			again, againBias := make([]float32, len(grad)), make([]float32, s.n)
			cut := s.m / 3
			for _, rows := range [][2]int{{0, cut}, {cut, s.m}} {
				if rows[0] == rows[1] {
					continue
				}
				part.reset(nil, x.Slice(rows[0], rows[1], 0, s.k))
				matrix.AddGradient(nil, again, againBias, dy.Slice(rows[0], rows[1], 0, s.n), &part, rows[0] == 0, Float32)
			}
			sameBits(t, fmt.Sprint(s, " in two calls"), again, grad)
			sameBits(t, fmt.Sprint(s, " biases in two calls"), againBias, bias)

			// The same values at kept positions.
			var kept []Position
			for n := range s.n {
				for k := range s.k {
					if r.IntN(5) == 0 {
						kept = append(kept, Position{int32(n), int32(k)})
					}
				}
			}
			sparse := make([]float32, len(kept))
			matrix.AddSparseGradient(pool, sparse, kept, dy, x, nn.Identity, true)
			matrix.AddSparseGradient(nil, sparse, kept, dy, x, nn.Identity, false)
			for i, p := range kept {
				at := int(p.Output)*s.k + int(p.Input)
				if e := math.Abs(float64(sparse[i])/2 - want[at]); !(e <= kerneltest.SumBound(s.m+2, size[at])) {
					t.Fatalf("%v: (%d,%d) alone is %v, want %v", s, p.Output, p.Input, sparse[i]/2, want[at])
				}
			}
		}
	})
}

// BenchmarkGradient compares the products of the backward pass with that of the forward
// pass, which does as many multiplications. It reports the ratio of their speeds, from the
// fastest of several runs in turns.
func BenchmarkGradient(b *testing.B) {
	for _, l := range kernel.SupportedLevels() {
		for _, s := range []struct{ m, n, k int }{{800, 384, 384}, {800, 1536, 384}, {800, 384, 1536}, {800, 3072, 768}, {200, 384, 1536}} {
			b.Run(fmt.Sprintf("%s/rows=%d/outputs=%d/inputs=%d", l, s.m, s.n, s.k), func(b *testing.B) {
				defer kernel.UseLevel(kernel.UseLevel(l))
				r := rand.New(rand.NewPCG(4, 4))
				matrix, _ := packRandom(r, s.n, s.k)
				x, dy := kerneltest.RandomView(r, s.m, s.k, Stride(s.k)), kerneltest.RandomView(r, s.m, s.n, Stride(s.n))
				dx, grad := kerneltest.RandomView(r, s.m, s.k, Stride(s.k)), make([]float32, len(matrix.Values()))
				var xt Transposed
				var kept []Position
				for n := range s.n {
					for k := range s.k {
						if r.IntN(100) == 0 {
							kept = append(kept, Position{int32(n), int32(k)})
						}
					}
				}
				sparse := make([]float32, len(kept))
				var best [4]time.Duration
				for b.Loop() {
					for i, f := range []func(){
						func() { matrix.Mul(nil, dy, x, Epilogue{}) },
						func() { matrix.MulTransposed(nil, dx, dy, false, Float32) },
						func() { xt.reset(nil, x); matrix.AddGradient(nil, grad, nil, dy, &xt, true, Float32) },
						func() { matrix.AddSparseGradient(nil, sparse, kept, dy, x, nn.Identity, true) },
					} {
						start := time.Now()
						f()
						if d := time.Since(start); best[i] == 0 || d < best[i] {
							best[i] = d
						}
					}
				}
				for i, name := range []string{"input/forward", "weights/forward", "1%/forward"} {
					b.ReportMetric(best[0].Seconds()/best[i+1].Seconds(), name)
				}
				b.ReportMetric(2*float64(s.m*s.n*s.k)/best[0].Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
