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
	drop          AttentionDropout
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
	a := &attention{q: q, k: k, v: v, queries: queries, keys: keys, heads: heads, drop: t.AttentionDropout()}
	a.out = t.New(a, q.Rows, heads.Count*heads.Width)
	a.out.constant = q.constant && k.constant && v.constant
	t.Record(a, a.out)
	return a.out
}

// Forward implements Op.
func (a *attention) Forward(t *Tape) {
	q, k, v := t.Need(a.q), t.Need(a.k), t.Need(a.v)
	t.headParts(a.queries, a.keys, a.heads, func(b block, slot int) {
		s := &t.scratch[slot]
		p := view(&s.scores, b.count, b.to-b.from)
		a.probabilities(p, q, k, b, s)
		a.drop.Apply(p, b.sequence, b.head, b.first, b.from)
		nn.Product(a.out.Slice(b.q0, b.q0+b.count, b.out, b.out+a.heads.Width), p, v.Slice(b.k0, b.k1, b.column, b.column+a.heads.Width), &s.products)
	})
}

// probabilities computes the softmax of the scores of a block.
func (a *attention) probabilities(p, q, k gemm.View, b block, s *scratch) {
	c0, c1 := b.column, b.column+a.heads.Width
	nn.ProductTransposed(p, q.Slice(b.q0, b.q0+b.count, c0, c1), k.Slice(b.k0, b.k1, c0, c1), a.scale(), &s.products)
	a.heads.Softmax(p, b.head, b.first, b.from, b.length)
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
	t.headParts(a.queries, a.keys, a.heads, func(b block, slot int) {
		s := &t.scratch[slot]
		columns := func(x gemm.View, r0, r1 int) gemm.View { return x.Slice(r0, r1, b.column, b.column+width) }
		p, dp := view(&s.scores, b.count, b.to-b.from), view(&s.gradient, b.count, b.to-b.from)
		a.probabilities(p, q, k, b, s)
		do := dOut.Slice(b.q0, b.q0+b.count, b.out, b.out+width)
		nn.ProductTransposed(dp, do, columns(v, b.k0, b.k1), 1, &s.products)
		weights := p
		if a.drop.Active() { // the values were weighted with the dropped probabilities
			weights = view(&s.dropped, p.Rows, p.Cols)
			for r := range p.Rows {
				copy(weights.Row(r), p.Row(r))
			}
			a.drop.Apply(weights, b.sequence, b.head, b.first, b.from)
			a.drop.Apply(dp, b.sequence, b.head, b.first, b.from)
		}
		nn.AddProductOfTranspose(columns(dv, b.k0, b.k1), weights, do, &s.sums)
		nn.SoftmaxBackward(dp, p, a.scale())
		nn.AddProduct(columns(dq, b.q0, b.q0+b.count), dp, columns(k, b.k0, b.k1), &s.sums)
		nn.AddProductOfTranspose(columns(dk, b.k0, b.k1), dp, columns(q, b.q0, b.q0+b.count), &s.sums)
	})
}

// block is a block of queries of one head of one sequence, and the keys that they see.
type block struct {
	sequence, head int
	first, count   int // queries of the sequence
	length         int // keys of the sequence
	from, to       int // keys that one of the queries sees
	q0             int // row of the first query
	k0, k1         int // rows of the keys from to to
	column         int // first column of the head in queries, keys and values
	out            int // first column of the head in the output
}

// headParts runs f on all blocks. A part is a head of a sequence: its blocks run one after
// the other, so that they can add to the gradients of the same keys.
func (t *Tape) headParts(queries, keys []int, heads models.Heads, f func(b block, slot int)) {
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

// headWork is the work of Tape.headParts.
type headWork struct {
	queries, keys []int
	heads         models.Heads
	f             func(b block, slot int)
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
		b := block{sequence: i, head: head, first: first, count: min(size, rows-first), length: length, q0: q0 + first}
		b.from, _ = w.heads.Visible(first, length)
		_, b.to = w.heads.Visible(first+b.count-1, length)
		b.k0, b.k1 = k0+b.from, k0+b.to
		b.column, b.out = head*w.heads.Stride, head*w.heads.Width
		w.f(b, slot)
	}
}
