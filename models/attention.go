package models

import (
	"math"

	"kenserve/gemm"
	"kenserve/nn"
)

const (
	// attentionRows is how many queries of one head a part takes at most.
	attentionRows = 96
	// attentionScores is how many scores (256 KiB) a part holds at most, so that
	// they stay in the second-level cache between their three uses; a long
	// sequence gets fewer queries a part.
	attentionScores = 1 << 16
	// SharedScores is the number of multiplications below which sharing them
	// costs more than it gains.
	SharedScores = 1 << 15
)

// Heads says how the columns of queries, keys and values hold the heads, and
// what a head's queries see.
type Heads struct {
	Count int // heads, in the output side by side
	Width int // columns of one head
	// Step is the number of columns from a head to the next in queries, keys and
	// values; 0 stands for Width. It is larger where one product gives all three
	// and a head's lie next to each other.
	Stride int
	// Causal lets a query see the keys up to its own position only.
	Causal bool
	// Window, if not 0, lets a query see the keys at most that far from it only.
	Window int
	// Slopes, if not nil, adds Slopes[h]·j to head h's score of key j (ALiBi,
	// Press et al., 2021).
	Slopes []float32
}

// seen returns the range of keys of length that the query at position i sees.
func (h *Heads) visible(i, length int) (from, to int) {
	to = length
	if h.Window > 0 {
		from, to = max(0, i-h.Window), min(length, i+h.Window+1)
	}
	if h.Causal {
		to = min(to, i+1)
	}
	return from, to
}

// attention is the work of Workspace.Attention; see Blocks for its parts.
type attention struct {
	out, q, k, v gemm.View
	queries      []int // ends of the sequences in out and q
	keys         []int // ends of the sequences in k and v
	heads        Heads
	blocks       Blocks
	scores       [][]float32 // by slot
	scratch      []nn.Scratch
}

// Attention computes, for every head h of every sequence,
//
//	out_h = softmax(q_h·k_hᵀ / √width)·v_h
//
// over the keys that it sees. Sequence i has the rows up to queries[i] of q and
// out, and those up to keys[i] of k and v. The two differ where only the
// outputs of each sequence's first positions are wanted. Out may be q itself if
// the heads lie side by side in both.
func (w *Workspace) Attention(out, q, k, v gemm.View, queries, keys []int, heads Heads) {
	if heads.Stride == 0 {
		heads.Stride = heads.Width
	}
	w.betweenSteps()
	a := &w.attention
	a.out, a.q, a.k, a.v, a.queries, a.keys, a.heads = out, q, k, v, queries, keys, heads
	a.blocks.Reset(heads.Count)
	scratch, work := 0, 0
	for i := range queries {
		rows, length := SequenceLen(queries, i), a.visibleKeys(SequenceLen(keys, i))
		block := BlockQueries(length)
		a.blocks.Add(rows, block)
		scratch = max(scratch, min(rows, block)*gemm.Stride(length))
		work += rows * length * heads.Count * heads.Width
	}
	a.scores = a.scores[:0]
	for range w.Width() {
		a.scores = append(a.scores, w.Floats(scratch))
	}
	if len(a.scratch) < w.Width() {
		a.scratch = make([]nn.Scratch, w.Width())
	}
	w.Run(a.blocks.Parts(), a, work >= SharedScores)
}

// reach returns how many of a sequence's keys a block of queries can see.
func (a *attention) visibleKeys(length int) int {
	if a.heads.Window > 0 {
		return min(length, 2*a.heads.Window+attentionRows)
	}
	return length
}

// BlockRows returns how many queries a part takes with the given number of
// keys: a multiple of 6, which suits the kernels.
func BlockQueries(keys int) int {
	return max(6, min(attentionRows, attentionScores/gemm.Stride(keys)/6*6))
}

func (a *attention) Do(part, slot int) {
	i, head, first, count := a.blocks.Find(part)
	rows, length := SequenceLen(a.queries, i), SequenceLen(a.keys, i)
	from, _ := a.heads.visible(first, length)
	_, to := a.heads.visible(first+count-1, length)

	width := a.heads.Width
	c0 := head * a.heads.Stride
	q0 := a.queries[i] - rows + first
	k0 := a.keys[i] - length
	stride := gemm.Stride(to - from)
	scores := gemm.View{Data: a.scores[slot][:count*stride], Rows: count, Cols: to - from, Stride: stride}
	nn.ProductTransposed(scores, a.q.Slice(q0, q0+count, c0, c0+width), a.k.Slice(k0+from, k0+to, c0, c0+width), float32(1/math.Sqrt(float64(width))), &a.scratch[slot])
	if a.heads.Slopes != nil {
		addSlope(scores, a.heads.Slopes[head], from)
	}
	if a.heads.Causal || a.heads.Window > 0 {
		a.heads.softmax(scores, first, from, length)
	} else {
		nn.Softmax(scores)
	}
	o0 := head * width
	nn.Product(a.out.Slice(q0, q0+count, o0, o0+width), scores, a.v.Slice(k0+from, k0+to, c0, c0+width), &a.scratch[slot])
}

// softmax takes the softmax of each row over the keys that its query sees, and
// gives the others no weight. The first row is the query at position first, the
// first column the key at position from.
func (h *Heads) softmax(scores gemm.View, first, from, length int) {
	for i := range scores.Rows {
		a, b := h.visible(first+i, length)
		row := scores.Row(i)
		clear(row[:a-from])
		clear(row[b-from:])
		nn.Softmax(scores.Slice(i, i+1, a-from, b-from))
	}
}

// addSlope adds slope·j to the scores of key j; the first column is key from.
func addSlope(scores gemm.View, slope float32, from int) {
	for i := range scores.Rows {
		for j, s := range scores.Row(i) {
			scores.Data[i*scores.Stride+j] = s + float32(slope*float32(from+j))
		}
	}
}
