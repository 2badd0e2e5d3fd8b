package grad

import (
	"math"

	"kenserve/gemm"
	"kenserve/models"
	"kenserve/nn"
)

// attention is softmax(q·kᵀ / √width)·v of each head of each sequence; see
// models.Workspace.Attention.
type attention struct {
	q, k, v, out  *Value
	queries, keys []int // ends of the sequences in q and out, and in k and v
	heads         models.Heads
	drop          dropout
}

// scratch is the memory of a worker for the scores of a block of queries.
type scratch struct {
	scores, gradient, dropped []float32
	products                  nn.Scratch
	sums                      nn.BackwardScratch
}

// view returns a matrix in the memory of b, which grows.
func view(b *[]float32, rows, cols int) gemm.View {
	stride := gemm.Stride(cols)
	if cap(*b) < rows*stride {
		*b = make([]float32, rows*stride)
	}
	return gemm.View{Data: (*b)[:rows*stride], Rows: rows, Cols: cols, Stride: stride}
}

// Attention returns the attention of queries q to keys k and values v. Sequence i ends at
// row queries[i] of q, and at row keys[i] of k and v.
func (t *Tape) Attention(q, k, v *Value, queries, keys []int, heads models.Heads) *Value {
	if heads.Stride == 0 {
		heads.Stride = heads.Width
	}
	a := &attention{q: q, k: k, v: v, queries: queries, keys: keys, heads: heads, drop: t.dropout(t.options.Dropout.Attention)}
	a.out = t.New(a, q.Rows, heads.Count*heads.Width)
	a.out.constant = q.constant && k.constant && v.constant
	t.Record(a, a.out)
	return a.out
}

// Forward implements Op.
func (a *attention) Forward(t *Tape) {
	q, k, v := t.Need(a.q), t.Need(a.k), t.Need(a.v)
	t.HeadParts(a.queries, a.keys, a.heads, func(b Block, slot int) {
		s := &t.scratch[slot]
		p := view(&s.scores, b.Count, b.To-b.From)
		a.probabilities(p, q, k, b, s)
		a.drop.attention(p, b)
		nn.Product(a.out.Slice(b.Q0, b.Q0+b.Count, b.Out, b.Out+a.heads.Width), p, v.Slice(b.K0, b.K1, b.Column, b.Column+a.heads.Width), &s.products)
	})
}

// probabilities computes the softmax of the scores of a block.
func (a *attention) probabilities(p, q, k gemm.View, b Block, s *scratch) {
	c0, c1 := b.Column, b.Column+a.heads.Width
	nn.ProductTransposed(p, q.Slice(b.Q0, b.Q0+b.Count, c0, c1), k.Slice(b.K0, b.K1, c0, c1), a.scale(), &s.products)
	a.heads.Softmax(p, b.Head, b.First, b.From, b.Length)
}

func (a *attention) scale() float32 { return float32(1 / math.Sqrt(float64(a.heads.Width))) }

// Backward implements Op. With the probabilities P, computed again, and the gradient dO of
// the result, of each head:
//
//	dV = Pᵀ·dO,  dP = dO·Vᵀ,  dS = P ∘ (dP - Σ P·dP) / √width,  dQ = dS·K,  dK = dSᵀ·Q
func (a *attention) Backward(t *Tape) {
	q, k, v, dOut := t.Need(a.q), t.Need(a.k), t.Need(a.v), t.Grad(a.out)
	dq, dk, dv := t.Grad(a.q), t.Grad(a.k), t.Grad(a.v)
	width := a.heads.Width
	t.HeadParts(a.queries, a.keys, a.heads, func(b Block, slot int) {
		s := &t.scratch[slot]
		columns := func(x gemm.View, r0, r1 int) gemm.View { return x.Slice(r0, r1, b.Column, b.Column+width) }
		p, dp := view(&s.scores, b.Count, b.To-b.From), view(&s.gradient, b.Count, b.To-b.From)
		a.probabilities(p, q, k, b, s)
		do := dOut.Slice(b.Q0, b.Q0+b.Count, b.Out, b.Out+width)
		nn.ProductTransposed(dp, do, columns(v, b.K0, b.K1), 1, &s.products)
		weights := p
		if a.drop.threshold > 0 { // the values were weighted with the dropped probabilities
			weights = view(&s.dropped, p.Rows, p.Cols)
			for r := range p.Rows {
				copy(weights.Row(r), p.Row(r))
			}
			a.drop.attention(weights, b)
			a.drop.attention(dp, b)
		}
		nn.AddProductOfTranspose(columns(dv, b.K0, b.K1), weights, do, &s.sums)
		nn.SoftmaxBackward(dp, p)
		scale := a.scale()
		for r := range dp.Rows {
			row := dp.Row(r)
			for j := range row {
				row[j] *= scale
			}
		}
		nn.AddProduct(columns(dq, b.Q0, b.Q0+b.Count), dp, columns(k, b.K0, b.K1), &s.sums)
		nn.AddProductOfTranspose(columns(dk, b.K0, b.K1), dp, columns(q, b.Q0, b.Q0+b.Count), &s.sums)
	})
}

// Block is a block of queries of one head of one sequence, and the keys that they see.
type Block struct {
	Sequence, Head int
	First, Count   int // queries of the sequence
	Length         int // keys of the sequence
	From, To       int // keys that one of the queries sees
	Q0             int // row of the first query
	K0, K1         int // rows of the keys From to To
	Column         int // first column of the head in queries, keys and values
	Out            int // first column of the head in the output
}

// HeadParts runs f on all blocks. A part is a head of a sequence: its blocks run one after
// the other, so that they can add to the gradients of the same keys.
func (t *Tape) HeadParts(queries, keys []int, heads models.Heads, f func(b Block, slot int)) {
	work := 0
	for i := range queries {
		work += models.SequenceLen(queries, i) * models.SequenceLen(keys, i) * heads.Count * heads.Width
	}
	p := t.pool
	if work < models.SharedScores {
		p = nil
	}
	w := headWork{queries, keys, heads, f}
	p.Run(len(queries)*heads.Count, &w)
}

// headWork is the work of Tape.HeadParts.
type headWork struct {
	queries, keys []int
	heads         models.Heads
	f             func(b Block, slot int)
}

// Do implements parallel.Work.
func (w *headWork) Do(part, slot int) {
	i, head := part/w.heads.Count, part%w.heads.Count
	rows, length := models.SequenceLen(w.queries, i), models.SequenceLen(w.keys, i)
	q0, k0 := w.queries[i]-rows, w.keys[i]-length
	span := length
	if w.heads.Window > 0 {
		span = min(length, 2*w.heads.Window+models.BlockQueries(1))
	}
	size := models.BlockQueries(span)
	for first := 0; first < rows; first += size {
		b := Block{Sequence: i, Head: head, First: first, Count: min(size, rows-first), Length: length, Q0: q0 + first}
		b.From, _ = w.heads.Visible(first, length)
		_, b.To = w.heads.Visible(first+b.Count-1, length)
		b.K0, b.K1 = k0+b.From, k0+b.To
		b.Column, b.Out = head*w.heads.Stride, head*w.heads.Width
		w.f(b, slot)
	}
}
