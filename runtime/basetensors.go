package runtime

import (
	"kenserve/gemm"
	"kenserve/safetensors"
)

// memoryTensors are the tensors of a base in memory. It implements delta.Tensors.
type memoryTensors struct {
	names  []string // sorted
	byName map[string]*safetensors.Tensor
}

// add adds a tensor. Tensors are added in the order of their names.
func (m *memoryTensors) add(t *safetensors.Tensor) {
	m.names = append(m.names, t.Name)
	m.byName[t.Name] = t
}

// Names implements delta.Tensors.
func (m *memoryTensors) Names() []string { return m.names }

// Tensor implements delta.Tensors.
func (m *memoryTensors) Tensor(name string) (*safetensors.Tensor, bool) {
	t, ok := m.byName[name]
	return t, ok
}

// vectorValues is a vector in float32. It implements safetensors.Values.
type vectorValues []float32

// Float32s implements safetensors.Values.
func (v vectorValues) Float32s(dst []float32, from int) { copy(dst, v[from:]) }

// matrixValues reads the elements of a matrix back from its panels, which hold them
// exactly. So the base's matrices are in memory once, and cold paths read them from
// there: unpacking a delta, copying a matrix that cannot be an overlay, drawing. It
// implements safetensors.Values.
type matrixValues struct{ *gemm.Matrix }

// Float32s implements safetensors.Values.
func (m matrixValues) Float32s(dst []float32, from int) {
	var row []float32 // for rows of which dst gets a part
	for k := m.K(); len(dst) > 0; {
		i, first := from/k, from%k
		n := min(len(dst), k-first)
		if n == k {
			m.Row(i, dst[:k])
		} else {
			if row == nil {
				row = make([]float32, k)
			}
			m.Row(i, row)
			copy(dst[:n], row[first:])
		}
		dst, from = dst[n:], from+n
	}
}
