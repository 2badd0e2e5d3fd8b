package modernbert

import (
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/nn"
)

// network is a ModernBERT bound to weights.
type network struct {
	a                        *architecture
	words                    models.Lookup
	embeddingNorm, finalNorm models.Norm
	layers                   []layer
	headDense                models.Dense
	headNorm                 models.Norm
	classifier               models.Dense
	*models.TaskWeights
}

type layer struct {
	attentionNorm  models.Norm // zero in layer 0
	fused, output  models.Dense
	perceptronNorm models.Norm
	gated, down    models.Dense
}

// Bind looks up the weights.
func (a *architecture) Bind(p models.Params) (models.Network, error) {
	b, h, c := models.NewBinder(p), a.encoder.Hidden, a.encoder
	var zeros []float32 // the bias of all layer norms without one
	if !a.normBias {
		zeros = make([]float32, h)
	}
	norm := func(name string) models.Norm {
		if zeros == nil {
			return b.Norm(name, h, c.Eps)
		}
		return b.Unshifted(name, zeros, c.Eps)
	}
	dense := func(name string, n, k int, bias bool) models.Dense {
		if bias {
			return b.Dense(name, n, k)
		}
		return b.Unbiased(name+".weight", n, k)
	}
	n := &network{
		a:             a,
		TaskWeights:   b.Weights(),
		words:         b.Table(words),
		embeddingNorm: norm(embeddingNorm),
		finalNorm:     norm(finalNorm),
	}
	for i := range c.Layers {
		l := layerName(i)
		y := layer{
			fused:          dense(l+fused, 3*h, h, a.attentionBias),
			output:         dense(l+output, h, h, a.attentionBias),
			perceptronNorm: norm(l + perceptronNorm),
			gated:          dense(l+gated, 2*c.Intermediate, h, a.perceptronBias),
			down:           dense(l+down, h, c.Intermediate, a.perceptronBias),
		}
		if i > 0 {
			y.attentionNorm = norm(l + attentionNorm)
		}
		n.layers = append(n.layers, y)
	}
	n.headDense = dense(headDense, h, h, a.headBias)
	n.headNorm = norm(headNorm)
	n.classifier = dense(classifier, 0, h, true)
	if err := b.Err(); err != nil {
		return nil, err
	}
	return n, nil
}

// Labels returns the number of logits of a sequence.
func (n *network) Labels() int { return n.classifier.Weight.N() }

// Forward implements models.Network.
func (n *network) Forward(w *models.Workspace, b *models.Batch, logits []float32) error {
	if err := w.Start(n, b, n.a.limits, logits); err != nil || len(b.Ends) == 0 {
		return err
	}
	x := w.View(len(b.IDs), n.a.encoder.Hidden)
	start := 0
	for sequence, end := range b.Ends {
		words := w.Table(n.words, w.TaskOf(sequence))
		for i := start; i < end; i++ {
			words.Row(int(b.IDs[i]), x.Row(i))
		}
		start = end
	}
	w.Norm(x, n.embeddingNorm)
	x = n.encode(w, x, b.Ends)
	w.Norm(x, n.finalNorm)
	if n.a.mean {
		x = mean(w, x, b.Ends)
		w.Divide(w.OneTokenEnds(x.Rows))
	}
	pooled := w.View(x.Rows, x.Cols)
	w.Dense(pooled, x, n.headDense, n.a.headActivation, gemm.View{})
	w.Norm(pooled, n.headNorm)
	w.Logits(logits, pooled, n.classifier)
	return nil
}

// encode runs the layers on x [tokens, hidden], the embeddings of sequences that
// end at ends, and overwrites x. If the classifier uses the mean, it returns the
// outputs of all tokens. Otherwise it returns those of the first tokens
// [sequences, hidden]; the last layer then computes queries, keys and values for
// all tokens, but everything else for the first tokens only.
func (n *network) encode(w *models.Workspace, x gemm.View, ends []int) gemm.View {
	a, c := n.a, n.a.encoder
	h := c.Hidden
	none := gemm.View{}
	normed, all, context := w.View(x.Rows, h), w.View(x.Rows, 3*h), w.View(x.Rows, h)
	mid := w.View(x.Rows, 2*c.Intermediate)
	heads := models.Heads{Count: c.Heads, Width: h / c.Heads}
	queries := ends
	for i := range n.layers {
		l := &n.layers[i]
		rotation := a.globalRotation
		heads.Window = 0
		if a.local[i] {
			rotation, heads.Window = a.localRotation, a.window
		}
		in := x
		if i > 0 {
			w.NormTo(normed, x, l.attentionNorm)
			in = normed
		}
		w.Dense(all, in, l.fused, nn.Identity, none)
		rotation.apply(w, all.Slice(0, all.Rows, 0, 2*h), ends)
		q, k, v := all.Slice(0, all.Rows, 0, h), all.Slice(0, all.Rows, h, 2*h), all.Slice(0, all.Rows, 2*h, 3*h)
		if i == len(n.layers)-1 && !a.mean {
			x, q = w.FirstRows(x, ends), w.FirstRows(q, ends)
			queries = w.OneTokenEnds(len(ends))
			w.Divide(queries)
			normed, context, mid = normed.Slice(0, x.Rows, 0, h), context.Slice(0, x.Rows, 0, h), mid.Slice(0, x.Rows, 0, mid.Cols)
		}
		w.Attention(context, q, k, v, queries, ends, heads)
		w.Dense(x, context, l.output, nn.Identity, x)
		w.NormTo(normed, x, l.perceptronNorm)
		w.Dense(mid, normed, l.gated, nn.Identity, none)
		gate(w, mid, c.Activation)
		w.Dense(x, mid.Slice(0, x.Rows, 0, c.Intermediate), l.down, nn.Identity, x)
	}
	return x
}

// mean returns the mean of the rows of each sequence [sequences, hidden].
func mean(w *models.Workspace, x gemm.View, ends []int) gemm.View {
	m := w.View(len(ends), x.Cols)
	meanTo(m, x, ends)
	return m
}

// meanTo writes the means of the rows of each sequence to m.
func meanTo(m, x gemm.View, ends []int) {
	start := 0
	for i, end := range ends {
		sum := m.Row(i)
		clear(sum)
		for r := start; r < end; r++ {
			models.Add(sum, x.Row(r))
		}
		for c := range sum {
			sum[c] /= float32(end - start)
		}
		start = end
	}
}

// gateWork is the work of gate. A part has gateRows rows.
type gateWork struct {
	x   gemm.View
	act nn.Activation
}

const gateRows = 8

// gate replaces the first half of each row by its activation times the second
// half.
func gate(w *models.Workspace, x gemm.View, act nn.Activation) {
	g := models.State[gateWork](w)
	g.x, g.act = x, act
	w.Run((x.Rows+gateRows-1)/gateRows, g, x.Rows*x.Cols >= models.SharedValues)
}

// Do implements parallel.Work.
func (g *gateWork) Do(part, _ int) {
	x := g.x.Slice(part*gateRows, min((part+1)*gateRows, g.x.Rows), 0, g.x.Cols)
	g.act.Apply(x.Slice(0, x.Rows, 0, x.Cols/2))
	for r := range x.Rows {
		row := x.Row(r)
		value, gate := row[:len(row)/2], row[len(row)/2:]
		gate = gate[:len(value)]
		for c := range value {
			value[c] *= gate[c]
		}
	}
}
