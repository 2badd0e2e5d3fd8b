package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"kenserve/gemm/kernel"
	"kenserve/gemm/kernel/kerneltest"
	"kenserve/internal/parallel"
	"kenserve/internal/sparse"
	"kenserve/nn"
)

// eachChange calls f for each coding and form of positions.
func eachChange(t *testing.T, f func(t *testing.T, coding sparse.Coding, form string)) {
	for _, coding := range sparse.Codings {
		for _, form := range forms {
			t.Run(fmt.Sprint(coding, "/", form), func(t *testing.T) { f(t, coding, form) })
		}
	}
}

// changedMatrix returns a random matrix, the same with a random patch beside it, and the
// weights that the two make together, in float64.
func changedMatrix(t testing.TB, r *rand.Rand, coding sparse.Coding, form string, n, k int, density float64) (base, changed *Matrix, w []float64) {
	t.Helper()
	weights := kerneltest.Random(r, n*k)
	base = packRows(n, k, weights)
	scales := kerneltest.Random(r, (n+sparse.TileRows-1)/sparse.TileRows*sparse.TileRows)
	for i := range scales {
		scales[i] = float32(math.Abs(float64(scales[i])) / 64)
	}
	if r.IntN(2) == 0 {
		scales = scales[:1]
	}
	dense := randomChanges(r, n, k, density)
	for i := range dense {
		dense[i].bf16 &^= 0x3c00 // small changes
	}
	patch := tileOrder(t, coding, form, n, k, dense, scales)
	changed, err := base.Changed(patch, base)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range dense {
		v := float64(weights[i])
		scale := float64(scales[0])
		if len(scales) > 1 {
			scale = float64(scales[i/k])
		}
		switch {
		case !c.kept:
		case coding == sparse.Float32:
			v = float64(c.f32)
		case coding == sparse.BFloat16:
			v += float64(sparse.BFloat16Value(0, c.bf16))
		case coding == sparse.Int8:
			v += scale * float64(c.i8)
		case coding == sparse.Int4:
			v += scale * float64(c.i4())
		case c.plus:
			v += scale
		default:
			v -= scale
		}
		w = append(w, v)
	}
	return base, changed, w
}

// A product of a changed matrix is the product of the changed weights, within the bound
// of float32 sums, and has the same bits at every tier and level up to the product of the
// base.
func TestChangedAgainstNaive(t *testing.T) {
	eachChange(t, func(t *testing.T, coding sparse.Coding, form string) {
		kerneltest.EachLevel(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 1))
			for _, s := range []struct{ n, k, rows int }{{1, 1, 1}, {7, 5, 3}, {32, 8, 8}, {33, 70, 9}, {64, 129, 16}, {48, 200, 25}, {40, 700, 17}} {
				for _, density := range []float64{0, 0.02, 0.3} {
					_, changed, w := changedMatrix(t, r, coding, form, s.n, s.k, density)
					a := kerneltest.RandomView(r, s.rows, s.k, s.k+s.rows%7)
					bias := kerneltest.Random(r, s.n)
					c, hot := kerneltest.RandomView(r, s.rows, s.n, s.n+2), kerneltest.RandomView(r, s.rows, s.n, s.n)
					changed.Mul(nil, c, a, Epilogue{Bias: bias})
					expanded := changed.Materialised(nil)
					expanded.Mul(nil, hot, a, Epilogue{Bias: bias})
					if got, bound := int64(9*len(expanded.change.quads.Places)+16*len(expanded.change.quads.Values)), ExpandedBytes(changed.change.patch, s.n); got > bound {
						t.Fatalf("%v: the expanded change takes %d bytes, bound %d", s, got, bound)
					}
					row := make([]float32, s.k)
					for i := range s.rows {
						for j, got := range c.Row(i) {
							if hot.Row(i)[j] != got {
								t.Fatalf("%v, density %v: (%d,%d) is %v, %v when expanded", s, density, i, j, got, hot.Row(i)[j])
							}
							want, size := float64(bias[j]), math.Abs(float64(bias[j]))
							for k, x := range a.Row(i) {
								want += float64(x) * w[j*s.k+k]
								size += math.Abs(float64(x)) * (math.Abs(w[j*s.k+k]) + 4)
							}
							if e := math.Abs(float64(got) - want); !(e <= kerneltest.SumBound(2*s.k+4, size)) {
								t.Fatalf("%v, density %v: (%d,%d) is %v, want %v", s, density, i, j, got, want)
							}
						}
					}
					for j := range s.n {
						changed.Row(j, row)
						for k, got := range row {
							if e := math.Abs(float64(got) - w[j*s.k+k]); !(e <= 1e-6*(1+math.Abs(w[j*s.k+k]))) {
								t.Fatalf("%v: weight (%d,%d) is %v, want %v", s, j, k, got, w[j*s.k+k])
							}
						}
					}
				}
			}
		})
	})
}

// The part of a product that is a change has the same bits at every level.
func TestChangedSameBitsAtLevels(t *testing.T) {
	eachChange(t, func(t *testing.T, coding sparse.Coding, form string) {
		r := rand.New(rand.NewPCG(8, 1))
		for _, s := range []struct{ n, k, rows int }{{33, 70, 9}, {64, 384, 16}, {64, 391, 5}} {
			_, changed, _ := changedMatrix(t, r, coding, form, s.n, s.k, 0.05)
			a := kerneltest.RandomView(r, s.rows, s.k, s.k)
			bias := kerneltest.Random(r, s.n)
			segments := []Segment{{End: s.rows, Weight: changed, Bias: bias}}
			var want []float32
			for _, level := range kernel.SupportedLevels() {
				kerneltest.AtLevel(level, func() {
					stride := panelCount(s.n) * panelWidth
					init := View{Data: make([]float32, s.rows*stride), Rows: s.rows, Cols: stride, Stride: stride}
					new(changeWork).run(nil, init, a, segments, 0)
					if want == nil {
						want = init.Data
					} else if !slices.Equal(want, init.Data) {
						t.Fatalf("%v: %s kernels give other bits than portable ones", s, level)
					}
				})
			}
		}
	})
}

// A row of a batch has the same bits alone and beside rows of any other tasks, on any
// number of workers and in any tier.
func TestSegmentsSameBits(t *testing.T) {
	pool := parallel.NewPool(3)
	defer pool.Close()
	for _, compute := range []Compute{Float32, BFloat16, Int8} {
		t.Run(compute.String(), func(t *testing.T) {
			kerneltest.EachLevel(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(9, 1))
				for range 6 {
					n, k := 1+r.IntN(100), 1+r.IntN(400)
					if r.IntN(3) == 0 {
						n, k = 384, 384
					}
					base := packRows(n, k, kerneltest.Random(r, n*k))
					low := base.As(compute)
					own := packRows(n, k, kerneltest.Random(r, n*k)).As(compute)
					weights := []*Matrix{low, own}
					for _, coding := range sparse.Codings {
						patch := tileOrder(t, coding, forms[r.IntN(2)], n, k, randomChanges(r, n, k, 0.05), []float32{0.01})
						m, err := low.Changed(patch, base)
						if err != nil {
							t.Fatal(err)
						}
						weights = append(weights, m, m.Materialised(nil))
					}
					biases := [][]float32{nil, kerneltest.Random(r, n), kerneltest.Random(r, n)}
					var segments []Segment
					rows := 0
					for range 1 + r.IntN(8) {
						rows += r.IntN(40)
						segments = append(segments, Segment{End: rows, Weight: weights[r.IntN(len(weights))], Bias: biases[r.IntN(len(biases))]})
					}
					a, residual := kerneltest.RandomView(r, rows, k, Stride(k)), kerneltest.RandomView(r, rows, n, n+3)
					mixed, shared, alone := kerneltest.RandomView(r, rows, n, n), kerneltest.RandomView(r, rows, n, n), kerneltest.RandomView(r, rows, n, n)
					e := Epilogue{Activation: nn.GELU, Residual: residual}
					MulSegments(nil, mixed, a, segments, e)
					e.Scratch = make([]float32, ScratchLen(rows, n, true))
					MulSegments(pool, shared, a, segments, e)
					for i := range rows {
						at, _ := slices.BinarySearchFunc(segments, i, func(s Segment, row int) int {
							if s.End <= row {
								return -1
							}
							return 1
						})
						s := segments[at]
						s.Weight.Mul(nil, alone.Slice(i, i+1, 0, n), a.Slice(i, i+1, 0, k), Epilogue{Bias: s.Bias, Activation: nn.GELU, Residual: residual.Slice(i, i+1, 0, n)})
						for j, want := range alone.Row(i) {
							if got := mixed.Row(i)[j]; got != want || shared.Row(i)[j] != want {
								t.Fatalf("n=%d, k=%d, %d segments: (%d,%d) is %v alone, %v mixed, %v on several workers", n, k, len(segments), i, j, want, got, shared.Row(i)[j])
							}
						}
					}
				}
			})
		})
	}
}

// Errors of Changed name the matrix and the reason.
func TestChangedRefuses(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 1))
	base, changed, _ := changedMatrix(t, r, sparse.Sign, "gaps", 32, 8, 0.1)
	patch := changed.change.patch
	for name, m := range map[string]*Matrix{"changed twice": changed, "of another shape": packRows(16, 8, make([]float32, 128))} {
		if _, err := m.Changed(patch, base); err == nil {
			t.Errorf("a matrix %s is not refused", name)
		}
	}
	if _, err := base.Changed(patch, base.As(Int8)); err == nil {
		t.Error("weights that are not float32 are not refused")
	}
}

func BenchmarkChanged(b *testing.B) {
	r := rand.New(rand.NewPCG(11, 1))
	for _, s := range []struct{ n, k int }{{384, 384}, {1536, 384}, {384, 1536}} {
		weights := kerneltest.Random(r, s.n*s.k)
		base := packRows(s.n, s.k, weights)
		dense := make([]change, s.n*s.k)
		for i := range dense {
			dense[i] = change{kept: r.Float64() < 0.02, plus: r.IntN(2) == 0, i8: 3}
		}
		for _, coding := range []sparse.Coding{sparse.Sign, sparse.Int8} {
			m, err := base.Changed(tileOrder(b, coding, "gaps", s.n, s.k, dense, []float32{0.01}), base)
			if err != nil {
				b.Fatal(err)
			}
			for _, rows := range []int{8, 16} {
				a := kerneltest.RandomView(r, rows, s.k, Stride(s.k))
				c := kerneltest.RandomView(r, rows, s.n, Stride(s.n))
				for name, m := range map[string]*Matrix{"base": base, "warm": m, "hot": m.Materialised(nil)} {
					b.Run(fmt.Sprintf("%dx%d/%s/rows=%d/%s", s.n, s.k, coding, rows, name), func(b *testing.B) {
						for b.Loop() {
							m.Mul(nil, c, a, Epilogue{})
						}
					})
				}
			}
		}
	}
}
