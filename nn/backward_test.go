package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"

	"kenserve/gemm/kernel"
	"kenserve/gemm/kernel/kerneltest"
)

// The oracle of the gradients is automatic differentiation, in float64, of the forward
// formulas, by another library.

// variable returns a tensor that gets a gradient, with the values of a view.
func variable(v kernel.View) mat.Tensor {
	var data []float64
	for i := range v.Rows {
		for _, x := range v.Row(i) {
			data = append(data, float64(x))
		}
	}
	return mat.NewDense[float64](mat.WithShape(v.Rows, v.Cols), mat.WithBacking(data), mat.WithGrad(true))
}

// backward runs the oracle's backward pass from y, whose gradient is dy.
func backward(t *testing.T, y mat.Tensor, dy kernel.View) {
	t.Helper()
	y.AccGrad(variable(dy).Value())
	if err := ag.Backward(y); err != nil {
		t.Fatal(err)
	}
}

// compareGradient compares a gradient with the oracle's.
func compareGradient(t *testing.T, name string, got kernel.View, x mat.Tensor, allowed float64) {
	t.Helper()
	want := x.Grad().Data().F64()
	for i := range got.Rows {
		for j, g := range got.Row(i) {
			if d := math.Abs(float64(g) - want[i*got.Cols+j]); !(d <= allowed*math.Max(1, math.Abs(want[i*got.Cols+j]))) {
				t.Fatalf("%s: gradient (%d,%d) is %v, want %v", name, i, j, g, want[i*got.Cols+j])
			}
		}
	}
}

func copyOf(v kernel.View) kernel.View {
	return kernel.View{Data: append([]float32(nil), v.Data...), Rows: v.Rows, Cols: v.Cols, Stride: v.Stride}
}

func TestActivationGradientsAgainstOracle(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 5))
		for name, c := range map[string]struct {
			a Activation
			f func(mat.Tensor) mat.Tensor
		}{
			"identity": {Identity, func(x mat.Tensor) mat.Tensor { return ag.ProdScalar(x, mat.Scalar(1.0)) }},
			"ReLU":     {ReLU, ag.ReLU},
			"tanh":     {Tanh, ag.Tanh},
			"GELUTanh": {GELUTanh, ag.GELU},
		} {
			x, dy := kerneltest.RandomView(r, 1, 203, 203), kerneltest.RandomView(r, 1, 203, 203)
			for i := range x.Row(0) {
				x.Row(0)[i] *= 2
			}
			v := variable(x)
			backward(t, c.f(v), dy)
			c.a.Backward(dy.Row(0), x.Row(0))
			compareGradient(t, name, dy, v, 5e-6)
		}
	})
}

// TestGELUGradient: the oracle does not have the exact GELU, whose derivative is Φ(x) + x·φ(x).
func TestGELUGradient(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for v := -12.0; v < 12; v += 1.0 / 256 {
			dy := []float32{1}
			GELU.Backward(dy, []float32{float32(v)})
			want := math.Erfc(-v/math.Sqrt2)/2 + v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi)
			if d := math.Abs(float64(dy[0]) - want); !(d < 2e-6) {
				t.Fatalf("derivative at %v is %v, want %v", v, dy[0], want)
			}
		}
	})
}

func TestSoftmaxGradientAgainstOracle(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 6))
		for _, n := range []int{1, 2, 7, 16, 33} {
			x, dy := kerneltest.RandomView(r, 1, n, n+1), kerneltest.RandomView(r, 1, n, n+2)
			v := variable(x)
			y := ag.Softmax(ag.T(v))
			backward(t, y, kerneltest.RowMajor(dy.Row(0), n, 1))
			p := copyOf(x)
			Softmax(p)
			SoftmaxBackward(dy, p, 1)
			compareGradient(t, fmt.Sprint(n, " columns"), dy, v, 5e-6)
		}
	})
}

func TestLayerNormGradientsAgainstOracle(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 7))
		for _, n := range []int{3, 8, 24, 35} {
			const eps, rows = 1e-5, 3
			x, dy := kerneltest.RandomView(r, rows, n, n+1), kerneltest.RandomView(r, rows, n, n+3)
			gamma, beta := kerneltest.RandomView(r, 1, n, n), kerneltest.RandomView(r, 1, n, n)
			column := func(x []float32) kernel.View { return kerneltest.RowMajor(x, n, 1) }
			g, b := variable(column(gamma.Row(0))), variable(column(beta.Row(0)))
			var inputs, outputs []mat.Tensor
			for i := range rows {
				v := variable(column(x.Row(i)))
				deviation := ag.SubScalar(v, ag.ReduceMean(v))
				scale := ag.Sqrt(ag.AddScalar(ag.ReduceMean(ag.Square(deviation)), mat.Scalar(eps)))
				inputs = append(inputs, v)
				outputs = append(outputs, ag.Add(ag.Prod(ag.DivScalar(deviation, scale), g), b))
			}
			for i, y := range outputs {
				y.AccGrad(variable(column(dy.Row(i))).Value())
			}
			if err := ag.Backward(outputs...); err != nil {
				t.Fatal(err)
			}
			dx, stats := kerneltest.RandomView(r, rows, n, n), make([]RowStats, rows)
			LayerNormBackward(dx, dy, x, gamma.Row(0), eps, stats, false)
			for i, v := range inputs {
				compareGradient(t, fmt.Sprint(n, " columns"), dx.Slice(i, i+1, 0, n), v, 5e-5)
				if s := Stats(x.Row(i), eps); math.Abs(float64(s[1]-stats[i][1])) > 1e-4*float64(s[1]) {
					t.Errorf("inverse deviation %v, want %v", stats[i][1], s[1])
				}
			}
			dGamma, dBeta := make([]float32, n), make([]float32, n)
			LayerNormParameters(dGamma, dy, x, stats)
			ColumnSums(dBeta, dy)
			compareGradient(t, "gammas", kerneltest.RowMajor(dGamma, 1, n), g, 5e-5)
			compareGradient(t, "betas", kerneltest.RowMajor(dBeta, 1, n), b, 5e-5)
		}
	})
}

// TestAttentionGradientsAgainstOracle chains the products of attention as training does.
func TestAttentionGradientsAgainstOracle(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 8))
		for _, s := range []struct{ queries, keys, width int }{{1, 1, 4}, {3, 3, 7}, {5, 5, 16}, {2, 9, 35}, {40, 40, 12}, {70, 150, 40}} {
			q, k, v := kerneltest.RandomView(r, s.queries, s.width, s.width+2), kerneltest.RandomView(r, s.keys, s.width, s.width), kerneltest.RandomView(r, s.keys, s.width, s.width+1)
			do := kerneltest.RandomView(r, s.queries, s.width, s.width+5)
			scale := 1 / math.Sqrt(float64(s.width))
			tq, tk, tv := variable(q), variable(k), variable(v)
			var rows []mat.Tensor
			for i := range s.queries {
				scores := ag.ProdScalar(ag.Mul(tk, ag.T(ag.RowView(tq, i))), mat.Scalar(scale))
				rows = append(rows, ag.Mul(ag.T(tv), ag.Softmax(scores)))
			}
			for i, y := range rows {
				y.AccGrad(variable(kerneltest.RowMajor(do.Row(i), s.width, 1)).Value())
			}
			if err := ag.Backward(rows...); err != nil {
				t.Fatal(err)
			}

			zeros := func(rows int) kernel.View {
				return kerneltest.RowMajor(make([]float32, rows*s.width), rows, s.width)
			}
			square := func() kernel.View { return kerneltest.RandomView(r, s.queries, s.keys, s.keys+3) }
			dq, dk, dv, p, dp := zeros(s.queries), zeros(s.keys), zeros(s.keys), square(), square()
			var scratch Scratch
			var sums BackwardScratch
			ProductTransposed(p, q, k, float32(scale), &scratch)
			Softmax(p)
			AddProductOfTranspose(dv, p, do, &sums)
			ProductTransposed(dp, do, v, 1, &scratch)
			SoftmaxBackward(dp, p, float32(scale))
			AddProduct(dq, dp, k, &sums)
			AddProductOfTranspose(dk, dp, q, &sums)
			for name, c := range map[string]struct {
				got  kernel.View
				want mat.Tensor
			}{"queries": {dq, tq}, "keys": {dk, tk}, "values": {dv, tv}} {
				compareGradient(t, fmt.Sprint(s, " ", name), c.got, c.want, 2e-5)
			}
		}
	})
}
