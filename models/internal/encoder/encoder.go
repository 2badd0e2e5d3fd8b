// Package encoder is what BERT and its direct relatives share: embeddings that
// are a sum of table rows; layers of self-attention and a two-layer perceptron,
// each followed by the addition of its input and a layer norm; and a classifier
// of two dense layers over the first token. A family fills in a [Model].
package encoder

import (
	"fmt"

	"kenserve/gemm"
	"kenserve/models"
	"kenserve/nn"
)

// Config is the encoder's size.
type Config struct {
	Layers       int
	Hidden       int // columns of the activations, a multiple of Heads
	Heads        int
	Intermediate int // columns between the perceptron's two layers
	Activation   nn.Activation
	Eps          float32 // of the layer norms
}

// Names are the names of one layer's tensors, without ".weight" and ".bias".
type Names struct {
	Layer                                 string // of layer i: Layer + i + the names below
	Query, Key, Value, Output, OutputNorm string
	Intermediate, Down, DownNorm          string
}

// BERT is how BERT and most of its relatives name a layer.
var BERT = Names{
	Layer:        "encoder.layer.",
	Query:        ".attention.self.query",
	Key:          ".attention.self.key",
	Value:        ".attention.self.value",
	Output:       ".attention.output.dense",
	OutputNorm:   ".attention.output.LayerNorm",
	Intermediate: ".intermediate.dense",
	Down:         ".output.dense",
	DownNorm:     ".output.LayerNorm",
}

// Parameters lists the encoder's weights.
func (c Config) Parameters(n Names) []models.Parameter {
	var list []models.Parameter
	for i := range c.Layers {
		l := fmt.Sprint(n.Layer, i)
		list = append(list, models.DenseParameters(l+n.Query, c.Hidden, c.Hidden)...)
		list = append(list, models.DenseParameters(l+n.Key, c.Hidden, c.Hidden)...)
		list = append(list, models.DenseParameters(l+n.Value, c.Hidden, c.Hidden)...)
		list = append(list, models.DenseParameters(l+n.Output, c.Hidden, c.Hidden)...)
		list = append(list, models.NormParameters(l+n.OutputNorm, c.Hidden)...)
		list = append(list, models.DenseParameters(l+n.Intermediate, c.Intermediate, c.Hidden)...)
		list = append(list, models.DenseParameters(l+n.Down, c.Hidden, c.Intermediate)...)
		list = append(list, models.NormParameters(l+n.DownNorm, c.Hidden)...)
	}
	return list
}

// Encoder is a stack of layers bound to weights.
type Encoder struct {
	config Config
	layers []layer
}

type layer struct {
	query, key, value, output models.Dense
	outputNorm                models.Norm
	intermediate, down        models.Dense
	downNorm                  models.Norm
}

// Bind resolves the encoder's weights. Errors are left in the binder.
func (c Config) Bind(b *models.Binder, n Names) *Encoder {
	e := &Encoder{config: c, layers: make([]layer, c.Layers)}
	for i := range e.layers {
		l := fmt.Sprint(n.Layer, i)
		e.layers[i] = layer{
			key:          b.Dense(l+n.Key, c.Hidden, c.Hidden),
			value:        b.Dense(l+n.Value, c.Hidden, c.Hidden),
			query:        b.Dense(l+n.Query, c.Hidden, c.Hidden),
			output:       b.Dense(l+n.Output, c.Hidden, c.Hidden),
			outputNorm:   b.Norm(l+n.OutputNorm, c.Hidden, c.Eps),
			intermediate: b.Dense(l+n.Intermediate, c.Intermediate, c.Hidden),
			down:         b.Dense(l+n.Down, c.Hidden, c.Intermediate),
			downNorm:     b.Norm(l+n.DownNorm, c.Hidden, c.Eps),
		}
	}
	return e
}

// First runs the layers over x [tokens, hidden], the embeddings of sequences
// that end at ends, and returns the output of each sequence's first token
// [sequences, hidden]. It overwrites x. No other token's output is needed by
// a classifier, so the last layer computes keys and values for all tokens but
// everything else for the first ones alone.
func (e *Encoder) FirstOutputs(w *models.Workspace, x gemm.View, ends []int) gemm.View {
	c := e.config
	q, k, v := w.View(x.Rows, c.Hidden), w.View(x.Rows, c.Hidden), w.View(x.Rows, c.Hidden)
	mid := w.View(x.Rows, c.Intermediate)
	none := gemm.View{}
	queries := ends
	heads := models.Heads{Count: c.Heads, Width: c.Hidden / c.Heads}
	for i := range e.layers {
		l := &e.layers[i]
		w.Dense(k, x, l.key, nn.Identity, none)
		w.Dense(v, x, l.value, nn.Identity, none)
		if i == len(e.layers)-1 {
			x = w.FirstRows(x, ends)
			queries = w.OneTokenEnds(len(ends))
			q, mid = q.Slice(0, x.Rows, 0, q.Cols), mid.Slice(0, x.Rows, 0, mid.Cols)
		}
		w.Dense(q, x, l.query, nn.Identity, none)
		// A part of attention has read its queries before it writes its
		// context, and no other part reads them: the two share a buffer.
		w.Attention(q, q, k, v, queries, ends, heads)
		w.Dense(x, q, l.output, nn.Identity, x)
		w.Norm(x, l.outputNorm)
		w.Dense(mid, x, l.intermediate, c.Activation, none)
		w.Dense(x, mid, l.down, nn.Identity, x)
		w.Norm(x, l.downNorm)
	}
	return x
}
