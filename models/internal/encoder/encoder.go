// Package encoder is the network that BERT and its direct relatives share:
// embeddings that are a sum of table rows; layers of self-attention and a
// two-layer perceptron, each followed by a residual addition and a layer norm;
// and a classifier of two dense layers over the first token. A family describes
// its network as a [Model].
package encoder

import (
	"fmt"

	"kenserve/gemm"
	"kenserve/models"
	"kenserve/nn"
)

// Config holds the sizes of an encoder.
type Config struct {
	Layers       int
	Hidden       int // columns of the activations, a multiple of Heads
	Heads        int
	Intermediate int // columns between the two layers of the perceptron
	Activation   nn.Activation
	Eps          float32 // of the layer norms
}

// Names are the names of a layer's tensors, without ".weight" and ".bias".
type Names struct {
	Layer                                 string // the name of a tensor of layer i is Layer + i + one of the names below
	Query, Key, Value, Output, OutputNorm string
	Intermediate, Down, DownNorm          string
	// PlainAttention is true if training drops no elements of the attention's output.
	PlainAttention bool
}

// BERT are the names that BERT and most of its relatives use.
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

// parameters lists the weights of the encoder.
func (c Config) parameters(n Names) []models.Parameter {
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

// layers are the layers of an encoder bound to weights.
type layers struct {
	config Config
	list   []layer
}

type layer struct {
	query, key, value, output models.Dense
	outputNorm                models.Norm
	intermediate, down        models.Dense
	downNorm                  models.Norm
}

// bind looks up the weights of the encoder. The binder keeps errors.
func (c Config) bind(b *models.Binder, n Names) *layers {
	e := &layers{config: c, list: make([]layer, c.Layers)}
	for i := range e.list {
		l := fmt.Sprint(n.Layer, i)
		e.list[i] = layer{
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

// firstOutputs runs the layers on x [tokens, hidden], the embeddings of
// sequences that end at ends. It returns the output of the first token of each
// sequence [sequences, hidden] and overwrites x. A classifier needs no other
// outputs, so the last layer computes keys and values for all tokens but
// everything else for the first tokens only.
func (e *layers) firstOutputs(w *models.Workspace, x gemm.View, ends []int) gemm.View {
	c := e.config
	q, k, v := w.View(x.Rows, c.Hidden), w.View(x.Rows, c.Hidden), w.View(x.Rows, c.Hidden)
	mid := w.View(x.Rows, c.Intermediate)
	none := gemm.View{}
	queries := ends
	heads := models.Heads{Count: c.Heads, Width: c.Hidden / c.Heads}
	for i := range e.list {
		l := &e.list[i]
		w.Dense(k, x, l.key, nn.Identity, none)
		w.Dense(v, x, l.value, nn.Identity, none)
		if i == len(e.list)-1 {
			x = w.FirstRows(x, ends)
			queries = w.OneTokenEnds(len(ends))
			w.Divide(queries)
			q, mid = q.Slice(0, x.Rows, 0, q.Cols), mid.Slice(0, x.Rows, 0, mid.Cols)
		}
		w.Dense(q, x, l.query, nn.Identity, none)
		// A part of the attention reads its queries before it writes its
		// outputs, and no other part reads these queries. So the two can share
		// a buffer.
		w.Attention(q, q, k, v, queries, ends, heads)
		w.Dense(x, q, l.output, nn.Identity, x)
		w.Norm(x, l.outputNorm)
		w.Dense(mid, x, l.intermediate, c.Activation, none)
		w.Dense(x, mid, l.down, nn.Identity, x)
		w.Norm(x, l.downNorm)
	}
	return x
}
