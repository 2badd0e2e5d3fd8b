package tape

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"

	"kenserve/nn"
)

// numbers returns n random numbers.
func numbers(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
}

const rows, columns, outputs = 5, 7, 3

// TestGradients compares every operator's gradients with finite differences of its own
// forward pass, and its value and gradients with spago's formula where there is one.
func TestGradients(t *testing.T) {
	for _, test := range []struct {
		name     string
		operands [][2]int // shapes
		f        func(x []mat.Tensor) mat.Tensor
		oracle   func(x []mat.Tensor) mat.Tensor // nil: none
	}{
		{"linear", [][2]int{{rows, columns}, {outputs, columns}, {1, outputs}}, func(x []mat.Tensor) mat.Tensor { return Linear(x[0], x[1], x[2]) },
			func(x []mat.Tensor) mat.Tensor {
				var out []mat.Tensor
				for i := range rows {
					out = append(out, ag.T(ag.Affine(ag.T(x[2]), x[1], ag.T(ag.RowView(x[0], i)))))
				}
				return ag.Stack(out...)
			}},
		{"linear without bias", [][2]int{{rows, columns}, {outputs, columns}}, func(x []mat.Tensor) mat.Tensor { return Linear(x[0], x[1], nil) }, nil},
		{"tanh", [][2]int{{rows, columns}}, func(x []mat.Tensor) mat.Tensor { return Activate(x[0], nn.Tanh) }, func(x []mat.Tensor) mat.Tensor { return ag.Tanh(x[0]) }},
		{"relu", [][2]int{{rows, columns}}, func(x []mat.Tensor) mat.Tensor { return Activate(x[0], nn.ReLU) }, func(x []mat.Tensor) mat.Tensor { return ag.ReLU(x[0]) }},
		{"gelu", [][2]int{{rows, columns}}, func(x []mat.Tensor) mat.Tensor { return Activate(x[0], nn.GELU) }, nil},
		{"gelu tanh", [][2]int{{rows, columns}}, func(x []mat.Tensor) mat.Tensor { return Activate(x[0], nn.GELUTanh) }, func(x []mat.Tensor) mat.Tensor { return ag.GELU(x[0]) }},
		{"log sigmoid", [][2]int{{rows, columns}}, func(x []mat.Tensor) mat.Tensor { return LogSigmoid(x[0]) }, func(x []mat.Tensor) mat.Tensor { return ag.Log(ag.Sigmoid(x[0])) }},
		{"log softmax", [][2]int{{rows, columns}}, func(x []mat.Tensor) mat.Tensor { return LogSoftmax(x[0]) },
			func(x []mat.Tensor) mat.Tensor {
				var out []mat.Tensor
				for i := range rows {
					out = append(out, ag.T(ag.LogSoftmax(ag.T(ag.RowView(x[0], i)))))
				}
				return ag.Stack(out...)
			}},
		{"unit", [][2]int{{rows, columns}}, func(x []mat.Tensor) mat.Tensor { return Unit(x[0]) }, nil},
		{"a product with itself", [][2]int{{rows, columns}}, func(x []mat.Tensor) mat.Tensor { return Linear(x[0], x[0], nil) }, nil},
		{"normalise", [][2]int{{rows, columns}, {1, columns}, {1, columns}}, func(x []mat.Tensor) mat.Tensor { return Normalise(x[0], x[1], x[2], 1e-5) }, nil},
		{"normalise without beta", [][2]int{{rows, columns}, {1, columns}}, func(x []mat.Tensor) mat.Tensor { return Normalise(x[0], x[1], nil, 1e-5) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var data [][]float32
			for i, s := range test.operands {
				data = append(data, numbers(s[0]*s[1], uint64(i+1)))
			}
			run := func(f func(x []mat.Tensor) mat.Tensor) (value []float32, loss float64, gradients [][]float32) {
				var x []mat.Tensor
				for i, s := range test.operands {
					x = append(x, Variable(append([]float32(nil), data[i]...), s[0], s[1]))
				}
				y := f(x)
				value = mat.Data[float32](y.Value())
				l := Weighted(ag.Reshape(y, 1, len(value)), numbers(len(value), 9))
				loss = float64(mat.Data[float32](l.Value())[0])
				if err := ag.Backward(l); err != nil {
					t.Fatal(err)
				}
				for _, o := range x {
					gradients = append(gradients, mat.Data[float32](o.Grad()))
				}
				return value, loss, gradients
			}
			value, _, gradients := run(test.f)
			for i := range data {
				for j := range data[i] {
					const h = 1.0 / 128
					before := data[i][j]
					data[i][j] = before + h
					_, high, _ := run(test.f)
					data[i][j] = before - h
					_, low, _ := run(test.f)
					data[i][j] = before
					if want := (high - low) / (2 * h); math.Abs(want-float64(gradients[i][j])) > 2e-3*(1+math.Abs(want)) {
						t.Fatalf("gradient %d of operand %d is %g, by differences %g", j, i, gradients[i][j], want)
					}
				}
			}
			if test.oracle == nil {
				return
			}
			wantValue, _, wantGradients := run(test.oracle)
			if err := compare(value, wantValue); err != nil {
				t.Errorf("value: %v", err)
			}
			for i := range gradients {
				if err := compare(gradients[i], wantGradients[i]); err != nil {
					t.Errorf("gradient of operand %d: %v", i, err)
				}
			}
		})
	}
}

func compare(got, want []float32) error {
	for i, w := range want {
		if math.Abs(float64(got[i]-w)) > 1e-5*(1+math.Abs(float64(w))) {
			return fmt.Errorf("element %d is %g, spago has %g", i, got[i], w)
		}
	}
	return nil
}

// TestExtremes checks that large values neither overflow nor lose the gradient.
func TestExtremes(t *testing.T) {
	x := Variable([]float32{1e4, -1e4, 0, 88, -88, 200}, 2, 3)
	for name, f := range map[string]func(mat.Tensor) mat.Tensor{"softmax": LogSoftmax, "sigmoid": LogSigmoid} {
		y := f(x)
		if err := ag.Backward(Weighted(y, []float32{1, 1, 1, 1, 1, 1})); err != nil {
			t.Fatal(err)
		}
		for i, v := range append(mat.Data[float32](y.Value()), mat.Data[float32](x.Grad())...) {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Errorf("%s: number %d is %g", name, i, v)
			}
		}
		x.ZeroGrad()
	}
}
