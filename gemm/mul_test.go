package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"kenserve/gemm/kernel"
	"kenserve/gemm/kernel/kerneltest"
	"kenserve/internal/parallel"
	"kenserve/nn"
)

func packRows(n, k int, w []float32) *Matrix {
	return Pack(n, k, func(i int, dst []float32) { copy(dst, w[i*k:][:k]) })
}

func TestMulAgainstNaive(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		pool := parallel.NewPool(3)
		defer pool.Close()
		shapes := []struct{ n, k int }{{1, 1}, {3, 17}, {16, 64}, {31, 5}, {32, 128}, {33, 129}, {40, 260}, {100, 1}, {130, 15}, {40, 0}}
		// Epilogue.Next is only a hint: any shape is allowed.
		next := []*Matrix{nil, packRows(5, 3, kerneltest.Random(r, 15)), packRows(200, 100, kerneltest.Random(r, 20000)), packRows(7, 0, nil), packRows(0, 7, nil), packRows(40, 8, kerneltest.Random(r, 320)).As(Int8)}
		for _, s := range shapes {
			w := kerneltest.Random(r, s.n*s.k)
			m := packRows(s.n, s.k, w)
			for rows := range 71 {
				a := kerneltest.RandomView(r, rows, s.k, s.k+rows%5)
				c := kerneltest.RandomView(r, rows, s.n, s.n+rows%3)
				before := append([]float32(nil), c.Data...)
				want, size := kerneltest.Product(a, kerneltest.RowMajor(w, s.n, s.k))
				m.Mul(pool, c, a, Epilogue{Next: next[rows%len(next)]})
				for i := range rows {
					for j, got := range c.Row(i) {
						if e := math.Abs(float64(got) - want[i*s.n+j]); !(e <= kerneltest.SumBound(s.k, size[i*s.n+j])) {
							t.Fatalf("%d rows, n=%d, k=%d: element (%d,%d) is %v, want %v", rows, s.n, s.k, i, j, got, want[i*s.n+j])
						}
					}
				}
				for i := range c.Data {
					if i%c.Stride >= s.n || i/c.Stride >= rows {
						if math.Float32bits(c.Data[i]) != math.Float32bits(before[i]) {
							t.Fatalf("%d rows, n=%d, k=%d: wrote outside the result at %d", rows, s.n, s.k, i)
						}
					}
				}
			}
		}
	})
}

// The result of a row does not depend on the other rows, on the blocks or on the number of
// workers.
func TestMulRowsAreIndependent(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		pool := parallel.NewPool(4)
		defer pool.Close()
		const n, k, rows = 100, 333, 131
		m := packRows(n, k, kerneltest.Random(r, n*k))
		a := kerneltest.RandomView(r, rows, k, k+3)
		all := kerneltest.RandomView(r, rows, n, n)
		e := Epilogue{Bias: kerneltest.Random(r, n), Activation: nn.GELU}
		m.Mul(pool, all, a, e)
		for i := range rows {
			for size := 1; size <= 8 && i+size <= rows; size++ {
				some := kerneltest.RandomView(r, size, n, n)
				m.Mul(nil, some, a.Slice(i, i+size, 0, k), e)
				for j := range size {
					for l, got := range some.Row(j) {
						if want := all.Row(i + j)[l]; got != want {
							t.Fatalf("row %d in a batch of %d: column %d is %v, in the whole batch %v", i+j, size, l, got, want)
						}
					}
				}
			}
		}
	})
}

func TestMulEpilogue(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		const n, k, rows = 45, 70, 7
		w, bias := kerneltest.Random(r, n*k), kerneltest.Random(r, n)
		m := packRows(n, k, w)
		a := kerneltest.RandomView(r, rows, k, k)
		sum, _ := kerneltest.Product(a, kerneltest.RowMajor(w, n, k))
		for _, act := range []nn.Activation{nn.Identity, nn.ReLU, nn.GELU, nn.GELUTanh, nn.Tanh} {
			for _, biased := range []bool{false, true} {
				for _, residual := range []string{"none", "other", "same"} {
					c := kerneltest.RandomView(r, rows, n, n+2)
					e := Epilogue{Activation: act}
					if biased {
						e.Bias = bias
					}
					res := View{}
					switch residual {
					case "other":
						res = kerneltest.RandomView(r, rows, n, n+1)
						e.Residual = res
					case "same":
						for i := range rows {
							copy(c.Row(i), kerneltest.Random(r, n))
						}
						e.Residual = c
						res = View{Data: append([]float32(nil), c.Data...), Rows: rows, Cols: n, Stride: c.Stride}
					}
					m.Mul(nil, c, a, e)
					for i := range rows {
						for j, got := range c.Row(i) {
							want := sum[i*n+j]
							if biased {
								want += float64(bias[j])
							}
							want = exact(act, want)
							if res.Data != nil {
								want += float64(res.Row(i)[j])
							}
							if e := math.Abs(float64(got) - want); !(e <= 3e-5) {
								t.Fatalf("activation %d, bias %v, residual %s: (%d,%d) is %v, want %v", act, biased, residual, i, j, got, want)
							}
						}
					}
				}
			}
		}
	})
}

// exact returns an activation of x by definition, in float64.
func exact(a nn.Activation, x float64) float64 {
	switch a {
	case nn.ReLU:
		return math.Max(0, x)
	case nn.GELU:
		return kerneltest.GELU(x)
	case nn.GELUTanh:
		return kerneltest.GELUTanh(x)
	case nn.Tanh:
		return math.Tanh(x)
	}
	return x
}

func TestPackRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, s := range []struct{ n, k int }{{0, 5}, {1, 1}, {5, 0}, {31, 3}, {32, 9}, {70, 20}} {
		w := kerneltest.Random(r, s.n*s.k)
		m := packRows(s.n, s.k, w)
		if m.N() != s.n || m.K() != s.k {
			t.Fatalf("%d×%d packed as %d×%d", s.n, s.k, m.N(), m.K())
		}
		if want := int64((s.n + 31) / 32 * s.k * 128); m.Bytes() != want {
			t.Errorf("%d×%d holds %d bytes, want %d", s.n, s.k, m.Bytes(), want)
		}
		if p := unsafe.SliceData(m.panels); uintptr(unsafe.Pointer(p))%64 != 0 {
			t.Errorf("panels start at %p, not at a multiple of 64", p)
		}
		row := make([]float32, s.k)
		for i := range s.n {
			m.Row(i, row)
			for k := range row {
				if row[k] != w[i*s.k+k] {
					t.Fatalf("%d×%d: weight (%d,%d) is %v, want %v", s.n, s.k, i, k, row[k], w[i*s.k+k])
				}
			}
		}
	}
}

func TestMulPanicsOnWrongSizes(t *testing.T) {
	m := packRows(3, 4, make([]float32, 12))
	view := func(rows, cols int) View {
		return View{Data: make([]float32, rows*cols), Rows: rows, Cols: cols, Stride: cols}
	}
	for name, f := range map[string]func(){
		"inputs":   func() { m.Mul(nil, view(2, 3), view(2, 5), Epilogue{}) },
		"outputs":  func() { m.Mul(nil, view(2, 4), view(2, 4), Epilogue{}) },
		"rows":     func() { m.Mul(nil, view(1, 3), view(2, 4), Epilogue{}) },
		"bias":     func() { m.Mul(nil, view(2, 3), view(2, 4), Epilogue{Bias: make([]float32, 2)}) },
		"residual": func() { m.Mul(nil, view(2, 3), view(2, 4), Epilogue{Residual: view(2, 2)}) },
		"data": func() {
			m.Mul(nil, View{Data: make([]float32, 5), Rows: 2, Cols: 3, Stride: 3}, view(2, 4), Epilogue{})
		},
		"stride": func() {
			m.Mul(nil, View{Data: make([]float32, 6), Rows: 2, Cols: 3, Stride: 2}, view(2, 4), Epilogue{})
		},
		"slice": func() { view(2, 3).Slice(0, 3, 0, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func TestMulAllocatesNothing(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		pool := parallel.NewPool(2)
		defer pool.Close()
		r := rand.New(rand.NewPCG(9, 10))
		const n, k, rows = 128, 128, 64
		m := packRows(n, k, kerneltest.Random(r, n*k))
		a, c := kerneltest.RandomView(r, rows, k, k), kerneltest.RandomView(r, rows, n, n)
		e := Epilogue{Bias: kerneltest.Random(r, n), Activation: nn.GELU}
		for name, p := range map[string]*parallel.Pool{"serial": nil, "shared": pool} {
			if got := testing.AllocsPerRun(50, func() { m.Mul(p, c, a, e) }); got != 0 {
				t.Errorf("%s: %v allocations a product", name, got)
			}
		}
	})
}

func TestStride(t *testing.T) {
	for cols := range 5000 {
		s := Stride(cols)
		if s < cols || s%16 != 0 || s > cols+32 || s > 0 && s%1024 == 0 {
			t.Fatalf("Stride(%d) = %d", cols, s)
		}
	}
}

// BenchmarkMul reports the share of the peak that a product reaches on one core, for the
// layers of MiniLM-L6 and BERT-base. The best of many runs counts, and the peak is
// measured between them, because others may use the machine.
func BenchmarkMul(b *testing.B) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, s := range []struct{ n, k int }{{384, 384}, {1536, 384}, {384, 1536}, {768, 768}, {3072, 768}, {768, 3072}} {
		m := packRows(s.n, s.k, kerneltest.Random(r, s.n*s.k))
		for _, rows := range []int{1, 8, 32, 128, 512} {
			b.Run(fmt.Sprintf("n=%d/k=%d/rows=%d", s.n, s.k, rows), func(b *testing.B) {
				a := kerneltest.RandomView(r, rows, s.k, Stride(s.k))
				c := kerneltest.RandomView(r, rows, s.n, Stride(s.n))
				limit, best := 0.0, time.Duration(1<<62)
				for b.Loop() {
					limit = max(limit, kernel.Peak(50*time.Microsecond))
					start := time.Now()
					m.Mul(nil, c, a, Epilogue{})
					best = min(best, time.Since(start))
				}
				b.ReportMetric(2*float64(rows*s.n*s.k)/best.Seconds()/limit, "of-peak")
			})
		}
	}
}
