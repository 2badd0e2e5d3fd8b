package bloom

import (
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/nn"
)

// network is a BLOOM bound to weights.
type network struct {
	a                        *architecture
	words                    models.Lookup
	embeddingNorm, finalNorm models.Norm
	layers                   []layer
	score                    models.Dense
	*models.TaskWeights
}

type layer struct {
	inputNorm     models.Norm
	fused, output models.Dense
	midNorm       models.Norm
	up, down      models.Dense
}

// tokenEnds holds the ends of the sequences of a batch without trailing padding.
type tokenEnds struct{ ends []int }

// Labels returns the number of logits of a sequence.
func (n *network) Labels() int { return n.score.Weight.N() }

// Forward implements models.Network.
func (n *network) Forward(w *models.Workspace, b *models.Batch, logits []float32) error {
	if err := w.Start(n, b, n.a.limits, logits); err != nil || len(b.Ends) == 0 {
		return err
	}
	e := models.State[tokenEnds](w)
	x := n.embed(w, b, e)
	x = n.lastOutputs(w, x, e.ends)
	w.Norm(x, n.finalNorm)
	w.Logits(logits, x, n.score)
	return nil
}

// embed returns the embeddings of each sequence without its trailing padding, and
// sets e to the ends of these shorter sequences. No other token sees trailing
// padding. If a sequence consists of padding only, its first token remains;
// transformers classifies that token, too.
func (n *network) embed(w *models.Workspace, b *models.Batch, e *tokenEnds) gemm.View {
	e.ends = e.ends[:0]
	x := w.View(len(b.IDs), n.a.hidden)
	start, row := 0, 0
	for sequence, end := range b.Ends {
		words := w.Table(n.words, w.TaskOf(sequence))
		stop := end
		for stop > start+1 && int(b.IDs[stop-1]) == n.a.pad {
			stop--
		}
		for _, id := range b.IDs[start:stop] {
			words.Row(int(id), x.Row(row))
			row++
		}
		e.ends = append(e.ends, row)
		start = end
	}
	x = x.Slice(0, row, 0, x.Cols)
	w.Divide(e.ends)
	w.Norm(x, n.embeddingNorm)
	return x
}

// lastOutputs runs the layers on x [tokens, hidden], the embeddings of sequences
// that end at ends. It returns the output of the last token of each sequence
// [sequences, hidden] and overwrites x. The last layer computes queries, keys and
// values for all tokens, but everything else for the last tokens only.
func (n *network) lastOutputs(w *models.Workspace, x gemm.View, ends []int) gemm.View {
	h := n.a.hidden
	heads := models.Heads{Count: n.a.heads, Width: h / n.a.heads, Causal: true, Slopes: n.a.slopes}
	heads.Stride = 3 * heads.Width
	none := gemm.View{}
	normed, all := w.View(x.Rows, h), w.View(x.Rows, 3*h)
	context, mid := w.View(x.Rows, h), w.View(x.Rows, 4*h)
	queries := ends
	for i := range n.layers {
		l := &n.layers[i]
		w.NormTo(normed, x, l.inputNorm)
		w.Dense(all, normed, l.fused, nn.Identity, none)
		rest := 3*h - 2*heads.Width // the columns are each head's queries, keys and values in turn
		q := all.Slice(0, all.Rows, 0, rest)
		k := all.Slice(0, all.Rows, heads.Width, heads.Width+rest)
		v := all.Slice(0, all.Rows, 2*heads.Width, 2*heads.Width+rest)
		if i == len(n.layers)-1 {
			x, q, normed = w.LastRows(x, ends), w.LastRows(q, ends), w.LastRows(normed, ends)
			queries = w.OneTokenEnds(len(ends))
			w.Divide(queries)
			context, mid = context.Slice(0, x.Rows, 0, h), mid.Slice(0, x.Rows, 0, 4*h)
			heads.Causal = false // the last token sees all tokens
		}
		w.Attention(context, q, k, v, queries, ends, heads)
		w.Dense(x, context, l.output, nn.Identity, n.residual(x, normed))
		w.NormTo(normed, x, l.midNorm)
		w.Dense(mid, normed, l.up, nn.GELUTanh, none)
		w.Dense(x, mid, l.down, nn.Identity, n.residual(x, normed))
	}
	return x
}

// residual returns the term that is added to the result of attention or
// perceptron: the input before the layer norm, or after it.
func (n *network) residual(x, normed gemm.View) gemm.View {
	if n.a.normResidual {
		return normed
	}
	return x
}
