package bert_test

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"

	"kenserve/models"
	"kenserve/models/internal/modeltest"
)

// oracle is a second implementation of BERT, written from the paper with the
// operators of an automatic differentiation library, in float64. It works on one
// vector per token and one head after another. It shares weights and input with
// package bert, but no code.
type oracle struct {
	weights    modeltest.Weights
	layers     int
	heads      int
	eps        float64
	activation func(mat.Tensor) mat.Tensor
}

func (o *oracle) tensor(name string) mat.Tensor {
	t, ok := o.weights[name]
	if !ok {
		panic("no tensor " + name)
	}
	data := make([]float64, len(t.Data))
	for i, x := range t.Data {
		data[i] = float64(x)
	}
	return mat.NewDense[float64](mat.WithShape(t.Shape...), mat.WithBacking(data))
}

func (o *oracle) row(name string, i int) mat.Tensor { return ag.T(ag.RowView(o.tensor(name), i)) }

// linear applies a dense layer to each token.
func (o *oracle) linear(name string, xs []mat.Tensor) []mat.Tensor {
	w, b := o.tensor(name+".weight"), o.tensor(name+".bias")
	return ag.Map(func(x mat.Tensor) mat.Tensor { return ag.Affine(b, w, x) }, xs)
}

func (o *oracle) norm(name string, xs []mat.Tensor) []mat.Tensor {
	gamma, beta := o.tensor(name+".weight"), o.tensor(name+".bias")
	eps := mat.Scalar(o.eps)
	return ag.Map(func(x mat.Tensor) mat.Tensor {
		dev := ag.SubScalar(x, ag.ReduceMean(x))
		std := ag.Sqrt(ag.AddScalar(ag.ReduceMean(ag.Square(dev)), eps))
		return ag.Add(ag.Prod(ag.DivScalar(dev, std), gamma), beta)
	}, xs)
}

func (o *oracle) attention(name string, xs []mat.Tensor) []mat.Tensor {
	q, k, v := o.linear(name+".query", xs), o.linear(name+".key", xs), o.linear(name+".value", xs)
	width := q[0].Size() / o.heads
	scale := mat.Scalar(1 / math.Sqrt(float64(width)))
	out := make([]mat.Tensor, len(xs))
	for i := range xs {
		context := make([]mat.Tensor, o.heads)
		for h := range o.heads {
			part := func(x mat.Tensor) mat.Tensor { return ag.Slice(x, h*width, 0, (h+1)*width, 1) }
			scores := make([]mat.Tensor, len(xs))
			for j := range xs {
				scores[j] = ag.ProdScalar(ag.Dot(part(q[i]), part(k[j])), scale)
			}
			p := ag.Softmax(ag.Concat(scores...))
			terms := make([]mat.Tensor, len(xs))
			for j := range xs {
				terms[j] = ag.ProdScalar(part(v[j]), ag.At(p, j, 0))
			}
			context[h] = ag.Sum(terms...)
		}
		out[i] = ag.Concat(context...)
	}
	return out
}

func (o *oracle) logits(ids, types []int32) []float64 {
	xs := make([]mat.Tensor, len(ids))
	for i := range ids {
		xs[i] = ag.Sum(
			o.row("embeddings.word_embeddings.weight", int(ids[i])),
			o.row("embeddings.position_embeddings.weight", i),
			o.row("embeddings.token_type_embeddings.weight", int(types[i])))
	}
	xs = o.norm("embeddings.LayerNorm", xs)
	for l := range o.layers {
		layer := fmt.Sprintf("encoder.layer.%d.", l)
		ys := o.linear(layer+"attention.output.dense", o.attention(layer+"attention.self", xs))
		xs = o.norm(layer+"attention.output.LayerNorm", ag.Map2(ag.Add, xs, ys))
		ys = ag.Map(o.activation, o.linear(layer+"intermediate.dense", xs))
		ys = o.linear(layer+"output.dense", ys)
		xs = o.norm(layer+"output.LayerNorm", ag.Map2(ag.Add, xs, ys))
	}
	pooled := ag.Map(ag.Tanh, o.linear("pooler.dense", xs[:1]))
	return o.linear("classifier", pooled)[0].Value().Data().F64()
}

// erfGELU is the exact GELU, which the library does not have. Only its value is
// needed.
type erfGELU struct{ x mat.Tensor }

func (f erfGELU) Operands() []mat.Tensor { return []mat.Tensor{f.x} }

func (f erfGELU) Forward() (mat.Tensor, error) {
	return f.x.Value().(mat.Matrix).Apply(func(_, _ int, v float64) float64 {
		return v / 2 * (1 + math.Erf(v/math.Sqrt2))
	}), nil
}

func (f erfGELU) Backward(mat.Tensor) error { return errors.New("erfGELU has no derivative") }

func TestLogitsAgainstAnIndependentForwardPass(t *testing.T) {
	for name, o := range map[string]*oracle{
		"plain": {layers: 2, heads: 4, eps: 1e-12, activation: func(x mat.Tensor) mat.Tensor { return ag.NewOperator(erfGELU{x}).Run() }},
		"odd":   {layers: 3, heads: 5, eps: 1e-5, activation: ag.GELU},
		"one":   {layers: 2, heads: 2, eps: 1e-3, activation: ag.ReLU},
		"wide":  {layers: 1, heads: 1, eps: 1e-12, activation: ag.GELU},
	} {
		_, arch, weights := modeltest.Load(t, filepath.Join("testdata", name))
		o.weights = weights
		network, err := arch.Bind(weights)
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for _, g := range modeltest.ReadGoldens(t, filepath.Join("testdata", name, "goldens.json")) {
			if len(g.IDs) > 21 {
				continue // one operator per number makes long sequences slow
			}
			got := make([]float32, network.Labels())
			if err := network.Forward(models.NewWorkspace(nil), modeltest.Join(g), got); err != nil {
				t.Fatal(err)
			}
			for i, want := range o.logits(g.IDs, g.TypeIDs) {
				worst = math.Max(worst, math.Abs(float64(got[i])-want))
			}
		}
		t.Logf("%s: largest difference %.2e", name, worst)
		if !(worst <= 1e-4) {
			t.Errorf("%s: logits differ by %v", name, worst)
		}
	}
}
