package disentangled

import (
	"math"

	"kenserve/gemm"
	"kenserve/models"
	"kenserve/nn"
)

// keyBlock is the number of keys that a part processes at a time for the
// position-to-content term. The products that it needs are on diagonals; with few
// keys they stay in cache.
const keyBlock = 48

// attention computes, for each head of each sequence, the softmax over keys j of
//
//	(q_i·k_j + q_i·K_r + k_j·Q_r) · scale,  r the index of the distance j-i
//
// times the values (He et al., 2021, equation 4). K and Q are the projected
// embeddings of distances, posK and posQ. The parts are those of models.Blocks.
type attention struct {
	out, q, k, v gemm.View
	posK, posQ   gemm.View // [indices of all tasks, heads·width]; the zero View if the model does not have the term
	tableEnds    []int     // by task: where its rows in posK and posQ end
	places       []int     // by sequence, nil for a single task: the row in posK and posQ of index 0 in its task, maybe before the first row
	queries      []int     // ends of the sequences in out and q
	keys         []int     // ends of the sequences in k and v
	heads, width int
	step         int     // columns from a head to the next in q, k and v
	index        []int32 // index[zero+d] is the index of the distance d = key - query
	zero         int
	scale        float32

	blocks  models.Blocks
	work    []scratch // by slot
	buffers []nn.Scratch
}

// scratch holds the products of a part.
type scratch struct{ scores, c2p, p2c []float32 }

// run computes the attention. The fields from out to scale are set.
func (a *attention) run(w *models.Workspace) {
	a.blocks.Reset(a.heads)
	for i := range a.queries {
		a.blocks.Add(models.SequenceLen(a.queries, i), models.BlockQueries(models.SequenceLen(a.keys, i)))
	}
	size, work := a.sizes()
	a.work = a.work[:0]
	for range w.Width() {
		a.work = append(a.work, scratch{w.Floats(size.scores), w.Floats(size.c2p), w.Floats(size.p2c)})
	}
	if len(a.buffers) < w.Width() {
		a.buffers = make([]nn.Scratch, w.Width())
	}
	w.Run(a.blocks.Parts(), a, work >= models.SharedScores)
}

// sizes are the numbers of values that the products of a part need.
type sizes struct{ scores, c2p, p2c int }

// sizes returns the largest sizes of a part, and the number of multiplications.
func (a *attention) sizes() (size sizes, work int) {
	for i := range a.queries {
		rows, length := models.SequenceLen(a.queries, i), models.SequenceLen(a.keys, i)
		work += rows * length * a.heads * a.width
		block := min(models.BlockQueries(length), rows)
		size.scores = max(size.scores, block*gemm.Stride(length))
		size.c2p = max(size.c2p, block*gemm.Stride(a.distances(-(rows-1), length-1)))
		size.p2c = max(size.p2c, min(keyBlock, length)*gemm.Stride(min(block+keyBlock, a.distances(-(rows-1), length-1))))
	}
	return size, work
}

// distances returns the number of rows in posK and posQ for the distances from
// to to.
func (a *attention) distances(from, to int) int {
	return int(a.index[a.zero+to]-a.index[a.zero+from]) + 1
}

// Do implements parallel.Work.
func (a *attention) Do(part, slot int) {
	b := a.block(a.blocks.Find(part))
	buffer := &a.buffers[slot]
	nn.Product(b.rows(a.out), a.probabilities(&b, &a.work[slot], buffer), b.keys(a.v), buffer)
}

// block is a block of queries of one head of one sequence.
type block struct {
	first, count, length int // queries of the sequence, and its length
	q0, k0               int // first row of the queries, and of the sequence's keys
	c0, c1, h0, h1       int // columns of the head in q, k and v, and elsewhere
	place                int // the row in posK and posQ of index 0, maybe before the first row
}

// block returns a block of queries: rows first to first+count-1 of a sequence.
func (a *attention) block(sequence, head, first, count int) block {
	rows, length := models.SequenceLen(a.queries, sequence), models.SequenceLen(a.keys, sequence)
	place := -int(a.index[0]) // of a single task
	if a.places != nil {
		place = a.places[sequence]
	}
	return block{
		first: first, count: count, length: length,
		q0: a.queries[sequence] - rows + first, k0: a.keys[sequence] - length,
		c0: head * a.step, c1: head*a.step + a.width, h0: head * a.width, h1: (head + 1) * a.width, place: place,
	}
}

// queries returns the block's part of q or its gradient, keys that of k or v or their
// gradients, rows that of the output or its gradient.
func (b *block) queries(x gemm.View) gemm.View { return x.Slice(b.q0, b.q0+b.count, b.c0, b.c1) }
func (b *block) keys(x gemm.View) gemm.View    { return x.Slice(b.k0, b.k0+b.length, b.c0, b.c1) }
func (b *block) rows(x gemm.View) gemm.View    { return x.Slice(b.q0, b.q0+b.count, b.h0, b.h1) }

// probabilities computes the softmax of the scores of a block, in work.
func (a *attention) probabilities(b *block, work *scratch, buffer *nn.Scratch) gemm.View {
	q, k := b.queries(a.q), b.keys(a.k)
	first, count, length := b.first, b.count, b.length
	scores := view(work.scores, count, length)
	nn.ProductTransposed(scores, q, k, a.scale, buffer)
	if a.posK.Data != nil {
		places, low := a.embeddings(a.posK, b.place, -(first + count - 1), length-1-first, b.h0, b.h1)
		terms := view(work.c2p, count, places.Rows)
		nn.ProductTransposed(terms, q, places, a.scale, buffer)
		for r := range count {
			addGathered(scores.Row(r), terms.Row(r), a.index[a.zero-(first+r):], low)
		}
	}
	if a.posQ.Data != nil {
		for j0 := 0; j0 < length; j0 += keyBlock {
			j1 := min(j0+keyBlock, length)
			places, low := a.embeddings(a.posQ, b.place, j0-(first+count-1), j1-1-first, b.h0, b.h1)
			terms := view(work.p2c, j1-j0, places.Rows)
			nn.ProductTransposed(terms, k.Slice(j0, j1, 0, a.width), places, a.scale, buffer)
			for r := range count {
				addDiagonal(scores.Row(r)[j0:j1], terms, a.index[a.zero+j0-(first+r):], low)
			}
		}
	}
	nn.Softmax(scores)
	return scores
}

// embeddings returns columns c0 to c1-1 of the rows of p for the distances from
// to to, and the index of the first row. place is that of the sequence.
func (a *attention) embeddings(p gemm.View, place, from, to, c0, c1 int) (gemm.View, int32) {
	low, high := a.index[a.zero+from], a.index[a.zero+to]
	return p.Slice(place+int(low), place+int(high)+1, c0, c1), low
}

// addGathered adds terms[index[j]-low] to scores[j].
func addGathered(scores, terms []float32, index []int32, low int32) {
	index = index[:len(scores)]
	for j, p := range index {
		scores[j] += terms[p-low]
	}
}

// addDiagonal adds element index[j]-low of row j of terms to scores[j].
func addDiagonal(scores []float32, terms gemm.View, index []int32, low int32) {
	index = index[:len(scores)]
	start := -int(low)
	for j, p := range index {
		scores[j] += terms.Data[start+int(p)]
		start += terms.Stride
	}
}

// view returns the start of data as a view with a stride that suits the kernels.
func view(data []float32, rows, cols int) gemm.View {
	stride := gemm.Stride(cols)
	return gemm.View{Data: data[:rows*stride], Rows: rows, Cols: cols, Stride: stride}
}

// bucket returns the logarithmic bucket of a distance. There are size buckets on
// either side of zero. Distances up to size/2 have one bucket each; those up to
// longest share the rest. The arithmetic is in float32, as in PyTorch, because
// the result depends on rounding before a ceiling.
func bucket(distance, size, longest int) int {
	mid := size / 2
	abs := max(distance, -distance)
	if abs <= mid {
		return distance
	}
	x := log32(float32(abs)/float32(mid)) / log32(float32(float64(longest-1)/float64(mid)))
	index := int(math.Ceil(float64(x*float32(mid-1)))) + mid
	if distance < 0 {
		return -index
	}
	return index
}

func log32(x float32) float32 { return float32(math.Log(float64(x))) }
