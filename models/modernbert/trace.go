package modernbert

import (
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/models/grad"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// Trace implements grad.Architecture. It follows network.Forward.
func (a *architecture) Trace(t *grad.Tape, b *models.Batch) *grad.Value {
	x := t.Dropout(a.traceNorm(t, t.Embed(grad.Lookup{Table: words, Rows: b.IDs}), embeddingNorm), b.Ends)
	h, ends := a.encoder.Hidden, b.Ends
	for i := range a.encoder.Layers {
		l := layerName(i)
		x = t.Segment(x, func(x *grad.Value) *grad.Value {
			heads, rotation := models.Heads{Count: a.encoder.Heads, Width: h / a.encoder.Heads}, a.globalRotation
			if a.local[i] {
				rotation, heads.Window = a.localRotation, a.window
			}
			in := x
			if i > 0 {
				in = a.traceNorm(t, x, l+attentionNorm)
			}
			all := traceDense(t, in, l+fused, a.attentionBias)
			t.Record(&tracedRotation{rotation, all.Columns(0, 2*h), ends}, nil)
			q, k, v := all.Columns(0, h), all.Columns(h, 2*h), all.Columns(2*h, 3*h)
			queries := ends
			if i == a.encoder.Layers-1 && !a.mean {
				x, q = t.FirstRows(x, ends), t.FirstRows(q, ends)
				queries = encoder.OneTokenEnds(len(ends))
			}
			y := t.DenseAdd(t.Attention(q, k, v, queries, ends, heads), l+output+".weight", biasName(l+output, a.attentionBias), x, nil)
			mid := traceDense(t, a.traceNorm(t, y, l+perceptronNorm), l+gated, a.perceptronBias)
			product := t.Dropout(traceGate(t, mid, a.encoder.Activation), queries)
			return t.DenseAdd(product, l+down+".weight", biasName(l+down, a.perceptronBias), y, nil)
		})
	}
	x = a.traceNorm(t, x, finalNorm)
	if a.mean {
		m := &tracedMean{x: x, ends: ends}
		m.out = t.New(m, len(ends), x.Cols)
		t.Record(m, m.out)
		return m.out
	}
	return x
}

// HeadLayers implements grad.Architecture.
func (a *architecture) HeadLayers(labels int) []grad.HeadLayer {
	h := a.encoder.Hidden
	list := []grad.HeadLayer{
		{Kind: grad.Dense, Weight: headDense + ".weight", Outputs: h, Inputs: h},
		{Kind: grad.Activate, Activation: a.headActivation},
		{Kind: grad.Normalise, Weight: headNorm + ".weight", Eps: a.encoder.Eps},
		{Kind: grad.Drop},
		{Kind: grad.Dense, Weight: classifier + ".weight", Bias: classifier + ".bias", Outputs: labels, Inputs: h},
	}
	if a.headBias {
		list[0].Bias = headDense + ".bias"
	}
	if a.normBias {
		list[2].Bias = headNorm + ".bias"
	}
	return list
}

// traceNorm returns the layer norm with the given name, which may have no bias.
func (a *architecture) traceNorm(t *grad.Tape, x *grad.Value, name string) *grad.Value {
	if a.normBias {
		return t.LayerNorm(x, name, a.encoder.Eps)
	}
	return t.Norm(x, name+".weight", "", a.encoder.Eps)
}

// traceDense returns the dense layer with the given name, with or without its bias.
func traceDense(t *grad.Tape, x *grad.Value, name string, bias bool) *grad.Value {
	return t.Dense(x, name+".weight", biasName(name, bias))
}

// biasName returns the name of a layer's bias, or "" if it has none.
func biasName(name string, bias bool) string {
	if bias {
		return name + ".bias"
	}
	return ""
}

// tracedRotation turns the columns of x in place.
type tracedRotation struct {
	*rotation
	x    *grad.Value
	ends []int
}

// Forward implements grad.Op.
func (r *tracedRotation) Forward(t *grad.Tape) { r.turn(t, t.Need(r.x), 1) }

// Backward implements grad.Op. The gradient is turned back.
func (r *tracedRotation) Backward(t *grad.Tape) { r.turn(t, t.Grad(r.x), -1) }

// turn rotates by the angles, or by their negatives.
func (r *tracedRotation) turn(t *grad.Tape, x gemm.View, sign float32) {
	t.Rows(x, func(r0, r1 int) {
		for row := r0; row < r1; row++ {
			i := models.SequenceOf(r.ends, row)
			r.row(x.Row(row), row-(r.ends[i]-models.SequenceLen(r.ends, i)), sign)
		}
	})
}

// tracedGate is activation(a) ∘ b of the halves a and b of each row.
type tracedGate struct {
	x, out *grad.Value
	act    nn.Activation
}

// traceGate returns the activation of the first half of x times the second.
func traceGate(t *grad.Tape, x *grad.Value, act nn.Activation) *grad.Value {
	g := &tracedGate{x: x, act: act}
	g.out = t.New(g, x.Rows, x.Cols/2)
	t.Record(g, g.out)
	t.MayForget(g.out)
	return g.out
}

// Forward implements grad.Op.
func (g *tracedGate) Forward(t *grad.Tape) {
	x, y := t.Need(g.x), g.out.View
	t.Rows(x, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			copy(y.Row(r), x.Row(r))
		}
		g.act.Apply(y.Slice(r0, r1, 0, y.Cols))
		for r := r0; r < r1; r++ {
			out := y.Row(r)
			gate := x.Row(r)[len(out):][:len(out)]
			for c := range out {
				out[c] *= gate[c]
			}
		}
	})
}

// Backward implements grad.Op.
func (g *tracedGate) Backward(t *grad.Tape) {
	x, dx, dy := t.Need(g.x), t.Grad(g.x), t.Grad(g.out)
	t.Rows(x, func(r0, r1 int) {
		active := make([]float32, dy.Cols)
		for r := r0; r < r1; r++ {
			d := dy.Row(r)
			value, gate := x.Row(r)[:len(d)], x.Row(r)[len(d):][:len(d)]
			dValue, dGate := dx.Row(r)[:len(d)], dx.Row(r)[len(d):][:len(d)]
			copy(active, value)
			g.act.Apply(gemm.View{Data: active, Rows: 1, Cols: len(active), Stride: len(active)})
			for c := range d {
				dGate[c] += d[c] * active[c]
				active[c] = d[c] * gate[c]
			}
			g.act.Backward(active, value)
			models.Add(dValue, active)
		}
	})
}

// tracedMean is the mean of the rows of each sequence.
type tracedMean struct {
	x, out *grad.Value
	ends   []int
}

// Forward implements grad.Op.
func (m *tracedMean) Forward(t *grad.Tape) { meanTo(m.out.View, t.Need(m.x), m.ends) }

// Backward implements grad.Op.
func (m *tracedMean) Backward(t *grad.Tape) {
	dx, dy := t.Grad(m.x), t.Grad(m.out)
	start := 0
	for i, end := range m.ends {
		share := 1 / float32(end-start)
		for r := start; r < end; r++ {
			row := dx.Row(r)
			for c, d := range dy.Row(i) {
				row[c] += d * share
			}
		}
		start = end
	}
}
