package encoder

import (
	"fmt"

	"kenserve/models"
	"kenserve/models/grad"
)

// Trace implements grad.Architecture.
func (a architecture) Trace(t *grad.Tape, b *models.Batch) *grad.Value {
	m := a.m
	x := m.Embeddings.trace(t, b, m.Encoder)
	return m.Encoder.trace(t, m.Names, x, b.Ends)
}

// HeadLayers implements grad.Architecture.
func (a architecture) HeadLayers(labels int) []grad.HeadLayer {
	return a.m.Head.Layers(labels, a.m.Encoder.Hidden)
}

// trace returns the embeddings of a batch; see embeddings.embed.
func (e Embeddings) trace(t *grad.Tape, b *models.Batch, c Config) *grad.Value {
	n := len(b.IDs)
	terms := []grad.Lookup{{Table: words, Rows: b.IDs}}
	if e.tokenTypes > 0 {
		ids := b.TypeIDs
		if ids == nil {
			ids = make([]int32, n)
		}
		terms = append(terms, grad.Lookup{Table: types, Rows: ids})
	}
	terms = append(terms, grad.Lookup{Table: positions, Rows: e.positionIDs(b)})
	if e.Tasks > 0 {
		terms = append(terms, grad.Lookup{Table: tasks, Rows: make([]int32, n)})
	}
	x := t.Dropout(t.LayerNorm(t.Embed(terms...), embeddingNorm, c.Eps), b.Ends)
	if e.Width != c.Hidden {
		x = t.Layer(x, projection)
	}
	return x
}

// positionIDs returns the rows of the position table that a batch uses.
func (e Embeddings) positionIDs(b *models.Batch) []int32 {
	ids := make([]int32, len(b.IDs))
	start := 0
	for _, end := range b.Ends {
		position := 0
		if e.PadPositions {
			position = e.Pad + 1
		}
		for i := start; i < end; i++ {
			if e.PadPositions && int(b.IDs[i]) == e.Pad {
				ids[i] = int32(e.Pad)
				continue
			}
			ids[i] = int32(position)
			position++
		}
		start = end
	}
	return ids
}

// trace returns the output of the first token of each sequence; see layers.firstOutputs.
func (c Config) trace(t *grad.Tape, n Names, x *grad.Value, ends []int) *grad.Value {
	heads := models.Heads{Count: c.Heads, Width: c.Hidden / c.Heads}
	for i := range c.Layers {
		l := fmt.Sprint(n.Layer, i)
		x = t.Segment(x, func(x *grad.Value) *grad.Value {
			k, v := t.Layer(x, l+n.Key), t.Layer(x, l+n.Value)
			queries := ends
			if i == c.Layers-1 {
				x = t.FirstRows(x, ends)
				queries = OneTokenEnds(len(ends))
			}
			context := t.Attention(t.Layer(x, l+n.Query), k, v, queries, ends, heads)
			dropped := queries
			if n.PlainAttention {
				dropped = nil
			}
			x = t.LayerNorm(t.LayerAdd(context, l+n.Output, x, dropped), l+n.OutputNorm, c.Eps)
			return c.Perceptron(t, n, l, x, queries)
		})
	}
	return x
}

// Perceptron traces the second half of a layer: two dense layers, the residual, and a layer
// norm. l is the layer's name.
func (c Config) Perceptron(t *grad.Tape, n Names, l string, x *grad.Value, ends []int) *grad.Value {
	mid := t.LayerActivated(x, l+n.Intermediate, c.Activation)
	return t.LayerNorm(t.LayerAdd(mid, l+n.Down, x, ends), l+n.DownNorm, c.Eps)
}

// OneTokenEnds returns the ends of n sequences with one token each: 1 to n.
func OneTokenEnds(n int) []int {
	ends := make([]int, n)
	for i := range ends {
		ends[i] = i + 1
	}
	return ends
}

// Layers lists the layers of the head, with the dropouts of transformers.
func (h Head) Layers(labels, hidden int) []grad.HeadLayer {
	list := []grad.HeadLayer{
		{Kind: grad.Dense, Weight: h.First + ".weight", Bias: h.First + ".bias", Outputs: hidden, Inputs: hidden},
		{Kind: grad.Activate, Activation: h.Activation},
		{Kind: grad.Drop},
		{Kind: grad.Dense, Weight: h.Out + ".weight", Bias: h.Out + ".bias", Outputs: labels, Inputs: hidden},
	}
	if h.DropInput {
		list = append([]grad.HeadLayer{{Kind: grad.Drop}}, list...)
	}
	return list
}
