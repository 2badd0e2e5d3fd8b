package grad

import (
	"slices"

	"kenserve/gemm"
)

// memory hands out buffers for activations and takes them back.
type memory struct {
	spare [][]float32 // by rising length
	live  int64       // bytes handed out
	held  int64       // bytes handed out or spare
}

// view returns a matrix with arbitrary contents. Its stride suits the kernels.
func (m *memory) view(rows, cols int) gemm.View {
	stride := gemm.Stride(cols)
	return gemm.View{Data: m.take(rows * stride), Rows: rows, Cols: cols, Stride: stride}
}

// take returns a buffer of n values, from a spare one that is at most a quarter longer if
// there is one.
func (m *memory) take(n int) []float32 {
	n = max(n, 1)
	i, _ := slices.BinarySearchFunc(m.spare, n, func(b []float32, n int) int { return cap(b) - n })
	var b []float32
	if i < len(m.spare) && cap(m.spare[i]) <= n+n/4+1024 {
		b = m.spare[i][:n]
		m.spare = slices.Delete(m.spare, i, i+1)
	} else {
		m.trim(n)
		b = make([]float32, n, (n+255)&^255)
		m.held += 4 * int64(cap(b))
	}
	m.live += 4 * int64(cap(b))
	return b
}

// trim drops spare buffers, the smallest first, that are as large as a new one of n values:
// batches differ in size, and buffers of all sizes would add up.
func (m *memory) trim(n int) {
	for dropped := 0; len(m.spare) > 0 && dropped < n; {
		i, _ := slices.BinarySearchFunc(m.spare, n, func(b []float32, n int) int { return cap(b) - n })
		i = min(i, len(m.spare)-1)
		dropped += cap(m.spare[i])
		m.held -= 4 * int64(cap(m.spare[i]))
		m.spare = slices.Delete(m.spare, i, i+1)
	}
}

// free takes the buffer of a view back.
func (m *memory) free(v gemm.View) {
	if cap(v.Data) == 0 {
		return
	}
	b := v.Data
	m.live -= 4 * int64(cap(b))
	i, _ := slices.BinarySearchFunc(m.spare, cap(b), func(b []float32, n int) int { return cap(b) - n })
	m.spare = slices.Insert(m.spare, i, b)
}
