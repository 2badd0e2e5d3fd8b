package bloom

import (
	"kenserve/models"
	"kenserve/models/grad"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// Trace implements grad.Architecture. It follows network.Forward.
func (a *architecture) Trace(t *grad.Tape, b *models.Batch) *grad.Value {
	ids, ends := a.withoutPadding(b)
	x := t.LayerNorm(t.Embed(grad.Lookup{Table: words, Rows: ids}), embeddingNorm, a.eps)
	h := a.hidden
	width := h / a.heads
	for i := range a.layers {
		l := layerName(i)
		x = t.Segment(x, func(x *grad.Value) *grad.Value {
			heads := models.Heads{Count: a.heads, Width: width, Stride: 3 * width, Causal: true, Slopes: a.slopes}
			normed := t.LayerNorm(x, l+inputNorm, a.eps)
			all := t.Layer(normed, l+fused)
			rest := 3*h - 2*width // the columns are each head's queries, keys and values in turn
			q, k, v := all.Columns(0, rest), all.Columns(width, width+rest), all.Columns(2*width, 2*width+rest)
			queries := ends
			if i == a.layers-1 {
				x, q, normed = t.LastRows(x, ends), t.LastRows(q, ends), t.LastRows(normed, ends)
				queries, heads.Causal = encoder.OneTokenEnds(len(ends)), false
			}
			y := t.LayerAdd(t.Attention(q, k, v, queries, ends, heads), l+output, a.traceResidual(x, normed), queries)
			normed = t.LayerNorm(y, l+midNorm, a.eps)
			mid := t.LayerActivated(normed, l+up, nn.GELUTanh)
			return t.LayerAdd(mid, l+down, a.traceResidual(y, normed), queries)
		})
	}
	return t.LayerNorm(x, finalNorm, a.eps)
}

// traceResidual returns the term that is added; see network.residual.
func (a *architecture) traceResidual(x, normed *grad.Value) *grad.Value {
	if a.normResidual {
		return normed
	}
	return x
}

// withoutPadding returns the tokens of a batch without trailing padding, and the ends of the
// shorter sequences; see network.embed.
func (a *architecture) withoutPadding(b *models.Batch) (ids []int32, ends []int) {
	start := 0
	for _, end := range b.Ends {
		stop := end
		for stop > start+1 && int(b.IDs[stop-1]) == a.pad {
			stop--
		}
		ids = append(ids, b.IDs[start:stop]...)
		ends = append(ends, len(ids))
		start = end
	}
	return ids, ends
}

// HeadLayers implements grad.Architecture.
func (a *architecture) HeadLayers(labels int) []grad.HeadLayer {
	return []grad.HeadLayer{{Kind: grad.Dense, Weight: score, Outputs: labels, Inputs: a.hidden}}
}
