package models

import (
	"math"

	"kenserve/gemm"
)

const (
	// attentionRows is how many queries of one head a part takes at most.
	attentionRows = 96
	// attentionScores is how many scores (128 KiB) a part holds at most, so that
	// they stay in the second-level cache between their three uses; a long
	// sequence gets fewer queries a part.
	attentionScores = 1 << 15
	// sharedScores is the number of multiplications below which waking workers
	// costs more than it gains.
	sharedScores = 1 << 18
)

// attention is the work of Workspace.Attention. A part is a block of queries
// of one head of one sequence; the blocks of a head follow each other, and its
// keys and values stay in cache.
type attention struct {
	out, q, k, v gemm.View
	queries      []int // ends of the sequences in out and q
	keys         []int // ends of the sequences in k and v
	heads        int
	parts        []int       // ends of the sequences' parts
	scores       [][]float32 // by slot
	scratch      []gemm.Scratch
}

// Attention computes, for every head h of every sequence,
//
//	out_h = softmax(q_h·k_hᵀ / √width)·v_h
//
// where the columns of the views are the heads side by side. Sequence i has
// the rows up to queries[i] of q and out, and those up to keys[i] of k and v.
// The two differ where only some positions' outputs are wanted.
func (w *Workspace) Attention(out, q, k, v gemm.View, queries, keys []int, heads int) {
	a := &w.attention
	a.out, a.q, a.k, a.v, a.queries, a.keys, a.heads = out, q, k, v, queries, keys, heads
	a.parts = a.parts[:0]
	parts, scratch, work := 0, 0, 0
	for i := range queries {
		rows, length := span(queries, i), span(keys, i)
		block := blockRows(length)
		parts += heads * ((rows + block - 1) / block)
		a.parts = append(a.parts, parts)
		scratch = max(scratch, min(rows, block)*gemm.Stride(length))
		work += rows * length * q.Cols
	}
	pool := w.pool
	if work < sharedScores {
		pool = nil
	}
	a.scores = a.scores[:0]
	for range pool.Width() {
		a.scores = append(a.scores, w.floats(scratch))
	}
	if len(a.scratch) < pool.Width() {
		a.scratch = make([]gemm.Scratch, pool.Width())
	}
	pool.Run(parts, a)
}

// span returns how many rows sequence i has.
func span(ends []int, i int) int {
	if i == 0 {
		return ends[0]
	}
	return ends[i] - ends[i-1]
}

// blockRows returns how many queries a part takes with the given number of
// keys: a multiple of 6, which suits the kernels.
func blockRows(keys int) int {
	return max(6, min(attentionRows, attentionScores/gemm.Stride(keys)/6*6))
}

func (a *attention) Do(part, slot int) {
	lo, hi := 0, len(a.parts)-1 // the first sequence whose parts end beyond
	for lo < hi {
		if mid := (lo + hi) / 2; a.parts[mid] > part {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	i := lo
	if i > 0 {
		part -= a.parts[i-1]
	}
	rows, length := span(a.queries, i), span(a.keys, i)
	block := blockRows(length)
	blocks := (rows + block - 1) / block
	head, first := part/blocks, part%blocks*block
	count := min(block, rows-first)

	width := a.q.Cols / a.heads
	c0 := head * width
	q0 := a.queries[i] - rows + first
	k0 := a.keys[i] - length
	stride := gemm.Stride(length)
	scores := gemm.View{Data: a.scores[slot][:count*stride], Rows: count, Cols: length, Stride: stride}
	gemm.ProductTransposed(scores, a.q.Slice(q0, q0+count, c0, c0+width), a.k.Slice(k0, k0+length, c0, c0+width), float32(1/math.Sqrt(float64(width))), &a.scratch[slot])
	gemm.Softmax(scores)
	gemm.Product(a.out.Slice(q0, q0+count, c0, c0+width), scores, a.v.Slice(k0, k0+length, c0, c0+width), &a.scratch[slot])
}
