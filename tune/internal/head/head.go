// Package head computes the layers between an encoder and the logits, and their gradients,
// on the tape of spago. The encoder is one operator on the same tape: its forward pass gives
// the features, its backward pass takes their gradient.
package head

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"

	"kenserve/gemm"
	"kenserve/models"
	"kenserve/models/grad"
	"kenserve/tune/internal/tape"
)

// initialDeviation is the standard deviation of new matrices, the initializer_range of nearly
// all families.
const initialDeviation = 0.02

// Head is a list of layers with their weights.
type Head struct {
	layers  []grad.HeadLayer
	weights []*Weight
	byName  map[string]*Weight
	inputs  int
	dropout grad.Dropout
}

// New returns the head of a classifier. load gives the values of a weight that the base has,
// such as a pooler; it returns nil for others, which begin at random by the seed: matrices
// with a standard deviation of 0.02, norms with 1, biases with 0, as in transformers.
func New(arch models.Architecture, labels int, dropout grad.Dropout, seed uint64, load func(models.Parameter) ([]float32, error)) (*Head, error) {
	layers, err := grad.HeadLayers(arch, labels)
	if err != nil {
		return nil, err
	}
	h := &Head{layers: layers, byName: map[string]*Weight{}, dropout: dropout}
	ofHead := map[string]bool{}
	for _, l := range layers {
		ofHead[l.Weight], ofHead[l.Bias] = true, true
		if l.Kind == grad.Dense && h.inputs == 0 {
			h.inputs = l.Inputs
		}
	}
	for i, p := range append(arch.Parameters(), arch.Head(labels)...) {
		if !ofHead[p.Name] {
			continue
		}
		values, err := load(p)
		if err != nil {
			return nil, err
		}
		n := 1
		for _, d := range p.Shape {
			n *= d
		}
		if values == nil {
			values = h.initial(p.Name, n, rand.New(rand.NewPCG(seed, uint64(i))))
		}
		if len(values) != n {
			return nil, fmt.Errorf("head: begin with the given weights: tensor %s has %d values, want the shape %v", p.Name, len(values), p.Shape)
		}
		w := newWeight(p, values)
		h.weights, h.byName[p.Name] = append(h.weights, w), w
	}
	for _, l := range layers {
		if l.Kind == grad.Dense && (h.byName[l.Weight] == nil || l.Bias != "" && h.byName[l.Bias] == nil) {
			return nil, fmt.Errorf("head: the architecture lists no tensor %s", l.Weight)
		}
	}
	return h, nil
}

// initial returns n first values of a weight that the base does not have.
func (h *Head) initial(name string, n int, rng *rand.Rand) []float32 {
	values := make([]float32, n)
	for _, l := range h.layers {
		switch {
		case l.Weight == name && l.Kind == grad.Dense:
			for i := range values {
				values[i] = float32(initialDeviation * rng.NormFloat64())
			}
		case l.Weight == name && l.Kind == grad.Normalise:
			for i := range values {
				values[i] = 1
			}
		}
	}
	return values
}

// Weights returns the weights, the pooler's first.
func (h *Head) Weights() []*Weight { return h.weights }

// Updated must be called after Values or Shown of a weight changed.
func (h *Head) Updated() {
	for _, w := range h.weights {
		w.update()
	}
}

// ZeroGrad removes all gradients.
func (h *Head) ZeroGrad() {
	for _, w := range h.weights {
		clear(w.Grad)
	}
}

// Logits returns the logits of features [sequences, width], row-major, without dropout.
func (h *Head) Logits(features gemm.View) []float32 {
	x := tape.Constant(compact(features), features.Rows, features.Cols)
	y, _ := h.forward(x, nil, len(h.layers))
	return mat.Data[float32](y.Value())
}

// Gradients adds the gradients of a loss of the logits to all weights, and returns the loss and
// its gradient for the features, [sequences, width]. mode says which dropout applies.
func (h *Head) Gradients(features gemm.View, mode grad.Mode, loss func(logits mat.Tensor) mat.Tensor) (float64, gemm.View, error) {
	return h.gradients(features, mode, len(h.layers), loss)
}

// GradientsBefore does what Gradients does for a loss of the values that enter the last dense
// layer, which it leaves out.
func (h *Head) GradientsBefore(features gemm.View, mode grad.Mode, loss func(x mat.Tensor) mat.Tensor) (float64, gemm.View, error) {
	last := len(h.layers)
	for last > 0 {
		last--
		if h.layers[last].Kind == grad.Dense {
			break
		}
	}
	return h.gradients(features, mode, last, loss)
}

func (h *Head) gradients(features gemm.View, mode grad.Mode, layers int, loss func(mat.Tensor) mat.Tensor) (float64, gemm.View, error) {
	e := &encoder{features: features}
	x := ag.NewOperator(e).Run()
	y, used := h.forward(x, &mode, layers)
	l := loss(y)
	value := l.Value().Item().F64()
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return value, gemm.View{}, nil // the caller refuses it
	}
	if err := ag.Backward(l); err != nil {
		return 0, gemm.View{}, fmt.Errorf("head: %w", err)
	}
	for w, t := range used {
		if g := t.Grad(); t.HasGrad() {
			w.add(mat.Data[float32](g))
		}
	}
	return value, e.gradient, nil
}

// forward applies the first layers to x. With a mode it applies dropout, and the tensors of the
// weights that are trained get gradients: it returns them.
func (h *Head) forward(x mat.Tensor, mode *grad.Mode, layers int) (mat.Tensor, map[*Weight]mat.Tensor) {
	used := map[*Weight]mat.Tensor{}
	tensor := func(name string, rows, columns int) mat.Tensor {
		if name == "" {
			return nil
		}
		w := h.byName[name]
		if mode == nil || w.frozen {
			return tape.Constant(w.all, rows, columns)
		}
		t := tape.Variable(w.all, rows, columns)
		used[w] = t
		return t
	}
	for i, l := range h.layers[:layers] {
		switch l.Kind {
		case grad.Drop:
			if mode != nil && mode.Train && h.dropout.Hidden > 0 {
				x = ag.Prod(x, h.mask(x.Shape(), *mode, i))
			}
		case grad.Dense:
			x = tape.Linear(x, tensor(l.Weight, l.Outputs, l.Inputs), tensor(l.Bias, 1, l.Outputs))
		case grad.Activate:
			x = tape.Activate(x, l.Activation)
		case grad.Normalise:
			n := x.Shape()[1]
			x = tape.Normalise(x, tensor(l.Weight, 1, n), tensor(l.Bias, 1, n), l.Eps)
		}
	}
	return x, used
}

// mask returns the factors of a dropout: 0, or 1/(1 − p). A factor is a function of seed,
// step, layer, sequence and column alone.
func (h *Head) mask(shape []int, mode grad.Mode, layer int) mat.Tensor {
	p := float64(h.dropout.Hidden)
	scale := float32(1 / (1 - p))
	limit := uint64(p * (1 << 32))
	out := make([]float32, shape[0]*shape[1])
	for i := range shape[0] {
		key := mix(mix(mix(h.dropout.Seed+0x68656164)+mode.Step)+uint64(layer)) + uint64(mode.First+i)
		for j := range shape[1] {
			if mix(mix(key)+uint64(j))>>32 >= limit {
				out[i*shape[1]+j] = scale
			}
		}
	}
	return tape.Constant(out, shape[0], shape[1])
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// encoder is the operator that stands for the encoder: its value are the features. The
// caller runs the encoder's backward pass with the gradient.
type encoder struct {
	features, gradient gemm.View
}

// always is an operand that wants a gradient, so that the tape computes that of the features.
var always = tape.Variable([]float32{0}, 1, 1)

// Operands implements ag.AutoGradFunction.
func (e *encoder) Operands() []mat.Tensor { return []mat.Tensor{always} }

// Forward implements ag.AutoGradFunction.
func (e *encoder) Forward() (mat.Tensor, error) {
	return tape.Constant(compact(e.features), e.features.Rows, e.features.Cols), nil
}

// Backward implements ag.AutoGradFunction.
func (e *encoder) Backward(gy mat.Tensor) error {
	columns := e.features.Cols
	e.gradient = gemm.View{Data: mat.Data[float32](gy.Value()), Rows: e.features.Rows, Cols: columns, Stride: columns}
	return nil
}

// compact copies a view without the gaps between its rows.
func compact(v gemm.View) []float32 {
	out := make([]float32, 0, v.Rows*v.Cols)
	for i := range v.Rows {
		out = append(out, v.Row(i)...)
	}
	return out
}
