package models

import (
	"math"

	"kenserve/gemm"
	"kenserve/nn"
)

const (
	// attentionRows is the maximum number of queries in a part.
	attentionRows = 96
	// attentionScores is the maximum number of scores in a part: 256 KiB, so
	// that they stay in the second-level cache between their three uses. Parts
	// of a long sequence have fewer queries.
	attentionScores = 1 << 16
	// SharedScores is the number of multiplications from which sharing an
	// attention among cores is faster.
	SharedScores = 1 << 15
)

// Heads describes the position of the heads in the columns of queries, keys and
// values, and the keys that a query sees.
type Heads struct {
	Count int // number of heads; in the output they are adjacent
	Width int // columns of one head
	// Stride is the number of columns from a head to the next in queries, keys
	// and values; 0 means Width. It is larger if one product computes all three
	// and the columns of a head's queries, keys and values are adjacent.
	Stride int
	// Causal: a query sees only keys up to its own position.
	Causal bool
	// Window, if not 0: a query sees only keys at a distance up to Window.
	Window int
	// Slopes, if not nil: Slopes[h]·j is added to the score of key j in head h
	// (ALiBi, Press et al., 2021).
	Slopes []float32
}

// Visible returns the range of keys that the query at position i sees in a
// sequence of the given length.
func (h *Heads) Visible(i, length int) (from, to int) {
	to = length
	if h.Window > 0 {
		from, to = max(0, i-h.Window), min(length, i+h.Window+1)
	}
	if h.Causal {
		to = min(to, i+1)
	}
	return from, to
}

// attention is the work of Workspace.Attention. Its parts are those of Blocks.
type attention struct {
	out, q, k, v gemm.View
	queries      []int // ends of the sequences in out and q
	keys         []int // ends of the sequences in k and v
	heads        Heads
	blocks       Blocks
	slots        []attentionSlot
}

// attentionSlot is the memory of one slot.
type attentionSlot struct {
	scores  []float32
	memory  []float32 // of panels
	panels  nn.Panels // keys of the head below
	head    int       // sequence·heads.Count + head; −1: none yet
	factors [attentionRows]float32
	scratch nn.Scratch
}

// Attention computes, for every head h of every sequence,
//
//	out_h = softmax(q_h·k_hᵀ / √width)·v_h
//
// over the keys that a query sees. Sequence i ends at row queries[i] of q and
// out, and at row keys[i] of k and v. It has fewer queries than keys if only the
// outputs of its first positions are needed. out may be q itself if the heads
// are adjacent in both.
func (w *Workspace) Attention(out, q, k, v gemm.View, queries, keys []int, heads Heads) {
	if heads.Stride == 0 {
		heads.Stride = heads.Width
	}
	w.betweenSteps()
	a := &w.attention
	a.out, a.q, a.k, a.v, a.queries, a.keys, a.heads = out, q, k, v, queries, keys, heads
	a.blocks.Reset(heads.Count)
	scores, panels, work := 0, 0, 0
	for i := range queries {
		rows, keyRows := SequenceLen(queries, i), SequenceLen(keys, i)
		length := a.visibleKeys(keyRows)
		block := BlockQueries(length)
		a.blocks.Add(rows, block)
		scores = max(scores, min(rows, block)*gemm.Stride(length))
		panels = max(panels, nn.PanelValues(keyRows, heads.Width))
		work += rows * length * heads.Count * heads.Width
	}
	if len(a.slots) < w.Width() {
		a.slots = make([]attentionSlot, w.Width())
	}
	for i := range a.slots {
		s := &a.slots[i]
		s.scores, s.memory, s.head = w.Floats(scores), w.Floats(panels), -1
	}
	w.Run(a.blocks.Parts(), a, work >= SharedScores)
}

// visibleKeys returns the maximum number of keys that a block of queries sees in
// a sequence of the given length.
func (a *attention) visibleKeys(length int) int {
	if a.heads.Window > 0 {
		return min(length, 2*a.heads.Window+attentionRows+panelAlignment)
	}
	return length
}

// panelAlignment is the multiple at which a range of keys begins.
const panelAlignment = 32

// BlockQueries returns the number of queries in a part for the given number of
// keys. It is a multiple of 12, the number of rows in a kernel's tile.
func BlockQueries(keys int) int {
	return max(12, min(attentionRows, attentionScores/gemm.Stride(keys)/12*12))
}

// Do implements gemm.Work.
func (a *attention) Do(part, slotNumber int) {
	i, head, first, count := a.blocks.Find(part)
	rows, length := SequenceLen(a.queries, i), SequenceLen(a.keys, i)
	from, _ := a.heads.Visible(first, length)
	_, to := a.heads.Visible(first+count-1, length)

	width := a.heads.Width
	c0 := head * a.heads.Stride
	q0 := a.queries[i] - rows + first
	k0 := a.keys[i] - length
	from &^= panelAlignment - 1
	stride := gemm.Stride(to - from)
	slot := &a.slots[slotNumber]
	if h := i*a.heads.Count + head; slot.head != h {
		slot.head = h
		slot.panels.Set(slot.memory, a.k.Slice(k0, k0+length, c0, c0+width), float32(1/math.Sqrt(float64(width))))
	}
	scores := gemm.View{Data: slot.scores[:count*stride], Rows: count, Cols: to - from, Stride: stride}
	slot.panels.Product(scores, a.q.Slice(q0, q0+count, c0, c0+width), from, &slot.scratch)
	if a.heads.Slopes != nil {
		addSlope(scores, a.heads.Slopes[head], from)
	}
	o0 := head * width
	out := a.out.Slice(q0, q0+count, o0, o0+width)
	// Softmax divides each weight by their sum. Outputs are fewer than weights, so the
	// outputs are divided.
	factors := slot.factors[:count]
	for r := range factors {
		factors[r] = 1 / nn.ExpSum(a.heads.seen(scores.Row(r), first+r, from, length))
	}
	nn.Product(out, scores, a.v.Slice(k0+from, k0+to, c0, c0+width), &slot.scratch)
	for r, f := range factors {
		nn.Scale(out.Row(r), f)
	}
}

// seen returns the part of a row of scores that the query at position i sees, and sets
// the rest to 0. The first column is the key at position from.
func (h *Heads) seen(row []float32, i, from, length int) []float32 {
	if !h.Causal && h.Window == 0 {
		return row
	}
	a, b := h.Visible(i, length)
	clear(row[:a-from])
	clear(row[b-from:])
	return row[a-from : b-from]
}

// Softmax adds the head's slope to the scores, computes the softmax of each row
// over the keys that its query sees, and sets the other weights to 0. The first
// row is the query at position first of a sequence of the given length; the first
// column is the key at position from.
func (h *Heads) Softmax(scores gemm.View, head, first, from, length int) {
	if h.Slopes != nil {
		addSlope(scores, h.Slopes[head], from)
	}
	for i := range scores.Rows {
		row := h.seen(scores.Row(i), first+i, from, length)
		nn.Scale(row, 1/nn.ExpSum(row))
	}
}

// addSlope adds slope·j to the scores of key j. The first column is key from.
func addSlope(scores gemm.View, slope float32, from int) {
	for i := range scores.Rows {
		for j, s := range scores.Row(i) {
			scores.Data[i*scores.Stride+j] = s + float32(slope*float32(from+j))
		}
	}
}
