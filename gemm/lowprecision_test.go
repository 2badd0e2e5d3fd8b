package gemm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"kenserve/gemm/kernel"
	"kenserve/gemm/kernel/kerneltest"
	"kenserve/internal/parallel"
	"kenserve/internal/sparse"
	"kenserve/nn"
)

// lowPrecisionTypes are the compute types except Float32.
var lowPrecisionTypes = []Compute{BFloat16, Int8}

// rounded returns a row of activations rounded to a compute type, by definition, and the
// step of its levels.
func rounded(c Compute, x []float32) ([]float64, float64) {
	out := make([]float64, len(x))
	if c == BFloat16 {
		for i, v := range x {
			out[i] = float64(nearest(v, 8))
		}
		return out, 0
	}
	low, high := float32(0), float32(0)
	for _, v := range x {
		low, high = min(low, v), max(high, v)
	}
	span := high - low
	if span <= 0x1p-100 {
		return out, 0
	}
	step, inverse := span/255, 255/span
	zero := math.RoundToEven(float64(-low * inverse))
	for i, v := range x {
		level := math.RoundToEven(float64(v*inverse)) + zero
		out[i] = (math.Max(0, math.Min(255, level)) - zero) * float64(step)
	}
	return out, float64(step)
}

// nearest rounds to a number of significant bits, ties to even.
func nearest(x float32, bits int) float32 {
	fraction, exponent := math.Frexp(float64(x))
	return float32(math.Ldexp(math.RoundToEven(math.Ldexp(fraction, bits)), exponent-bits))
}

// lowPrecisionBound is the error bound of a product of rounded factors: for BFloat16 that
// of a float32 sum, for Int8 the five roundings that turn the integer sum into the result.
func lowPrecisionBound(c Compute, k int, size float64) float64 {
	if c == Int8 {
		return 5*0x1p-24*size + 1e-30
	}
	return kerneltest.SumBound(k+1, size)
}

func TestLowPrecisionMulAgainstDefinition(t *testing.T) {
	for _, c := range lowPrecisionTypes {
		t.Run(c.String(), func(t *testing.T) {
			kerneltest.EachLevel(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(61, 62))
				pool := parallel.NewPool(3)
				defer pool.Close()
				for _, s := range []struct{ n, k int }{{1, 1}, {3, 17}, {16, 64}, {31, 5}, {32, 128}, {33, 129}, {40, 260}, {100, 2}, {70, 1035}} {
					m := packRows(s.n, s.k, kerneltest.Random(r, s.n*s.k)).As(c)
					bias := kerneltest.Random(r, s.n)
					w := make([]float32, s.n*s.k)
					for i := range s.n {
						m.Row(i, w[i*s.k:][:s.k])
					}
					for rows := range 71 {
						if s.n*s.k > 5000 && rows > 13 && rows%9 != 0 {
							continue
						}
						a := kerneltest.RandomView(r, rows, s.k, s.k+rows%5)
						got := kerneltest.RandomView(r, rows, s.n, s.n+rows%3)
						m.Mul(pool, got, a, Epilogue{Bias: bias})
						for i := range rows {
							x, _ := rounded(c, a.Row(i))
							for j, g := range got.Row(i) {
								want, size := float64(bias[j]), math.Abs(float64(bias[j]))
								for k, v := range x {
									p := v * float64(w[j*s.k+k])
									want += p
									size += math.Abs(p)
								}
								if e := math.Abs(float64(g) - want); !(e <= lowPrecisionBound(c, s.k, size)) {
									t.Fatalf("%d rows, n=%d, k=%d: element (%d,%d) is %v, want %v", rows, s.n, s.k, i, j, g, want)
								}
							}
						}
						for i, v := range got.Data {
							if (i%got.Stride >= s.n || i/got.Stride >= rows) && v == v {
								t.Fatalf("%d rows, n=%d, k=%d: wrote outside the result at %d", rows, s.n, s.k, i)
							}
						}
					}
				}
			})
		})
	}
}

func TestAs(t *testing.T) {
	r := rand.New(rand.NewPCG(63, 64))
	for _, s := range []struct{ n, k int }{{1, 1}, {5, 3}, {32, 64}, {33, 130}, {70, 31}} {
		w := kerneltest.Random(r, s.n*s.k)
		for i := range w {
			w[i] *= 0.05
		}
		m := packRows(s.n, s.k, w)
		for _, c := range lowPrecisionTypes {
			low := m.As(c)
			if low.compute != c || low.N() != s.n || low.K() != s.k {
				t.Fatalf("%v as %s is a %d×%d matrix of %s", s, c, low.N(), low.K(), low.compute)
			}
			held := int64(len(low.lowPrecision.rows)*128 + len(low.lowPrecision.steps)*128 + len(low.lowPrecision.totals)*128)
			if got := low.Bytes(); got != held || got != c.Bytes(s.n, s.k) {
				t.Errorf("%v as %s: Bytes is %d, the matrix holds %d, Compute.Bytes is %d", s, c, got, held, c.Bytes(s.n, s.k))
			}
			row := make([]float32, s.k)
			for i := range s.n {
				want := w[i*s.k:][:s.k]
				var top float32
				for _, v := range want {
					top = max(top, v, -v)
				}
				low.Row(i, row)
				for k, got := range row {
					allowed := math.Abs(float64(want[k])) / 256 // half of the last of 8 bits
					if c == Int8 {
						allowed = float64(top) / 63 / 2 * 1.0001
					}
					if e := math.Abs(float64(got) - float64(want[k])); !(e <= allowed) {
						t.Fatalf("%v as %s: weight (%d,%d) is %v, was %v", s, c, i, k, got, want[k])
					}
				}
			}
			if _, err := patched(low, checked(t, &sparse.Tensor{Coding: sparse.Float32, Height: sparse.TileRows, Tiles: []uint32{}}, s.n, s.k)); err == nil {
				t.Errorf("a %s matrix could be patched", c)
			}
			if _, err := low.Overlay(checked(t, &sparse.Tensor{Coding: sparse.Float32, Height: sparse.TileRows, Tiles: []uint32{}}, s.n, s.k)); err == nil {
				t.Errorf("a %s matrix could be overlaid", c)
			}
		}
		if m.As(Float32) != m {
			t.Error("As(Float32) of a float32 matrix returns another matrix")
		}
	}
	if c := Int8.forInputs(maxInt8Inputs + 1); c != Float32 {
		t.Errorf("%d inputs are multiplied in %s, want float32", maxInt8Inputs+1, c)
	}
}

// An overlay rounds weights after patching them, as a patched matrix does.
func TestLowPrecisionOverlay(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(65, 66))
		pool := parallel.NewPool(2)
		defer pool.Close()
		for _, s := range []struct{ n, k int }{{3, 5}, {70, 131}, {64, 384}} {
			m := packRows(s.n, s.k, kerneltest.Random(r, s.n*s.k))
			dense := randomChanges(r, s.n, s.k, 0.1)
			p := tileOrder(t, sparse.Float32, "masks", s.n, s.k, dense, nil)
			patched, err := patched(m, p)
			if err != nil {
				t.Fatal(err)
			}
			overlay, err := m.Overlay(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range lowPrecisionTypes {
				resident, overlaid := patched.As(c), overlay.As(c)
				if overlaid.compute != c || overlaid.Bytes() != OverlayBytes {
					t.Errorf("overlay as %s: type %s, %d bytes", c, overlaid.compute, overlaid.Bytes())
				}
				a := kerneltest.RandomView(r, 50, s.k, s.k)
				want, got := kerneltest.RandomView(r, 50, s.n, s.n), kerneltest.RandomView(r, 50, s.n, s.n)
				resident.Mul(pool, want, a, Epilogue{})
				overlaid.Mul(pool, got, a, Epilogue{})
				for i := range want.Rows {
					for j, w := range want.Row(i) {
						if got.Row(i)[j] != w {
							t.Fatalf("%v as %s: element (%d,%d) is %v as an overlay, %v patched before", s, c, i, j, got.Row(i)[j], w)
						}
					}
				}
				x, y := make([]float32, s.k), make([]float32, s.k)
				resident.Row(1, x)
				overlaid.Row(1, y)
				for k := range x {
					if x[k] != y[k] {
						t.Fatalf("%v as %s: weight (1,%d) is %v as an overlay, %v patched before", s, c, k, y[k], x[k])
					}
				}
			}
		}
	})
}

// All levels give the same bits for Int8, and differ by the roundings of their sums for
// BFloat16.
func TestLowPrecisionLevelsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(67, 68))
	for _, s := range []struct{ n, k int }{{1, 7}, {33, 100}, {64, 384}, {96, 700}, {7, 1536}} {
		w := kerneltest.Random(r, s.n*s.k)
		for _, rows := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 47, 48, 49, 53, 70} {
			a := kerneltest.RandomView(r, rows, s.k, s.k+rows%7)
			for _, c := range lowPrecisionTypes {
				compareLevels(t, c, s.n, s.k, w, kerneltest.Random(r, s.n), a)
			}
		}
	}
}

// compareLevels packs and multiplies at every level, and compares the results with those
// of the portable kernels.
func compareLevels(t *testing.T, c Compute, n, k int, w, bias []float32, a View) {
	t.Helper()
	var want View
	for _, l := range kernel.SupportedLevels() {
		got := View{Data: make([]float32, a.Rows*n), Rows: a.Rows, Cols: n, Stride: n}
		kerneltest.AtLevel(l, func() {
			packRows(n, k, w).As(c).Mul(nil, got, a, Epilogue{Bias: bias})
		})
		if l == kernel.Portable {
			want = got
			continue
		}
		for i := range a.Rows {
			allowed := 0.0
			for j, g := range got.Row(i) {
				p := want.Row(i)[j]
				if c != Int8 {
					size := math.Abs(float64(bias[j]))
					for q, x := range a.Row(i) {
						size += math.Abs(float64(x) * float64(w[j*k+q]))
					}
					allowed = 2 * kerneltest.SumBound(k+2, 1.01*size)
				}
				same := g == p || g != g && p != p
				if !same && !(math.Abs(float64(g)-float64(p)) <= allowed) {
					t.Fatalf("%s, n=%d, k=%d, %d rows: element (%d,%d) is %v with %s kernels, %v with portable ones",
						c, n, k, a.Rows, i, j, g, l, p)
				}
			}
		}
	}
}

// The largest and the smallest sums that a panel can have are exact: no kernel saturates.
func TestInt8Extremes(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for _, k := range []int{1, 2, 3, 4, 31, 64, 4096} {
			const n = 32
			w := make([]float32, n*k)
			for i := range w {
				w[i] = float32(1 - i/k%2*2) // rows of 1 and rows of -1 alternate
			}
			m := packRows(n, k, w).As(Int8)
			a := View{Data: make([]float32, 2*k), Rows: 2, Cols: k, Stride: k}
			for i := range k {
				a.Data[i], a.Data[k+i] = 255, -255
			}
			c := View{Data: make([]float32, 2*n), Rows: 2, Cols: n, Stride: n}
			m.Mul(nil, c, a, Epilogue{})
			for i := range 2 {
				for j, got := range c.Row(i) {
					want := float64(255 * k * (1 - i*2) * (1 - j%2*2))
					if e := math.Abs(float64(got) - want); !(e <= 1e-6*math.Abs(want)) {
						t.Fatalf("k=%d: element (%d,%d) is %v, want %v", k, i, j, got, want)
					}
				}
			}
		}
	})
}

// Factors that are not finite do not give finite results.
func TestLowPrecisionNotFinite(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(69, 70))
		const n, k = 40, 67
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			for _, at := range []int{0, 5, 33, 66} {
				for _, c := range lowPrecisionTypes {
					w := kerneltest.Random(r, n*k)
					a := kerneltest.RandomView(r, 3, k, k)
					a.Row(1)[at] = float32(bad)
					got := kerneltest.RandomView(r, 3, n, n)
					packRows(n, k, w).As(c).Mul(nil, got, a, Epilogue{})
					for i := range 3 {
						for j, v := range got.Row(i) {
							if finite := !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0); finite != (i != 1) {
								t.Fatalf("%s, activation %v at (1,%d): element (%d,%d) is %v", c, bad, at, i, j, v)
							}
						}
					}
					w[7*k+at] = float32(bad)
					packRows(n, k, w).As(c).Mul(nil, got, a, Epilogue{})
					if v := float64(got.Row(0)[7]); !math.IsNaN(v) && !math.IsInf(v, 0) {
						t.Fatalf("%s, weight %v at (7,%d): element (0,7) is %v", c, bad, at, v)
					}
				}
			}
		}
	})
}

func TestLowPrecisionRowsAreIndependent(t *testing.T) {
	for _, c := range lowPrecisionTypes {
		kerneltest.EachLevel(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(71, 72))
			pool := parallel.NewPool(4)
			defer pool.Close()
			const n, k, rows = 70, 333, 101
			m := packRows(n, k, kerneltest.Random(r, n*k)).As(c)
			a := kerneltest.RandomView(r, rows, k, k+3)
			all := kerneltest.RandomView(r, rows, n, n)
			e := Epilogue{Bias: kerneltest.Random(r, n), Activation: nn.GELU}
			m.Mul(pool, all, a, e)
			for i := range rows {
				size := min(1+i%13, rows-i)
				some := kerneltest.RandomView(r, size, n, n)
				m.Mul(nil, some, a.Slice(i, i+size, 0, k), e)
				for j := range size {
					for l, got := range some.Row(j) {
						if want := all.Row(i + j)[l]; got != want {
							t.Fatalf("%s: row %d in a batch of %d: column %d is %v, in the whole batch %v", c, i+j, size, l, got, want)
						}
					}
				}
			}
		})
	}
}

func TestLowPrecisionEpilogue(t *testing.T) {
	for _, c := range lowPrecisionTypes {
		kerneltest.EachLevel(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(73, 74))
			for _, n := range []int{32, 45} {
				const k, rows = 70, 7
				m := packRows(n, k, kerneltest.Random(r, n*k)).As(c)
				a, bias := kerneltest.RandomView(r, rows, k, k), kerneltest.Random(r, n)
				sum := kerneltest.RandomView(r, rows, n, n)
				m.Mul(nil, sum, a, Epilogue{Bias: bias})
				for _, act := range []nn.Activation{nn.Identity, nn.ReLU, nn.GELU, nn.GELUTanh, nn.Tanh} {
					residual := kerneltest.RandomView(r, rows, n, n+1)
					before := append([]float32(nil), residual.Data...)
					m.Mul(nil, residual, a, Epilogue{Bias: bias, Activation: act, Residual: residual})
					for i := range rows {
						for j, got := range residual.Row(i) {
							want := exact(act, float64(sum.Row(i)[j])) + float64(before[i*residual.Stride+j])
							if e := math.Abs(float64(got) - want); !(e <= 5e-6*math.Max(1, math.Abs(want)+math.Abs(float64(sum.Row(i)[j])))) {
								t.Fatalf("%s, activation %d: (%d,%d) is %v, want %v", c, act, i, j, got, want)
							}
						}
					}
				}
			}
		})
	}
}

func TestLowPrecisionMulAllocatesNothing(t *testing.T) {
	pool := parallel.NewPool(2)
	defer pool.Close()
	r := rand.New(rand.NewPCG(75, 76))
	const n, k, rows = 128, 128, 64
	m := packRows(n, k, kerneltest.Random(r, n*k))
	a, c := kerneltest.RandomView(r, rows, k, k), kerneltest.RandomView(r, rows, n, n)
	for _, compute := range lowPrecisionTypes {
		m := m.As(compute)
		for name, p := range map[string]*parallel.Pool{"serial": nil, "shared": pool} {
			for range 10 {
				m.Mul(p, c, a, Epilogue{}) // until both workers have buffers
			}
			if got := testing.AllocsPerRun(50, func() { m.Mul(p, c, a, Epilogue{Activation: nn.GELU}) }); got >= 1 {
				t.Errorf("%s, %s: %v allocations a product", compute, name, got)
			}
		}
	}
}

func TestComputeText(t *testing.T) {
	for _, c := range []Compute{Float32, BFloat16, Int8} {
		var got Compute
		if err := got.UnmarshalText([]byte(c.String())); err != nil || got != c {
			t.Errorf("%s is parsed as %s, error %v", c, got, err)
		}
	}
	if err := new(Compute).UnmarshalText([]byte("float16")); err == nil {
		t.Error("float16 was parsed as a compute type")
	}
}

// FuzzLevels compares the levels of kernels with arbitrary weights and activations, for
// every compute type.
func FuzzLevels(f *testing.F) {
	f.Add(uint8(3), uint8(5), uint8(9), uint8(BFloat16), []byte("some bytes that serve as numbers"))
	f.Add(uint8(13), uint8(40), uint8(31), uint8(Float32), []byte("other bytes that serve as numbers"))
	f.Add(uint8(8), uint8(33), uint8(70), uint8(Int8), []byte{0, 0, 128, 127, 0, 0, 192, 127, 255, 255, 127, 127, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, rows, n, k, compute uint8, data []byte) {
		if n == 0 || k == 0 || rows > 70 {
			return
		}
		c := Compute(compute % uint8(len(computeNames)))
		next := numbers(data, c == Int8)
		w, bias := next(int(n)*int(k)), next(int(n))
		a := View{Data: next(int(rows) * int(k)), Rows: int(rows), Cols: int(k), Stride: int(k)}
		compareLevels(t, c, int(n), int(k), w, bias, a)
	})
}

// numbers returns a function that makes float32s of the bytes, which it repeats. With any
// set they have arbitrary bits; otherwise their sums cannot overflow.
func numbers(data []byte, any bool) func(n int) []float32 {
	if len(data) < 4 {
		data = append(bytes.Clone(data), 0, 0, 0, 0)
	}
	at := 0
	return func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			if at+4 > len(data) {
				at %= len(data) - 3
			}
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[at:]))
			if e := math.Abs(float64(out[i])); !any && !(e < 1e15 && e > 1e-15) {
				out[i] = float32(i % 5)
			}
			at += 3
		}
		return out
	}
}

// BenchmarkCompute reports the speed of each compute type as a multiple of that of
// Float32. It measures the two alternately.
func BenchmarkCompute(b *testing.B) {
	r := rand.New(rand.NewPCG(77, 78))
	for _, s := range []struct{ n, k int }{{384, 384}, {1536, 384}, {384, 1536}, {768, 768}, {3072, 768}, {768, 3072}} {
		plain := packRows(s.n, s.k, kerneltest.Random(r, s.n*s.k))
		for _, c := range lowPrecisionTypes {
			m := plain.As(c)
			for _, rows := range []int{1, 8, 32, 128} {
				b.Run(fmt.Sprintf("%s/n=%d/k=%d/rows=%d", c, s.n, s.k, rows), func(b *testing.B) {
					x, y := kerneltest.RandomView(r, rows, s.k, Stride(s.k)), kerneltest.RandomView(r, rows, s.n, Stride(s.n))
					var best [2]time.Duration
					for b.Loop() {
						for i, m := range []*Matrix{plain, m} {
							start := time.Now()
							m.Mul(nil, y, x, Epilogue{})
							if d := time.Since(start); best[i] == 0 || d < best[i] {
								best[i] = d
							}
						}
					}
					b.ReportMetric(best[0].Seconds()/best[1].Seconds(), "of-float32")
				})
			}
		}
	}
}
